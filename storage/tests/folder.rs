//! Everything together as a node uses it: data folder, RocksDB, log, state, snapshots, restarts.
#![allow(clippy::unwrap_used, reason = "a test: a failure is to end it")]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use holdline_model::{ClusterId, ClusterRecord, Epoch, GroupId, Millis, NodeId, Roster, SlotId};
use holdline_model::{SlotRecord, State};
use holdline_storage::{
    DataDir, Identity, LogError, LogOptions, LogStore, RocksOptions, SnapshotStore, StateStore,
};
use tempfile::TempDir;

const GROUP: GroupId = GroupId(0);

struct Node {
    log: LogStore,
    state: StateStore,
    snapshots: SnapshotStore,
    _folder: DataDir,
}

impl Node {
    fn open(path: &Path) -> Self {
        let identity = Identity { cluster: "test".to_owned(), node: NodeId(1) };
        let folder = DataDir::open(path, &identity).unwrap();
        let engine = Arc::new(folder.open_engine(&RocksOptions::default()).unwrap());
        let snapshots = SnapshotStore::open(&folder.snapshots_path()).unwrap();
        let state = StateStore::open(engine.clone(), GROUP, &snapshots).unwrap();
        let log = LogStore::open(engine, GROUP, LogOptions::default()).unwrap();
        Self { log, state, snapshots, _folder: folder }
    }

    fn append(&self, first: u64, last: u64) {
        let (to, from) = sync_channel(1);
        let entries = (first..=last).map(|index| (index, Bytes::from(index.to_string())));
        let on_durable = Box::new(move |result| to.send(result).unwrap());
        self.log.append(entries.collect(), on_durable).unwrap();
        from.recv().unwrap().unwrap();
    }

    fn apply(&self, slots: u16, mark: &[u8]) {
        let mut batch = self.state.batch();
        let (cluster, formed_at) = (ClusterId(7), Millis(1));
        batch
            .put_cluster(&ClusterRecord { cluster, slots, formed_at, roster: Roster::default() })
            .unwrap();
        for number in 0..slots {
            batch.put_slot(&slot(number)).unwrap();
        }
        batch.put_membership(b"members");
        batch.commit(mark).unwrap();
    }

    fn bounds(&self) -> (Option<u64>, Option<u64>) {
        (self.log.first_index(), self.log.last_index())
    }
}

fn slot(number: u16) -> SlotRecord {
    let (home, owner, epoch) = (NodeId(1), NodeId(2), Epoch(3));
    SlotRecord { slot: SlotId(number), home, owner, epoch, history: Vec::new(), origin: home }
}

#[test]
fn log_and_state_are_found_again_and_the_log_is_purged_behind_the_state() {
    let folder = TempDir::new().unwrap();
    let node = Node::open(folder.path());
    assert_eq!((node.bounds(), node.log.vote()), ((None, None), None));
    node.append(1, 500);
    node.log.save_committed(Bytes::from_static(b"c")).unwrap();
    node.apply(64, b"applied 400");
    let mark = Bytes::from_static(b"mark 300");
    let early = node.log.purge_to(300, mark.clone());
    assert!(matches!(early, Err(LogError::PurgeBeyondState { .. })));
    node.state.flush().unwrap();
    node.log.note_state_flushed(400);
    node.log.purge_to(300, mark.clone()).unwrap();
    let (to, from) = sync_channel(1);
    let on_durable = Box::new(move |result| to.send(result).unwrap());
    node.log.truncate_after(Some(450), on_durable).unwrap();
    from.recv().unwrap().unwrap();
    node.append(451, 452);
    drop(node);

    let node = Node::open(folder.path());
    assert_eq!(node.bounds(), (Some(301), Some(452)));
    assert_eq!(node.log.purged().unwrap().mark, mark);
    assert_eq!(node.log.committed(), Some(Bytes::from_static(b"c")));
    let entries = node.log.read(0..1000, usize::MAX).unwrap();
    let expected = (301..=452_u64).map(|index| (index, Bytes::from(index.to_string())));
    assert!(entries.into_iter().eq(expected));
    assert_eq!(node.state.applied().unwrap().as_deref(), Some(&b"applied 400"[..]));
    assert_eq!(node.state.reader().slots().len(), 64);
}

#[test]
fn a_node_takes_over_the_state_of_another() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (source, sink) = (Node::open(here.path()), Node::open(there.path()));
    source.apply(64, b"new");
    sink.apply(100, b"old");
    let built = source.state.build_snapshot(&source.snapshots).unwrap();
    let mut receiver = sink.snapshots.receive(GROUP).unwrap();
    while receiver.received() < built.bytes() {
        let piece = built.read_chunk(receiver.received(), 1000).unwrap();
        receiver.write(receiver.received(), &piece).unwrap();
    }
    let received = receiver.finish().unwrap();
    assert_eq!(received.header(), built.header());
    sink.state.install_snapshot(&sink.snapshots, &received).unwrap();
    sink.append(1, 3);
    drop(sink);

    let sink = Node::open(there.path());
    assert_eq!(sink.state.applied().unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(sink.state.membership().unwrap().as_deref(), Some(&b"members"[..]));
    assert_eq!(sink.state.reader().slots(), (0..64).map(slot).collect::<Vec<_>>());
    assert_eq!(sink.state.reader().cluster().map(|cluster| cluster.slots), Some(64));
    assert_eq!(sink.snapshots.newest(GROUP).unwrap(), Some(received));
}
