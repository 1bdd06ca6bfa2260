//! What the last run measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use holdline_micro_results::{self as results, CALIBRATION, Count, Counts};
use serde::{Deserialize, Serialize};

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Nanoseconds per operation.
    pub(crate) ns: f64,
    /// Nanoseconds of the group's calibration, measured just before the group.
    pub(crate) calibration_ns: f64,
    /// What does not depend on the machine, if it was counted.
    #[serde(flatten)]
    pub(crate) count: Option<Count>,
}

impl Case {
    /// The time in calibrations.
    pub(crate) fn relative(&self) -> f64 {
        self.ns / self.calibration_ns
    }
}

/// All cases of the last run, by name.
pub(crate) type Cases = BTreeMap<String, Case>;

/// The last run.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) cases: Cases,
}

impl Measured {
    /// Reads criterion's files and the counts.
    pub(crate) fn read() -> Result<Self> {
        let counts: Counts = match fs::read(results::counts()) {
            Ok(bytes) => serde_json::from_slice(&bytes).context("counts")?,
            Err(_) => Counts::new(),
        };
        let mut cases = Cases::new();
        for group in folders(&results::times())? {
            let times = times(&group)?;
            let Some(calibration_ns) = times.get(CALIBRATION).copied() else { continue };
            let group = name(&group);
            for (case, ns) in times.into_iter().filter(|(case, _)| case != CALIBRATION) {
                let case = format!("{group}/{case}");
                let count = counts.get(&case).copied();
                cases.insert(case, Case { ns, calibration_ns, count });
            }
        }
        Ok(Self { cases })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

/// The times of a group's cases.
fn times(group: &Path) -> Result<BTreeMap<String, f64>> {
    let mut times = BTreeMap::new();
    for case in folders(group)? {
        let file = case.join("new/sample.json");
        if file.exists() {
            let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
            let sample: Sample =
                serde_json::from_slice(&bytes).with_context(|| file.display().to_string())?;
            if let Some(ns) = sample.typical() {
                times.insert(name(&case), ns);
            }
        }
    }
    Ok(times)
}

/// What criterion writes down: how many operations each sample had, and how long they took.
#[derive(Debug, Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

impl Sample {
    /// The lower quartile: whoever else uses the processor only ever adds to a time, so that the
    /// median of a machine that is shared says more about the others than about us.
    fn typical(&self) -> Option<f64> {
        let each = self.iters.iter().zip(&self.times).map(|(iterations, time)| time / iterations);
        let mut each: Vec<f64> = each.collect();
        each.sort_by(f64::total_cmp);
        each.get(each.len() / 4).copied()
    }
}

fn folders(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}

fn name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slow_samples_of_a_busy_machine_do_not_count() {
        let sample =
            Sample { iters: vec![1.0, 2.0, 2.0, 4.0], times: vec![90.0, 20.0, 22.0, 400.0] };
        assert_eq!(sample.typical(), Some(11.0));
        assert_eq!(Sample { iters: vec![], times: vec![] }.typical(), None);
    }
}
