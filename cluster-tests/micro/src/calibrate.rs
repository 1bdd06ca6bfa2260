//! Work that never changes, measured beside each group: times of two machines, or of one machine at
//! two moments, are compared after division by it.

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::meter::{Group, Meter, Pace, repeat};
use holdline_micro_results::CALIBRATION;

/// Measures the work that a group is compared with.
pub(crate) fn run(meter: &mut dyn Meter, group: &Group) {
    match group.pace {
        Pace::Processor => repeat(meter, group, CALIBRATION, processor),
        Pace::Threads => threads(meter, group),
        Pace::Disk => disk(meter, group),
    }
}

/// What the switch does all day, in small: copies, a hash, an ordered map, the allocator.
fn processor() -> u64 {
    let mut by_hash = BTreeMap::new();
    for number in 0..32_u8 {
        let bytes = vec![number; 200];
        let hash = black_box(&bytes).iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        by_hash.insert(hash, bytes);
    }
    by_hash.into_iter().fold(0, |sum, (hash, bytes)| sum ^ hash ^ bytes.len() as u64)
}

/// To another thread and back.
fn threads(meter: &mut dyn Meter, group: &Group) {
    let (ask, asked) = sync_channel::<u32>(1);
    let (answer, answered) = sync_channel(1);
    let echo = thread::spawn(move || {
        while let Ok(number) = asked.recv() {
            if answer.send(number).is_err() {
                return;
            }
        }
    });
    repeat(meter, group, CALIBRATION, || {
        ask.send(1).expect("the other thread lives until `ask` is dropped");
        answered.recv().expect("the other thread answers until `ask` is dropped")
    });
    drop(ask);
    echo.join().expect("the other thread does not panic");
}

/// 4 KiB at the end of a file, synced.
fn disk(meter: &mut dyn Meter, group: &Group) {
    let folder = crate::scratch::folder();
    let mut file = File::create(folder.path().join("calibration")).expect("the folder is ours");
    let block = [0x55; 4096];
    meter.case(group, CALIBRATION, 1, &mut |stopwatch| {
        stopwatch.time(&mut || {
            file.write_all(&block).expect("the disk has room");
            file.sync_data().expect("the disk works");
        });
    });
}
