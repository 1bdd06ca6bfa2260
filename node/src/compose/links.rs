//! How this node is connected with others: over TLS if there are certificates, else in clear.

use std::path::Path;
use std::time::Duration;

use holdline_cluster::forward;
use holdline_model::NodeId;
use holdline_storage::StateReader;
use holdline_transport::{Tls, TlsFiles};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tracing::warn;

use super::machine::Machine;
use super::{NodeError, rpc};
use crate::config::Config;
use crate::node_runner::NodeContext;
use crate::trust::{Trust, name, secure};

/// How this node connects to others, and what it expects of those that connect to it.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) raft: holdline_raft::Connect,
    pub(super) forward: forward::Connect,
    /// With the files that it is read from.
    pub(super) trust: Option<(Trust, TlsFiles)>,
}

impl Links {
    /// Reads the certificates, if any are configured; they must be this node's.
    pub(super) fn new<M: Machine>(machine: &M, config: &Config) -> Result<Self, NodeError> {
        let Some(files) = &config.cluster.tls else {
            return Ok(Self {
                raft: machine.raft_connect(),
                forward: machine.forward_connect(),
                trust: None,
            });
        };
        let cluster = config.cluster.id();
        let trust = Trust::new(cluster, Tls::told_as(EXPIRY));
        trust.tls.load(files).map_err(NodeError::ClusterTls)?;
        let named = named(&files.certificate);
        let ours = name::Named { cluster, node: config.node.id };
        if named != Some(ours) {
            return Err(NodeError::NotOurs {
                path: files.certificate.clone(),
                node: config.node.id,
                cluster: config.cluster.name.clone(),
            });
        }
        Ok(Self {
            raft: trust.raft_connect(),
            forward: trust.forward_connect(),
            trust: Some((trust, files.clone())),
        })
    }
}

/// Which node a certificate's file is for.
pub(super) fn node_of(path: &Path) -> Option<NodeId> {
    named(path).map(|named| named.node)
}

fn named(path: &Path) -> Option<name::Named> {
    name::of_certificate(&CertificateDer::from_pem_file(path).ok()?)
}

/// Answers other nodes: those that show a certificate of the cluster, if there are certificates.
pub(super) fn serve<M: Machine>(
    trust: Option<(Trust, TlsFiles)>,
    incoming: M::Incoming,
    routes: Routes,
    state: StateReader,
    context: &NodeContext,
    halt: &CancellationToken,
) {
    let tasks = &context.tasks;
    let Some((trust, files)) = trust else {
        let cluster = &context.config.cluster;
        if cluster.members.len() > 1 || !cluster.join.is_empty() {
            warn!("connections between nodes are not encrypted: see [cluster.tls], holdline certs");
        }
        rpc::serve(incoming, routes, tasks, halt.clone());
        return;
    };
    tasks.spawn(trust.book.clone().follow(state, context.clock.clone(), halt.clone()));
    tasks.spawn(trust.tls.clone().follow(files, CERTIFICATES_EVERY, halt.clone()));
    let incoming = secure(incoming, trust, M::peer_of);
    rpc::serve(Box::pin(incoming), routes, tasks, halt.clone());
}

/// How often it is looked whether certificates changed.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);

const EXPIRY: &str = "holdline_cluster_certificate_expiry_seconds";
