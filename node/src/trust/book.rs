//! Who was removed. Asked for every read of every connection, so it is one load of a pointer.
//!
//! A removal counts here some seconds after it was decided: the removed node, which nobody tells, can
//! ask meanwhile, and end by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use holdline_model::{Millis, NodeId, Roster, Standing};
use holdline_storage::StateReader;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// The nodes that were removed. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    removed: Arc<ArcSwap<BTreeSet<NodeId>>>,
    /// Who has told this node that its own certificate is revoked.
    told: Arc<watch::Sender<Option<NodeId>>>,
}

impl Book {
    pub(crate) fn is_removed(&self, node: NodeId) -> bool {
        self.removed.load().contains(&node)
    }

    /// Another node has refused this one's certificate: it was removed.
    pub(super) fn told_by(&self, peer: NodeId) {
        self.told.send_replace(Some(peer));
    }

    /// Waits until this node hears that its certificate is revoked, and from whom. Cancel-safe.
    pub(crate) async fn told(&self) -> NodeId {
        let mut told = self.told.subscribe();
        match told.wait_for(Option::is_some).await.ok().and_then(|peer| *peer) {
            Some(peer) => peer,
            None => std::future::pending().await,
        }
    }

    pub(super) fn follow_roster(&self, roster: &Roster, now: Millis) {
        let grace_ms = u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX);
        let removed = roster
            .entries
            .iter()
            .filter(|it| it.standing == Standing::Removed && it.at.plus_ms(grace_ms) <= now);
        let removed: BTreeSet<NodeId> = removed.map(|entry| entry.node).collect();
        if **self.removed.load() != removed {
            self.removed.store(Arc::new(removed));
        }
    }

    /// Follows the replicated state until `stop` is cancelled.
    pub(crate) async fn follow(self, state: StateReader, clock: Clock, stop: CancellationToken) {
        loop {
            if let Some(cluster) = state.cluster() {
                self.follow_roster(&cluster.roster, clock.now());
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}

const EVERY: Duration = Duration::from_millis(500);

/// How long a removed node may still ask whether it was removed.
const GRACE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use holdline_model::{Name, NodeRole, RosterEntry};

    use super::*;

    #[test]
    fn a_removed_node_is_cut_off_after_a_grace() {
        let entry = |node, standing| RosterEntry {
            node: NodeId(node),
            standing,
            rpc: ([127, 0, 0, 1], 7060).into(),
            pop: Name::from("a"),
            role: NodeRole::Full,
            nonce: 1,
            held: false,
            at: Millis(1_000),
        };
        let entries = vec![entry(4, Standing::Admitted), entry(5, Standing::Removed)];
        let roster = Roster { highest: NodeId(5), entries };
        let book = Book::default();
        book.follow_roster(&roster, Millis(10_999));
        assert!(!book.is_removed(NodeId(5)));
        book.follow_roster(&roster, Millis(11_000));
        assert!(book.is_removed(NodeId(5)) && !book.is_removed(NodeId(4)));
    }
}
