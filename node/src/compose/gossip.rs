//! Starts gossip, and tells it once a second how busy this node is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdline_cluster::gossip::{ClusterKey, Gossip, GossipNetwork, GossipOptions, Load, NodeFacts};
use holdline_model::NodeUp;
use holdline_raft::{Lease, RaftHandle};
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use super::{NodeError, keys};
use crate::node_runner::NodeContext;

/// Starts gossip about this run of the node; its view of the others, and the bulletin.
pub(super) async fn start(
    network: GossipNetwork,
    context: &NodeContext,
    announcement: &NodeUp,
    raft: &RaftHandle,
    calls: Vec<Arc<AtomicUsize>>,
    halt: &CancellationToken,
) -> Result<Arc<Gossip>, NodeError> {
    let config = &context.config;
    let key = keys::gossip_key(&config.cluster.key);
    let key: ClusterKey = key.parse().map_err(failed)?;
    let (cluster, node) = (config.cluster.id(), config.node.id);
    // A later run has a larger generation, even if the clock was set back a little meanwhile: the
    // other nodes take the larger incarnation of consensus for the truth, not this one.
    let generation = context.clock.now().0;
    let mut options = GossipOptions::new(cluster, node, generation, key, config.cluster.gossip);
    options.network = network;
    // The configuration may name nodes of long ago: those that the state knows are asked, too.
    let known = raft.state().nodes().into_iter();
    let known = known.filter(|it| it.node != node && it.removed.is_none()).map(|it| it.gossip);
    let mut seeds: Vec<_> = config.cluster.seeds.iter().copied().chain(known).collect();
    seeds.sort_unstable();
    seeds.dedup();
    options.seeds = seeds.iter().map(ToString::to_string).collect();
    let facts = NodeFacts {
        incarnation: announcement.incarnation,
        pop: announcement.pop.clone(),
        sip: announcement.sip.clone(),
        rpc: announcement.rpc,
        admin: announcement.admin,
        version: announcement.version.clone(),
        reads: config.cluster.format_at_most,
        load: Load::default(),
        trunks: BTreeMap::new(),
    };
    let gossip = Gossip::start(options, facts, &context.tasks, halt.clone()).await;
    let gossip = Arc::new(gossip.map_err(failed)?);
    context.tasks.spawn(tell_load(Arc::clone(&gossip), raft.lease(), calls, halt.clone()));
    Ok(gossip)
}

async fn tell_load(
    gossip: Arc<Gossip>,
    lease: Lease,
    calls: Vec<Arc<AtomicUsize>>,
    halt: CancellationToken,
) {
    loop {
        let up: usize = calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum();
        gauge!("holdline_calls_up").set(f64::from(u32::try_from(up).unwrap_or(u32::MAX)));
        let calls = u64::try_from(up).unwrap_or(u64::MAX);
        gossip.set_load(Load { calls, cpu_percent: None, safe: lease.is_safe() });
        tokio::select! {
            () = halt.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError::Gossip(error.to_string())
}

/// How often the load is told.
const EVERY: Duration = Duration::from_secs(1);
