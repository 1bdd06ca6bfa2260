//! The machine beneath a simulated node: a disk in memory, a place in the simulated network.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use holdline::admin::ClusterApi;
use holdline::compose::{Machine, NodeError};
use holdline::config::Config;
use holdline_cluster::forward;
use holdline_cluster::gossip::GossipNetwork;
use holdline_model::GroupId;
use holdline_raft::{RaftHandle, Storage};
use holdline_storage::{DataDir, LogOptions, LogStore, SnapshotStore, StateStore};
use holdline_transport::{Datagram, SocketOptions, Sockets};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::{Channel, Endpoint};

use crate::disk::Disk;
use crate::net::{Acceptor, HostId, Place, SimStream};

/// What one run of a node stands on.
#[derive(Clone, Debug)]
pub struct SimMachine {
    /// Its network.
    pub place: Place,
    /// Its disk.
    pub disk: Disk,
    /// Which machine has which address for other nodes.
    pub hosts: Arc<BTreeMap<SocketAddr, HostId>>,
    /// The node, once it has started.
    pub started: Arc<Mutex<Option<Started>>>,
}

/// What the simulation sees of a node that runs.
#[derive(Clone)]
pub struct Started {
    /// Its Raft.
    pub raft: RaftHandle,
    /// What its admin API would ask.
    pub api: Arc<dyn ClusterApi>,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

impl SimMachine {
    /// Makes channels to other nodes. It must not know the node, which knows it.
    fn dial(&self) -> impl Fn(Endpoint) -> Channel + Send + Sync + 'static {
        let (place, hosts) = (self.place.clone(), Arc::clone(&self.hosts));
        move |endpoint| {
            let (place, hosts) = (place.clone(), Arc::clone(&hosts));
            endpoint.connect_with_connector_lazy(tower::service_fn(move |uri: Uri| {
                let to = address(&uri);
                let (place, hosts) = (place.clone(), Arc::clone(&hosts));
                async move {
                    let unknown = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
                    let to = to.ok_or_else(unknown)?;
                    let host = *hosts.get(&to).ok_or_else(unknown)?;
                    place.connect(to, host).await.map(TokioIo::new)
                }
            }))
        }
    }
}

fn address(uri: &Uri) -> Option<SocketAddr> {
    uri.authority()?.as_str().parse().ok()
}

#[async_trait]
impl Machine for SimMachine {
    type Connection = SimStream;
    type Incoming = Acceptor;

    fn open_storage(
        &self,
        config: &Config,
        group: GroupId,
        tasks: &TaskTracker,
    ) -> Result<(DataDir, Storage), NodeError> {
        let data_dir = DataDir::open(&config.node.data_dir, &config.identity())?;
        let engine = Arc::new(self.disk.clone());
        let snapshots = SnapshotStore::open(&data_dir.snapshots_path())?;
        let state = StateStore::open(engine.clone(), group, &snapshots)?;
        // The invariants look at the state after each commit.
        let state = state.writing_at_once();
        let queued = Arc::new(Notify::new());
        let wake = Arc::clone(&queued);
        let options = LogOptions::default();
        let wake = Box::new(move || wake.notify_one());
        let log = LogStore::open_without_thread(engine, group, options, wake)?;
        tasks.spawn(sync(log.clone(), self.disk.clone(), queued));
        let lease = data_dir.lease();
        Ok((data_dir, Storage { log, state, snapshots, lease }))
    }

    async fn listen(&self, rpc: SocketAddr) -> Result<Acceptor, NodeError> {
        Ok(self.place.listen(rpc))
    }

    fn raft_connect(&self) -> holdline_raft::Connect {
        holdline_raft::Connect::new(self.dial())
    }

    fn forward_connect(&self) -> forward::Connect {
        forward::Connect::new(self.dial())
    }

    fn gossip(&self) -> GossipNetwork {
        GossipNetwork::Simulated(Arc::new(self.place.clone()))
    }

    fn check_sip(&self, _config: &Config) -> Result<(), NodeError> {
        Ok(())
    }

    fn sockets(
        &self,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Sockets, mpsc::Receiver<Vec<Datagram>>) {
        Sockets::on_wire(Arc::new(self.place.clone()), SocketOptions::default(), tasks, stop)
    }

    fn started(&self, raft: &RaftHandle, api: &Arc<dyn ClusterApi>) -> bool {
        let started = Started { raft: raft.clone(), api: Arc::clone(api) };
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        // The admin API is driven without HTTP.
        false
    }
}

/// The flusher: what was queued when a sync begins is durable when it has ended.
async fn sync(log: LogStore, disk: Disk, queued: Arc<Notify>) {
    loop {
        queued.notified().await;
        let takes = disk.sync_time();
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        log.flush_queued();
    }
}
