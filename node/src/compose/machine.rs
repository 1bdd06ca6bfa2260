//! The machine beneath a node: its disk and its networks.
//!
//! There are two: [`Host`], which is the real one, and the simulation's (`cluster-tests/sim`).
//! Everything here is asked for while the node is made, nothing per message; [`Host`] is known to
//! the compiler, so production pays nothing for the choice. Time and randomness are not here:
//! the simulation replaces them beneath the standard library (docs/adr/0008).

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::Stream;
use holdline_cluster::forward;
use holdline_cluster::gossip::GossipNetwork;
use holdline_model::{GroupId, Transport};
use holdline_raft::{RaftHandle, Storage};
use holdline_storage::engine::Anew;
use holdline_storage::seal::Keyring;
use holdline_storage::{DataDir, DataDirError, Engine, RocksEngine, SealedEngine, Space};
use holdline_transport::dns::{Dns, DnsOptions, Resolve};
use holdline_transport::{
    Datagram, SocketOptions, Sockets, StreamEvents, StreamOptions, Streams, Tls,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::{Connected, TcpIncoming};

use super::{NodeError, fit, rpc, sip_probe, store};
use crate::admin::ClusterApi;
use crate::config::{Config, FloatingConfig};

/// What a node runs on.
#[async_trait]
pub trait Machine: Debug + Send + Sync + 'static {
    /// A connection from another node.
    type Connection: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static;
    /// Such connections, as they come.
    type Incoming: Stream<Item = io::Result<Self::Connection>> + Send + 'static;

    /// Opens what `group` keeps on disk. Its tasks, if any, run on `tasks`.
    ///
    /// # Errors
    /// The data folder or what is in it cannot be used.
    fn open_storage(
        &self,
        config: &Config,
        group: GroupId,
        tasks: &TaskTracker,
    ) -> Result<(DataDir, Storage), NodeError>;

    /// The room on the data folder's disk, on a machine whose disk can be full.
    fn space(&self, _data_dir: &DataDir) -> Option<Space> {
        None
    }

    /// Listens for other nodes.
    ///
    /// # Errors
    /// The address cannot be had.
    async fn listen(&self, rpc: SocketAddr) -> Result<Self::Incoming, NodeError>;

    /// Where a connection comes from, for words about it.
    fn peer_of(_connection: &Self::Connection) -> Option<SocketAddr> {
        None
    }

    /// How far away the farthest of these nodes is, on a machine that can find out before it runs.
    async fn distance(&self, _to: &[SocketAddr]) -> Option<Duration> {
        None
    }

    /// How Raft connects to other nodes.
    fn raft_connect(&self) -> holdline_raft::Connect;

    /// How the forwarder connects to other nodes.
    fn forward_connect(&self) -> forward::Connect;

    /// Where gossip's socket comes from.
    fn gossip(&self) -> GossipNetwork;

    /// Refuses a configuration whose SIP addresses can never be had.
    ///
    /// # Errors
    /// Which address, and why.
    fn check_sip(&self, config: &Config) -> Result<(), NodeError>;

    /// The SIP sockets.
    fn sockets(
        &self,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Sockets, mpsc::Receiver<Vec<Datagram>>);

    /// The SIP connections, on a machine that has any.
    fn streams(
        &self,
        _options: StreamOptions,
        _tls: Tls,
        _tasks: TaskTracker,
        _stop: CancellationToken,
    ) -> Option<(Streams, StreamEvents)> {
        None
    }

    /// Whom to ask for names; `None` on a machine without name servers.
    ///
    /// # Errors
    /// They cannot be found out.
    fn resolver(&self, _options: &DnsOptions) -> Result<Option<Arc<dyn Resolve>>, NodeError> {
        Ok(None)
    }

    /// Is shown the node that was started; says whether to listen for the admin API, too.
    fn started(&self, raft: &RaftHandle, api: &Arc<dyn ClusterApi>) -> bool;
}

/// A database, and the keys that it is sealed with, if it is.
pub(crate) type Opened = (Arc<dyn Engine>, Option<Arc<Keyring>>);

/// Opens the database of a node in its data folder, or makes it; sealed if keys are configured.
pub(crate) fn open_engine(folder: &Path, config: &Config) -> Result<Opened, NodeError> {
    let db = folder.join("db");
    let mut random = [0; 72];
    getrandom::fill(&mut random)?;
    let keys = Keyring::open(folder, &config.storage.keys, !db.exists(), random)?;
    let rocks = RocksEngine::open(&db, &config.storage.rocksdb).map_err(DataDirError::from)?;
    let rocks = rocks.telling(store::teller(folder));
    let Some(keys) = keys.map(Arc::new) else { return Ok((Arc::new(rocks), None)) };
    let sealed = SealedEngine::new(Arc::new(rocks), Arc::clone(&keys));
    let sealed = Arc::new(sealed.telling(store::teller(folder)));
    if keys.len() > 1 {
        seal_anew(&sealed);
    }
    Ok((sealed, Some(keys)))
}

/// Seals anew what older keys have sealed, beside everything else, until it is done or the node ends.
fn seal_anew(engine: &Arc<SealedEngine>) {
    let engine = Arc::downgrade(engine);
    let work = move || {
        let mut at = Anew::default();
        while !at.done {
            let Some(engine) = engine.upgrade() else { return };
            if let Err(error) = engine.seal_anew(&mut at, ANEW_LOT) {
                tracing::error!(%error, "what older keys have sealed cannot be sealed anew");
                return;
            }
            drop(engine);
            pause(ANEW_PAUSE);
        }
        tracing::info!(
            values = at.sealed,
            "nothing is sealed with older keys any more: they may be taken out of the configuration"
        );
    };
    if let Err(error) = std::thread::Builder::new().name("seal-anew".to_owned()).spawn(work) {
        tracing::error!(%error, "what older keys have sealed is not sealed anew");
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own, for work that may take hours")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Values looked at between two pauses: writes wait for about a millisecond.
const ANEW_LOT: usize = 256;
const ANEW_PAUSE: Duration = Duration::from_millis(5);

/// The real machine: RocksDB, TCP, UDP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;

#[async_trait]
impl Machine for Host {
    type Connection = tokio::net::TcpStream;
    type Incoming = TcpIncoming;

    fn open_storage(
        &self,
        config: &Config,
        group: GroupId,
        _tasks: &TaskTracker,
    ) -> Result<(DataDir, Storage), NodeError> {
        store::open(config, group)
    }

    fn space(&self, data_dir: &DataDir) -> Option<Space> {
        Some(data_dir.space())
    }

    async fn listen(&self, rpc: SocketAddr) -> Result<Self::Incoming, NodeError> {
        rpc::listen(rpc).await
    }

    fn peer_of(connection: &Self::Connection) -> Option<SocketAddr> {
        connection.peer_addr().ok()
    }

    async fn distance(&self, to: &[SocketAddr]) -> Option<Duration> {
        fit::by_connecting(to).await
    }

    fn raft_connect(&self) -> holdline_raft::Connect {
        holdline_raft::Connect::default()
    }

    fn forward_connect(&self) -> forward::Connect {
        forward::Connect::default()
    }

    fn gossip(&self) -> GossipNetwork {
        GossipNetwork::Udp
    }

    fn check_sip(&self, config: &Config) -> Result<(), NodeError> {
        match config.sip.floating {
            FloatingConfig::Bind => {
                let udp = config.sip.listeners.iter();
                let udp = udp.filter(|listener| listener.transport == Transport::Udp);
                sip_probe::check(&udp.map(|listener| listener.addr).collect::<Vec<_>>())
            }
            // What netlink or a program brings here is not here yet.
            FloatingConfig::Netlink { .. } | FloatingConfig::Command { .. } => Ok(()),
        }
    }

    fn sockets(
        &self,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Sockets, mpsc::Receiver<Vec<Datagram>>) {
        Sockets::new(SocketOptions::default(), tasks, stop)
    }

    fn streams(
        &self,
        options: StreamOptions,
        tls: Tls,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Option<(Streams, StreamEvents)> {
        Some(Streams::new(options, tls, tasks, stop))
    }

    fn resolver(&self, options: &DnsOptions) -> Result<Option<Arc<dyn Resolve>>, NodeError> {
        Ok(Some(Arc::new(Dns::new(options)?)))
    }

    fn started(&self, _raft: &RaftHandle, _api: &Arc<dyn ClusterApi>) -> bool {
        true
    }
}
