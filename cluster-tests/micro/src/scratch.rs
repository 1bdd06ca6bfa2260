//! Folders for the disk's cases.

use holdline_micro_results as results;
use tempfile::TempDir;

/// A folder on the disk that the target folder is on, gone when it is dropped.
pub(crate) fn folder() -> TempDir {
    let folder = results::folder();
    std::fs::create_dir_all(&folder).expect("cargo's target folder can be written to");
    let scratch = tempfile::Builder::new().prefix("scratch-").tempdir_in(folder);
    scratch.expect("cargo's target folder can be written to")
}
