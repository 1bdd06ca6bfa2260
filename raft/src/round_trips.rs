//! How far away the other members are: this node asks each of them every two seconds, and keeps the
//! shortest of the latest answers, because what was longer waited for a processor.
//!
//! It is told to operators; nothing is decided by it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use holdline_model::NodeId;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::leadership::Leadership;
use crate::network::peers::{Lane, Peers};

/// The latest round trips to the other members. Clones share them. A field lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundTrips(Arc<Mutex<BTreeMap<NodeId, Latest>>>);

/// The shortest of the latest answers of one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latest {
    times: [Option<Duration>; 16],
    next: usize,
}

impl Latest {
    pub(crate) fn took(&mut self, time: Duration) {
        self.next = (self.next + 1) % self.times.len();
        if let Some(place) = self.times.get_mut(self.next) {
            *place = Some(time);
        }
    }

    pub(crate) fn best(&self) -> Option<Duration> {
        self.times.iter().flatten().min().copied()
    }
}

impl RoundTrips {
    /// By node; who has not answered yet is left out.
    pub(crate) fn best(&self) -> BTreeMap<NodeId, Duration> {
        let all = self.lock();
        all.iter().filter_map(|(node, latest)| Some((*node, latest.best()?))).collect()
    }

    fn took(&self, node: NodeId, time: Duration) {
        self.lock().entry(node).or_default().took(time);
    }

    fn retain(&self, is_member: impl Fn(NodeId) -> bool) {
        self.lock().retain(|node, _| is_member(*node));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Latest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks until `cancel` is called.
pub(crate) async fn measure(
    round_trips: RoundTrips,
    peers: Peers,
    mut leadership: watch::Receiver<Leadership>,
    cancel: CancellationToken,
) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = cancel.cancelled() => return,
        }
        let members = leadership.borrow_and_update().members.clone();
        round_trips.retain(|node| members.contains_key(&node));
        let others = members.into_iter().filter(|(node, _)| *node != peers.node());
        let asked = others.map(|(node, address)| ask(&round_trips, &peers, node, address));
        let _done = join_all(asked).await;
    }
}

async fn ask(round_trips: &RoundTrips, peers: &Peers, node: NodeId, address: SocketAddr) {
    if peers.is_cut(node) {
        return;
    }
    let mut client = peers.client(address, Lane::Pulse);
    let sent = clock::now();
    // One that does not answer is the concern of others.
    if let Ok(Ok(_)) = timeout(WITHIN, client.probe(peers.envelope(node, ()))).await {
        round_trips.took(node, clock::now().saturating_duration_since(sent));
    }
}

const EVERY: Duration = Duration::from_secs(2);
const WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_of_the_latest_sixteen_counts() {
        let round_trips = RoundTrips::default();
        assert_eq!(round_trips.best(), BTreeMap::new());
        for ms in [9, 1, 5].into_iter().chain([7; 15]) {
            round_trips.took(NodeId(2), Duration::from_millis(ms));
        }
        let best = |ms| BTreeMap::from([(NodeId(2), Duration::from_millis(ms))]);
        assert_eq!(round_trips.best(), best(5), "the 1 ms was seventeen answers ago");
        round_trips.retain(|node| node == NodeId(3));
        assert_eq!(round_trips.best(), BTreeMap::new());
    }
}
