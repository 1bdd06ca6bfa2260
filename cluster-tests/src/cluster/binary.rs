//! Where the `holdline` program is.

use std::path::{Path, PathBuf};

/// The program was not found.
#[derive(thiserror::Error)]
#[error(
    "no holdline program at {}: build it with `cargo build -p holdline`, or name it in HOLDLINE_BIN",
    .looked_at.display()
)]
pub struct BinaryMissing {
    looked_at: PathBuf,
}

debug_in_words!(BinaryMissing);

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
    let folder = own.parent().unwrap_or(Path::new("."));
    // Cargo puts tests into `deps`, a folder below that of the programs.
    let folder = if folder.ends_with("deps") { folder.join("..") } else { folder.to_owned() };
    let path = folder.join("holdline");
    if path.is_file() { Ok(path) } else { Err(BinaryMissing { looked_at: path }) }
}
