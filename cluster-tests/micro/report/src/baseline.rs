//! The stored numbers that a run is compared with.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::measured::{Cases, Measured};

/// What the repository holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// Where and when most of it was measured.
    pub(crate) measured: Machine,
    /// The numbers.
    pub(crate) cases: Cases,
}

impl Baseline {
    /// Reads the file; `None` if there is none.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>> {
        if !file.exists() {
            return Ok(None);
        }
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        let baseline =
            serde_json::from_slice(&bytes).with_context(|| file.display().to_string())?;
        Ok(Some(baseline))
    }

    /// What was measured, over what is known of the other cases. After a whole run the others no
    /// longer exist: they go.
    pub(crate) fn accepting(measured: &Measured, before: Option<Self>) -> Self {
        let mut cases = measured.cases.clone();
        if let Some(before) = before {
            let is_of_group = |name: &str, group: &str| name.split('/').next() == Some(group);
            for (name, mut case) in before.cases {
                let group = name.split('/').next().unwrap_or_default();
                let was_run = measured.cases.keys().any(|other| is_of_group(other, group));
                match cases.get_mut(&name) {
                    // Times without counts do not take the old counts away.
                    Some(new) => new.count = new.count.or(case.count.take()),
                    None if was_run => {}
                    None => drop(cases.insert(name, case)),
                }
            }
        }
        Self { measured: Machine::look(), cases }
    }

    /// Writes the file.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("numbers are JSON")?;
        text.push('\n');
        fs::write(file, text).with_context(|| file.display().to_string())
    }
}
