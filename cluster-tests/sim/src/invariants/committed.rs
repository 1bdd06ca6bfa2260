//! What is applied is durable on a majority and stays so; nodes that have applied the same have the
//! same state.
//!
//! The log is replayed beside the nodes, by the same apply, into a state of its own. What a node
//! holds after entry `i` must hash to what the replay held after entry `i`. So no two nodes are
//! compared with each other, and a node that skips, repeats or reorders is found at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use holdline_model::{Command, GroupId, Reply};
use holdline_raft::{Replay, applied_index};
use holdline_storage::{SnapshotStore, StateReader, StateStore};
use tempfile::TempDir;

use crate::disk::{Disk, Witness};
use crate::net::HostId;

/// The log as nodes have made it durable, and its replay.
#[derive(Debug)]
pub struct Committed {
    nodes: usize,
    replay: Replay,
    disk: Disk,
    /// The last entry replayed.
    index: Option<u64>,
    /// Who has what at an index.
    entries: BTreeMap<u64, BTreeMap<Bytes, BTreeSet<HostId>>>,
    /// The entries that were replayed.
    replayed: BTreeMap<u64, Bytes>,
    /// The state's hash after each entry.
    hashes: BTreeMap<u64, u64>,
    /// Keeps the folder of snapshots that the state store wants to see.
    _folder: TempDir,
}

/// Nobody looks at what the replay writes.
struct Nobody;

impl Witness for Nobody {
    fn durable(&self, _host: HostId, _index: u64, _entry: &Bytes) {}
    fn gone(&self, _host: HostId, _from: u64, _to: u64, _purged: bool) {}
    fn applied(&self, _host: HostId, _mark: &[u8], _hash: u64) {}
}

impl Committed {
    /// An empty log of a cluster of so many nodes.
    ///
    /// # Errors
    /// The replay's state cannot be made.
    pub fn new(nodes: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let snapshots = SnapshotStore::open(folder.path())?;
        let disk = Disk::new(HostId(usize::MAX), Arc::new(Nobody));
        let state = StateStore::open(Arc::new(disk.clone()), GroupId(0), &snapshots)?;
        let state = state.writing_at_once();
        Ok(Self {
            nodes,
            replay: Replay::new(state),
            disk,
            index: None,
            entries: BTreeMap::new(),
            replayed: BTreeMap::new(),
            hashes: BTreeMap::new(),
            _folder: folder,
        })
    }

    /// Reads the replay's state.
    #[must_use]
    pub fn reader(&self) -> StateReader {
        self.replay.reader()
    }

    /// Index of the last entry replayed.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index.unwrap_or(0)
    }

    /// A node has made an entry durable.
    pub fn durable(&mut self, host: HostId, index: u64, entry: &Bytes) {
        self.entries.entry(index).or_default().entry(entry.clone()).or_default().insert(host);
    }

    /// Entries are gone from a node's log. That is a fault if they are what was applied; another
    /// entry at that index, which no majority had, may go.
    pub fn gone(&mut self, host: HostId, from: u64, to: u64, purged: bool) -> Option<String> {
        let mut fault = None;
        for (index, versions) in self.entries.range_mut(from..to.max(from)) {
            for (entry, hosts) in versions.iter_mut() {
                let applied = self.replayed.get(index) == Some(entry);
                if hosts.remove(&host) && applied && !purged && fault.is_none() {
                    fault =
                        Some(format!("committed: {host} removed entry {index}, which is applied"));
                }
            }
        }
        fault
    }

    /// A node has applied up to a mark. Returns the commands that took effect and that nobody had
    /// applied before.
    ///
    /// # Errors
    /// What must not be.
    pub fn applied(
        &mut self,
        host: HostId,
        mark: &[u8],
        hash: u64,
    ) -> Result<Vec<(Command, Reply)>, String> {
        let index = applied_index(mark).map_err(|error| format!("committed: {host}: {error}"))?;
        let mut accepted = Vec::new();
        while self.index.is_none_or(|applied| applied < index) {
            let next = self.index.map_or(0, |applied| applied + 1);
            let entry = self.majority(next).ok_or_else(|| {
                format!("committed: {host} applied entry {next}, which is on no majority's disk")
            })?;
            let replayed = self.replay.apply(&entry);
            let replayed = replayed.map_err(|error| format!("committed: entry {next}: {error}"))?;
            accepted.extend(replayed.accepted().cloned());
            self.index = Some(replayed.index);
            self.hashes.insert(replayed.index, self.disk.state_hash());
            self.replayed.insert(next, entry);
        }
        match self.hashes.get(&index) {
            Some(expected) if *expected != hash => {
                Err(format!("committed: the state of {host} after entry {index} is another"))
            }
            Some(_) => Ok(accepted),
            None => {
                Err(format!("committed: {host} applied entry {index}, which was never replayed"))
            }
        }
    }

    fn majority(&self, index: u64) -> Option<Bytes> {
        let versions = self.entries.get(&index)?;
        let held = |(entry, hosts): (&Bytes, &BTreeSet<HostId>)| {
            (hosts.len() * 2 > self.nodes).then(|| entry.clone())
        };
        versions.iter().find_map(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [HostId; 3] = [HostId(0), HostId(1), HostId(2)];

    fn committed() -> Committed {
        Committed::new(NODES.len()).unwrap()
    }

    /// An empty entry: version, term 1, node 1, index, kind.
    fn entry(index: u8) -> Bytes {
        Bytes::from(vec![2, 1, 1, index, 0])
    }

    fn mark(index: u8) -> [u8; 4] {
        [2, 1, 1, index]
    }

    #[test]
    fn what_no_majority_has_must_not_be_applied() {
        let mut committed = committed();
        committed.durable(HostId(0), 0, &entry(0));
        assert!(committed.applied(HostId(0), &mark(0), 0).unwrap_err().contains("no majority"));
    }

    #[test]
    fn another_state_is_a_fault_and_so_is_removing_what_is_applied() {
        let mut committed = committed();
        for host in &NODES[..2] {
            committed.durable(*host, 0, &entry(0));
        }
        committed.durable(HostId(2), 0, &entry(1));
        let error = committed.applied(HostId(0), &mark(0), 0).unwrap_err();
        assert!(error.contains("is another"), "{error}");
        let hash = committed.hashes[&0];
        assert!(committed.applied(HostId(1), &mark(0), hash).unwrap().is_empty());
        assert_eq!(committed.gone(HostId(2), 0, 1, false), None, "it was never committed");
        assert_eq!(committed.gone(HostId(1), 0, 1, true), None, "the state holds it");
        assert!(committed.gone(HostId(0), 0, 1, false).is_some());
    }
}
