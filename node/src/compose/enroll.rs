//! A node that joins finds out who it is: from its data folder if it has been there before, else from
//! the cluster, which gives it a number and a place.

use std::net::SocketAddr;

use holdline_model::NodeId;
use holdline_raft::{Callers, ClusterToken, Joining};
use holdline_storage::DataDir;

use super::links::{Links, node_of};
use super::machine::Machine;
use super::{NodeError, keys};
use crate::clock::Clock;
use crate::config::Config;

/// The configuration as it is once the node knows who it is.
#[derive(Debug)]
pub(super) struct Enrolled {
    pub(super) config: Config,
    /// Other nodes that may be asked.
    pub(super) seeds: Vec<SocketAddr>,
    /// The cluster has let it in a moment ago.
    pub(super) is_new: bool,
}

/// Finds out who this node is; asks the cluster if it has to, until it is let in or turned away.
pub(super) async fn enroll<M: Machine>(
    machine: &M,
    mut config: Config,
    clock: &Clock,
) -> Result<Enrolled, NodeError> {
    if config.cluster.join.is_empty() {
        return Ok(Enrolled { config, seeds: Vec::new(), is_new: false });
    }
    if let Some(identity) = DataDir::identity(&config.node.data_dir)? {
        if config.node.id == NodeId(0) {
            config.node.id = identity.node;
        }
        if config.cluster.name.is_empty() {
            config.cluster.name = identity.cluster;
        }
        // That a seed's name is not known now does not keep a member from starting.
        let seeds = resolve(&config.cluster.join).await.unwrap_or_default();
        return Ok(Enrolled { config, seeds, is_new: false });
    }
    let seeds = resolve(&config.cluster.join).await?;
    if let Some(files) = &config.cluster.tls {
        // Its certificate says which node it is; which cluster it is has to be said, too, so that
        // it knows whom it speaks to.
        if config.node.id == NodeId(0) {
            config.node.id = node_of(&files.certificate).unwrap_or_default();
        }
        if config.cluster.name.is_empty() {
            return Err(NodeError::NameNeeded);
        }
    }
    let connect = Links::new(machine, &config)?.raft;
    let token = keys::rpc_token(&config.cluster.key).parse::<ClusterToken>();
    let token = token.map_err(|error| NodeError::Failed(error.to_string()))?;
    let callers = Callers::new(&token, connect, config.cluster.raft.clone());
    let named = !config.cluster.name.is_empty();
    let joining = Joining {
        cluster: named.then(|| config.cluster.id()),
        node: (config.node.id != NodeId(0)).then_some(config.node.id),
        again: false,
        nonce: getrandom::u64()?.max(1),
        rpc: config.cluster.advertise,
        pop: config.node.pop.clone(),
        role: config.node.role,
    };
    let joined = holdline_raft::join(&callers, &seeds, &joining, || clock.now()).await?;
    config.node.id = joined.node;
    config.cluster.name = joined.cluster;
    config.cluster.seeds.extend(joined.gossip);
    Ok(Enrolled { config, seeds, is_new: true })
}

async fn resolve(names: &[String]) -> Result<Vec<SocketAddr>, NodeError> {
    let mut all = Vec::new();
    for name in names {
        let found = tokio::net::lookup_host(name.as_str()).await;
        let found = found.map_err(|source| NodeError::Seed { name: name.clone(), source })?;
        all.extend(found);
    }
    Ok(all)
}
