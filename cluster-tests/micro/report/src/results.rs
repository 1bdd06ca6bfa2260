//! What was measured, as files: the benchmarks write them, the report reads them. The report is a
//! package of its own, so that it need not be linked with everything that is measured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The case in every group that all others of it are divided by.
pub const CALIBRATION: &str = "calibration";

/// What an operation takes that does not depend on how busy the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Allocations of the thread that runs the operation.
    pub allocations: f64,
    /// Bytes allocated by them.
    pub allocated_bytes: f64,
    /// Instructions, if valgrind could count them.
    pub instructions: Option<f64>,
}

/// By the case's full name.
pub type Counts = BTreeMap<String, Count>;

/// Where this build's measurements are: `micro` in cargo's target folder.
///
/// # Panics
/// If this program does not lie in a target folder.
#[must_use]
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("a process knows its program");
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.expect("cargo marks its target folder with CACHEDIR.TAG").join("micro")
}

/// Where criterion writes to.
#[must_use]
pub fn times() -> PathBuf {
    folder().join("criterion")
}

/// Where the counts are.
#[must_use]
pub fn counts() -> PathBuf {
    folder().join("counts.json")
}
