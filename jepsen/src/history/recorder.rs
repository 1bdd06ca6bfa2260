//! Where everybody writes the history down.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::time::Instant;

use super::edn;
use super::{History, Op, OpType, Process};

/// A history that is being written. Clones write the same one.
#[derive(Clone, Debug)]
pub struct Recorder {
    start: Instant,
    ops: Arc<Mutex<Vec<Op>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { start: Instant::now(), ops: Arc::default() }
    }
}

impl Recorder {
    /// When the run began.
    #[must_use]
    pub const fn start(&self) -> Instant {
        self.start
    }

    /// Nanoseconds from the beginning of the run to then.
    #[must_use]
    pub fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// An operation of a client begins.
    pub fn invoke(&self, process: u64, f: &str, value: &impl Serialize) {
        self.add(OpType::Invoke, Process::Client(process), f, edn::to_value(value), None);
    }

    /// An operation of a client ends.
    pub fn end(
        &self,
        process: u64,
        ty: OpType,
        f: &str,
        value: &impl Serialize,
        error: Option<String>,
    ) {
        self.add(ty, Process::Client(process), f, edn::to_value(value), error);
    }

    /// A fact.
    pub fn fact(&self, who: &str, f: &str, value: &impl Serialize) {
        self.add(OpType::Info, Process::named(who), f, edn::to_value(value), None);
    }

    fn add(&self, ty: OpType, process: Process, f: &str, value: edn::Value, error: Option<String>) {
        let mut ops = self.ops.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that the order of the lines is that of their times.
        let time = self.nanos(Instant::now());
        let index = u64::try_from(ops.len()).unwrap_or(u64::MAX);
        ops.push(Op { index, time, ty, process, f: f.to_owned(), value, error });
    }

    /// What was written so far.
    #[must_use]
    pub fn history(&self) -> History {
        History { ops: self.ops.lock().unwrap_or_else(PoisonError::into_inner).clone() }
    }
}
