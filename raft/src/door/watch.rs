//! A member that hears of no leader, or is refused its lease, asks the others whether it was removed:
//! a node that is removed is not told, because it is no member any more.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use holdline_model::{ClusterId, NodeId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::door::{Callers, Gate, Greeted, Greeting, Refusal};
use crate::leadership::Leadership;
use crate::lease::Lease;

/// What the task works with.
pub(crate) struct Watch {
    pub(crate) cluster: ClusterId,
    pub(crate) me: NodeId,
    pub(crate) lease: Lease,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) seeds: Vec<SocketAddr>,
    pub(crate) callers: Callers,
    pub(crate) gate: Gate,
    pub(crate) turned_away: watch::Sender<Option<String>>,
}

/// Asks now and then while there is no lease, until `cancel` is called.
pub(crate) async fn watch(watch: Watch, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if !watch.gate.is_open() || watch.lease.is_valid(clock::now()) {
            continue;
        }
        let asked = watch.ask();
        let removed = tokio::select! {
            () = cancel.cancelled() => return,
            removed = asked => removed,
        };
        if let Some(at) = removed {
            let why = Refusal::Removed { node: watch.me, at }.to_string();
            watch.turned_away.send_replace(Some(why));
            return;
        }
    }
}

impl Watch {
    async fn ask(&self) -> Option<holdline_model::Millis> {
        let members = self.leadership.borrow().members.clone();
        let others = members.iter().filter(|(node, _)| **node != self.me);
        let mut addresses: Vec<SocketAddr> = others.map(|(_, address)| *address).collect();
        addresses.extend(&self.seeds);
        addresses.sort_unstable();
        addresses.dedup();
        let greet = |address| async move {
            let greeting = Greeting { cluster: self.cluster, from: self.me };
            self.callers.greet(address, greeting).await.ok()
        };
        let answers = join_all(addresses.into_iter().map(greet)).await;
        answers.into_iter().flatten().find_map(|answer| match answer {
            Greeted::Member { removed_at, .. } => removed_at,
            Greeted::Empty { .. } | Greeted::OtherCluster => None,
        })
    }
}

/// Longer than an election takes.
const EVERY: Duration = Duration::from_secs(1);
