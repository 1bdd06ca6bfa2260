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
        Ok(Self {
            nodes,
            replay: Replay::new(state),
            disk,
            index: None,
            entries: BTreeMap::new(),
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

    /// Entries are gone from a node's log.
    pub fn gone(&mut self, host: HostId, from: u64, to: u64, purged: bool) -> Option<String> {
        for (_, versions) in self.entries.range_mut(from..to.max(from)) {
            for hosts in versions.values_mut() {
                hosts.remove(&host);
            }
        }
        let applied = self.index.filter(|index| !purged && from <= *index)?;
        Some(format!("committed: {host} removed entry {from}, but {applied} is applied"))
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
