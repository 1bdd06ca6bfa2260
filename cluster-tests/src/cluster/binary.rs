//! Where the `holdline` program is.

use std::path::{Path, PathBuf};

/// The program was not found.
#[derive(Debug, thiserror::Error)]
#[error(
    "no holdline program at {}: build it with `cargo build -p holdline`, or name it in HOLDLINE_BIN",
    .looked_at.display()
)]
pub struct BinaryMissing {
    looked_at: PathBuf,
}

/// The program to test: what `HOLDLINE_BIN` names, else `holdline` in the folder of the running
/// program or (for tests, which Cargo puts into `deps`) in the folder above.
///
/// # Errors
/// If there is no such file.
pub fn holdline_binary() -> Result<PathBuf, BinaryMissing> {
    if let Some(path) = std::env::var_os("HOLDLINE_BIN").map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(BinaryMissing { looked_at: path }) };
    }
    let own = std::env::current_exe().unwrap_or_default();
    let folders = own.ancestors().skip(1).take(2).map(Path::to_owned);
    let paths: Vec<PathBuf> = folders.map(|folder| folder.join("holdline")).collect();
    let found = paths.iter().find(|path| path.is_file()).cloned();
    found.ok_or_else(|| BinaryMissing { looked_at: paths.last().cloned().unwrap_or_default() })
}
