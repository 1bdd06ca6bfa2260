//! A library that nodes are started with (`LD_PRELOAD`), so that their disks seem to be bad ones.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the library that makes syncs fail or last (`tests/fail_sync.c`) into `folder`; `None` without a
/// C compiler.
#[must_use]
pub fn faulty_sync(folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fail_sync.c");
    let library = folder.join("fail_sync.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    compiler.status().is_ok_and(|status| status.success()).then_some(library)
}
