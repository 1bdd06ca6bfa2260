//! Clusters of nodes in this process.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use holdline_model::{GroupId, Millis, NodeId, NodeRole, Reply};
use holdline_storage::engine::Fault;
use holdline_storage::{
    Engine, Kept, LogOptions, LogStore, MemoryEngine, RocksEngine, RocksOptions, SnapshotStore,
    StateStore,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::calls;
use crate::clock;
use crate::node::{RaftNode, Storage};
use crate::options::{Options, Tuning, Wall};
use crate::store::Applied;
use crate::types::Member;
use crate::{ClusterToken, Connect, RaftHandle};

pub(super) const GROUP: GroupId = GroupId(1);
pub(super) const TOKEN: &str = "00112233445566778899aabbccddeeff";
/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Which engine the nodes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Memory,
    Rocks,
}

/// A cluster; nodes may be down.
pub(super) struct Cluster {
    kind: Kind,
    tuning: Tuning,
    pub(super) members: BTreeMap<NodeId, Member>,
    disks: BTreeMap<NodeId, Disk>,
    nodes: BTreeMap<NodeId, Node>,
}

/// What a node leaves when it dies.
struct Disk {
    folder: TempDir,
    memory: MemoryEngine,
    /// Ends when the database that was opened last is closed.
    open: Weak<()>,
}

impl Disk {
    /// Opens the database, once the killed node's last threads have closed it.
    ///
    /// Asking RocksDB until it does not say "in use" any more would not do: each attempt makes a log
    /// of RocksDB's own and removes the oldest ones, which the closing one removes, too; who comes
    /// second fails.
    fn open(&mut self) -> RocksEngine {
        assert!(self.wait_until_closed(), "nobody closes the database");
        let is_open = Arc::new(());
        self.open = Arc::downgrade(&is_open);
        let engine =
            RocksEngine::open(&self.folder.path().join("db"), &RocksOptions::default()).unwrap();
        // Is dropped when the database is closed.
        engine.telling(Box::new(move |_| assert!(Arc::strong_count(&is_open) > 0)))
    }

    /// Whether the database is closed, at last.
    #[expect(clippy::disallowed_methods, reason = "a condition with a deadline, also in a drop")]
    fn wait_until_closed(&self) -> bool {
        let started = clock::now();
        while self.open.strong_count() > 0 {
            if clock::now() - started > PATIENCE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

/// A running node. It has a runtime of its own, so that dropping that is what SIGKILL is to a
/// process: no task runs to its end.
struct Node {
    runtime: Runtime,
    handle: RaftHandle,
    cancel: CancellationToken,
    applied: Arc<Mutex<Vec<Applied>>>,
}

impl Cluster {
    pub(super) fn start(kind: Kind, size: u64, tuning: Tuning) -> Self {
        // Held together, so that each gets another port.
        let listeners: Vec<_> =
            (0..size).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ids = (1..=size).map(NodeId);
        let members: BTreeMap<_, _> = ids
            .zip(&listeners)
            .map(|(id, listener)| {
                (
                    id,
                    Member {
                        rpc: listener.local_addr().unwrap(),
                        pop: "test".into(),
                        role: NodeRole::Full,
                    },
                )
            })
            .collect();
        drop(listeners);
        let disk = || Disk {
            folder: TempDir::new().unwrap(),
            memory: MemoryEngine::new(),
            open: Weak::new(),
        };
        let disks = members.keys().map(|id| (*id, disk())).collect();
        let mut cluster = Self { kind, tuning, members, disks, nodes: BTreeMap::new() };
        for id in cluster.members.keys().copied().collect::<Vec<_>>() {
            cluster.boot(id);
        }
        cluster
    }

    /// Starts a cluster, waits for a leader and forms it.
    pub(super) async fn formed(kind: Kind, size: u64, tuning: Tuning) -> Self {
        let cluster = Self::start(kind, size, tuning);
        let leader = cluster.leader().await;
        let form = calls::form(cluster.members.keys().copied());
        assert_eq!(cluster.handle(leader).propose(&form).await.unwrap(), Reply::Done);
        cluster
    }

    /// Starts a node from what its disk holds.
    pub(super) fn boot(&mut self, id: NodeId) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .thread_name(format!("node-{id}"))
            .build()
            .unwrap();
        let disk = self.disks.get_mut(&id).unwrap();
        let engine: Arc<dyn Engine> = match self.kind {
            Kind::Memory => Arc::new(disk.memory.clone()),
            Kind::Rocks => Arc::new(disk.open()),
        };
        let snapshots = SnapshotStore::open(&disk.folder.path().join("snapshots")).unwrap();
        let state = StateStore::open(Arc::clone(&engine), GROUP, &snapshots).unwrap();
        let log = LogStore::open(engine, GROUP, LogOptions::default()).unwrap();
        let lease = Kept::new(disk.folder.path(), "LEASE");
        let storage = Storage { log, state, snapshots, lease };
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let options = self.options(id);
        let address = self.members[&id].rpc;
        let started = std::thread::scope(|scope| {
            let run = || {
                runtime.block_on(RaftNode::start(options, storage, tasks.clone(), cancel.clone()))
            };
            scope.spawn(run).join().unwrap().unwrap()
        });
        let RaftNode { handle, routes, applied: mut queue } = started;
        runtime.spawn(serve(address, routes));
        let applied = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&applied);
        runtime.spawn(async move {
            while let Some(one) = queue.recv().await {
                seen.lock().unwrap().push(one);
            }
        });
        self.nodes.insert(id, Node { runtime, handle, cancel, applied });
    }

    pub(super) fn options(&self, node: NodeId) -> Options {
        Options {
            node,
            cluster: calls::CLUSTER,
            group: GROUP,
            name: "test".to_owned(),
            members: self.members.clone(),
            member: self.members.get(&node).cloned().unwrap_or_default(),
            seeds: Vec::new(),
            is_new: false,
            set_aside: false,
            wall: Wall::new(|| Millis(1_000_000)),
            token: TOKEN.parse::<ClusterToken>().unwrap(),
            tuning: self.tuning.clone(),
            connect: Connect::default(),
        }
    }

    /// Kills a node as a power cut would: nothing is finished, and of the memory engine only what
    /// was durable is left.
    pub(super) fn kill(&mut self, id: NodeId) {
        let node = self.nodes.remove(&id).unwrap();
        let disk = self.disks.get_mut(&id).unwrap();
        disk.memory = disk.memory.crash();
        node.runtime.shutdown_background();
    }

    /// Lets the next write of a node's (memory) disk fail.
    pub(super) fn fail_disk(&self, id: NodeId, fault: Fault) {
        self.disks[&id].memory.inject(fault);
    }

    /// Stops a node in order.
    pub(super) async fn stop(&mut self, id: NodeId) {
        let node = self.nodes.remove(&id).unwrap();
        node.handle.shutdown().await;
        node.cancel.cancel();
        node.runtime.shutdown_background();
    }

    pub(super) fn handle(&self, id: NodeId) -> &RaftHandle {
        &self.nodes[&id].handle
    }

    pub(super) fn applied(&self, id: NodeId) -> Vec<Applied> {
        self.nodes[&id].applied.lock().unwrap().clone()
    }

    pub(super) fn running(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    /// Waits until the running nodes agree on a leader among them.
    pub(super) async fn leader(&self) -> NodeId {
        eventually("a leader", || {
            let seen: Vec<_> =
                self.nodes.values().map(|node| node.handle.leadership().borrow().clone()).collect();
            let leader = seen.first()?.leader?.0;
            let agreed = seen.iter().all(|one| one.leader.map(|(id, _)| id) == Some(leader));
            (agreed && self.nodes.get(&leader)?.handle.leadership().borrow().is_me)
                .then_some(leader)
        })
        .await
    }

    pub(super) async fn follower(&self) -> NodeId {
        let leader = self.leader().await;
        self.running().into_iter().find(|id| *id != leader).unwrap()
    }

    /// Cuts a node off from all others, in both directions, or joins it again.
    pub(super) fn isolate(&self, id: NodeId, cut: bool) {
        for (other, node) in &self.nodes {
            if *other == id {
                self.members.keys().filter(|m| **m != id).for_each(|member| {
                    node.handle.shared.peers.cut(*member, cut);
                });
            } else {
                node.handle.shared.peers.cut(id, cut);
            }
        }
    }

    /// Waits until a node has applied this call.
    pub(super) async fn has_call(&self, id: NodeId, number: u64) {
        let state = self.handle(id).state();
        eventually("a call", || state.call(calls::call(number)).unwrap()).await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A runtime must not be dropped where a test awaits.
        for (_, node) in std::mem::take(&mut self.nodes) {
            node.runtime.shutdown_background();
        }
        // RocksDB aborts a process that ends while a thread still closes a database.
        let closed = self.disks.values().all(Disk::wait_until_closed);
        assert!(closed || std::thread::panicking(), "a database is not closed");
    }
}

/// Polls until there is something, but not longer than [`PATIENCE`].
pub(super) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = clock::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock::now() - started < PATIENCE, "{what} did not come within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Times for a machine that runs three nodes and other tests on two cores.
pub(super) fn patient() -> Tuning {
    let factor = 4;
    let tuning = Tuning::default();
    Tuning {
        heartbeat: tuning.heartbeat * factor,
        election_min: tuning.election_min * factor,
        election_max: tuning.election_max * factor,
        quorum_loss_probe: tuning.quorum_loss_probe * factor,
        lease: tuning.lease * factor,
        lease_renew: tuning.lease_renew * factor,
        lease_margin: tuning.lease_margin * factor,
        deaf_after: tuning.deaf_after * factor,
        propose_timeout: PATIENCE,
        ..tuning
    }
}

async fn serve(address: SocketAddr, routes: tonic::service::Routes) {
    let started = clock::now();
    let listener = loop {
        // The node before may not have closed the port yet.
        match tokio::net::TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) => assert!(clock::now() - started < PATIENCE, "{address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().add_routes(routes).serve_with_incoming(incoming).await.unwrap();
}
