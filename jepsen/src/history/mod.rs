//! What was tried and what came of it, in Jepsen's format: one map a line, in the order of time.
//!
//! An operation begins with `:invoke` and ends with `:ok` (it happened), `:fail` (it certainly did
//! not happen) or `:info` (nobody knows): an operation that timed out is `:info`, never `:fail`.
//! What is no operation of a client (faults, observations, the ledgers of the user agents, the
//! call detail records) is `:info` by a process with a name instead of a number, as Jepsen's
//! nemesis is. The first line says what was run. Everything that a checker looks at is in here, so
//! that a history can be judged again without the cluster.

pub mod edn;
mod file;
mod fold;
mod op;
mod recorder;
mod witness;

pub use file::{HistoryError, read, write};
pub use fold::{Pair, pairs};
pub use op::{Op, OpType, Process};
pub use recorder::Recorder;
pub use witness::{
    EntryRecord, EventRecord, StrayRecord, entries, kind_text, ledger, word as witness_word,
};

use serde::de::DeserializeOwned;

/// All operations of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// In the order of their index.
    pub ops: Vec<Op>,
}

impl History {
    /// The values of all operations named `f` by processes with a name, with their lines.
    pub fn facts<'a, T: DeserializeOwned>(
        &'a self,
        f: &'a str,
    ) -> impl Iterator<Item = (&'a Op, T)> + 'a {
        let named = |op: &&Op| matches!(op.process, Process::Named(_));
        self.ops
            .iter()
            .filter(named)
            .filter(move |op| op.f == f)
            .filter_map(|op| edn::from_value(&op.value).ok().map(|value| (op, value)))
    }
}
