//! How long the disk takes to make a few bytes durable.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::writers::Times;

/// Appends so many bytes at a time to a file in `folder`, and syncs its data after each (fdatasync).
pub(crate) fn sync_times(folder: &Path, bytes: u32) -> Result<Times> {
    let path = folder.join("sync-probe");
    let mut file = File::create(&path)?;
    let block = vec![b'x'; usize::try_from(bytes)?];
    let mut times: Vec<Duration> = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        #[allow(clippy::disallowed_methods, reason = "a measurement, outside of every node")]
        let began = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    drop(file);
    std::fs::remove_file(&path)?;
    Ok(Times::of(times))
}

const COUNT: usize = 1_000;
