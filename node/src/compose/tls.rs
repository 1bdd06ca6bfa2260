//! The certificates of a node's SIP, and whom it expects behind TLS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdline_call::TrunkAddress;
use holdline_transport::{Ports, Sockets, StreamEvents, Tls};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::NodeError;
use super::machine::Machine;
use crate::config::Config;
use crate::node_runner::NodeContext;
use crate::switch::tls_peers::{TlsPeer, TlsPeers};

/// The certificates, followed when their files change.
pub(super) fn tls(
    config: &Config,
    tasks: &TaskTracker,
    halt: &CancellationToken,
) -> Result<Tls, NodeError> {
    let tls = Tls::default();
    if let Some(files) = &config.sip.tls {
        tls.load(files)?;
        tasks.spawn(tls.clone().follow(files.clone(), CERTIFICATES_EVERY, halt.clone()));
    }
    Ok(tls)
}

/// Whom we expect behind TLS; where certificates were read, and what they say.
pub(super) type Sides = (Arc<TlsPeers>, Vec<(PathBuf, Tls)>);

/// Whom we expect behind TLS, and all our certificates: ours, then those for single trunks.
pub(super) fn tls_peers(
    config: &Config,
    ours: &Tls,
    tasks: &TaskTracker,
    halt: &CancellationToken,
) -> Result<Sides, NodeError> {
    let mut peers = TlsPeers::default();
    let ours = config.sip.tls.iter().map(|files| (files.certificate.clone(), ours.clone()));
    let mut certificates: Vec<_> = ours.collect();
    for trunk in &config.trunks {
        let host = match trunk.next().0 {
            TrunkAddress::Socket(address) => address.ip().to_canonical().to_string(),
            TrunkAddress::Name(asked) => asked.host.clone(),
        };
        let identity = match &trunk.tls.identity {
            Some(files) => {
                let tls = Tls::for_trunk(trunk.name.as_str());
                tls.load(files)?;
                let follow = tls.clone().follow(files.clone(), CERTIFICATES_EVERY, halt.clone());
                tasks.spawn(follow);
                certificates.push((files.certificate.clone(), tls.clone()));
                Some(tls)
            }
            None => None,
        };
        let is_name = host.parse::<std::net::IpAddr>().is_err();
        let name = trunk.tls.name.clone().or_else(|| is_name.then(|| host.clone()));
        if name.is_some() || identity.is_some() {
            peers.add(&host, TlsPeer { name, identity });
        }
    }
    Ok((Arc::new(peers), certificates))
}

/// How often it is looked whether certificates changed.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(5);

/// The SIP sockets and connections, and what comes over these.
pub(super) fn ports<M: Machine>(
    machine: &M,
    context: &NodeContext,
    sockets: Sockets,
    tls: Tls,
    halt: &CancellationToken,
) -> (Ports, Option<StreamEvents>) {
    let options = context.config.sip.connections;
    match machine.streams(options, tls, context.tasks.clone(), halt.clone()) {
        Some((streams, events)) => (Ports::new(sockets, streams), Some(events)),
        None => (Ports::from(sockets), None),
    }
}
