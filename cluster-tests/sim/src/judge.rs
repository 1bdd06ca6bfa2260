//! Hears of everything at the moment it happens, and has each invariant look at it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use holdline_storage::StateReader;

use crate::disk::Witness;
use crate::invariants::committed::Committed;
use crate::invariants::rule_one::RuleOne;
use crate::invariants::sequence::Sequence;
use crate::net::{HostId, Tap};

/// The judge. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Judge(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    committed: Committed,
    rule_one: RuleOne,
    sequence: Sequence,
    faults: Vec<String>,
    /// Whether `rule_one` is not told what is committed.
    late: bool,
}

impl Judge {
    /// A judge over a cluster of so many nodes.
    ///
    /// # Errors
    /// Its own copy of the state cannot be made.
    pub fn new(nodes: usize) -> anyhow::Result<Self> {
        let state = State {
            committed: Committed::new(nodes)?,
            rule_one: RuleOne::default(),
            sequence: Sequence::default(),
            faults: Vec::new(),
            late: false,
        };
        Ok(Self(Arc::new(Mutex::new(state))))
    }

    /// From now on the checker of rule one does not learn what is committed, so that everything seems to
    /// be said too soon: a bug that it must find.
    pub fn learn_late(&self) {
        self.lock().late = true;
    }

    /// Notes a fault that was found elsewhere.
    pub fn fault(&self, fault: String) {
        self.lock().faults.push(fault);
    }

    /// What was found so far.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.lock().faults.clone()
    }

    /// The state that the log says, as far as any node has applied it.
    #[must_use]
    pub fn state(&self) -> StateReader {
        self.lock().committed.reader()
    }

    /// Index of the last entry that any node has applied.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.lock().committed.index()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for Judge {
    fn durable(&self, host: HostId, index: u64, entry: &Bytes) {
        self.lock().committed.durable(host, index, entry);
    }

    fn gone(&self, host: HostId, from: u64, to: u64, purged: bool) {
        let mut state = self.lock();
        let fault = state.committed.gone(host, from, to, purged);
        state.faults.extend(fault);
    }

    fn applied(&self, host: HostId, mark: &[u8], hash: u64) {
        let mut state = self.lock();
        let State { committed, rule_one, faults, late, .. } = &mut *state;
        match committed.applied(host, mark, hash) {
            Ok(_) if *late => {}
            Ok(accepted) => accepted.iter().for_each(|(command, _)| rule_one.commit(command)),
            Err(fault) => faults.push(fault),
        }
    }
}

/// The judge on the wire.
#[derive(Debug)]
pub struct OnTheWire(pub Judge);

impl Tap for OnTheWire {
    fn sent(&mut self, at_us: u64, host: HostId, _from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        let mut state = self.0.lock();
        let found = state.rule_one.sent(bytes).into_iter().chain(state.sequence.sent(to, bytes));
        let ms = at_us / 1000;
        let found: Vec<_> =
            found.map(|fault| format!("{ms} ms: {host} to {to}: {fault}")).collect();
        state.faults.extend(found);
    }
}
