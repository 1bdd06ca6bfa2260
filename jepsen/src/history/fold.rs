//! Operations as pairs of beginning and end.

use std::collections::HashMap;

use super::{History, Op, OpType, Process};

/// An operation of a client.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Its beginning.
    pub invoke: &'a Op,
    /// Its end; `None` if the run ended first.
    pub end: Option<&'a Op>,
}

impl Pair<'_> {
    /// How it ended; what never ended is [`OpType::Info`].
    #[must_use]
    pub fn outcome(&self) -> OpType {
        self.end.map_or(OpType::Info, |end| end.ty)
    }
}

/// All operations of clients named one of `fs`, in the order of their beginnings.
#[must_use]
pub fn pairs<'a>(history: &'a History, fs: &[&str]) -> Vec<Pair<'a>> {
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    for op in &history.ops {
        let Process::Client(process) = op.process else { continue };
        if op.ty == OpType::Invoke {
            open.remove(&process);
            if fs.contains(&op.f.as_str()) {
                open.insert(process, pairs.len());
                pairs.push(Pair { invoke: op, end: None });
            }
        } else if let Some(pair) = open.remove(&process).and_then(|place| pairs.get_mut(place)) {
            pair.end = Some(op);
        }
    }
    pairs
}
