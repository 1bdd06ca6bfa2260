//! Tells the forwarder who the other nodes are: the members that Raft knows, and which of them gossip
//! hears (that only cuts pauses between attempts to connect short).

use std::collections::BTreeMap;

use holdline_cluster::forward::{Forwarder, Peer};
use holdline_cluster::gossip::ClusterView;
use holdline_model::NodeId;
use holdline_raft::Leadership;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Follows the membership and the view until `stop` is cancelled.
pub(super) async fn follow(
    forwarder: Forwarder,
    mut leadership: watch::Receiver<Leadership>,
    mut view: watch::Receiver<ClusterView>,
    stop: CancellationToken,
) {
    loop {
        let members = leadership.borrow_and_update().members.clone();
        let live = view.borrow_and_update().live.clone();
        let peer = |(node, rpc)| (node, Peer { rpc, alive: live.contains_key(&node) });
        let peers: BTreeMap<NodeId, Peer> = members.into_iter().map(peer).collect();
        forwarder.set_peers(&peers);
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            changed = leadership.changed() => changed,
            changed = view.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}
