//! Tells the other nodes how far away this node finds them, on the bulletin, and reads what they tell:
//! together the matrix of round trips.
//!
//! A text is `node:microseconds`, with blanks between. Times are rounded, so that gossip does not
//! carry every microsecond of difference.

use std::collections::BTreeMap;
use std::time::Duration;

use holdline_cluster::gossip::{Bulletin, Heard};
use holdline_model::NodeId;
use holdline_raft::{RaftHandle, offload};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::fit::Fit;
use crate::admin::seam::{RoundTrip, farthest};

/// What telling takes.
pub(super) struct Teller {
    pub(super) me: NodeId,
    pub(super) raft: RaftHandle,
    pub(super) bulletin: Bulletin,
    pub(super) fit: Fit,
    pub(super) tasks: TaskTracker,
}

/// Tells until `stop` is cancelled; keeps for the next start how far the farthest voters are from each
/// other, and warns once if this node's times do not fit that.
pub(super) async fn tell(mut teller: Teller, stop: CancellationToken) {
    let heard = teller.bulletin.heard();
    let mut warned = false;
    loop {
        let measured = teller.raft.round_trips();
        teller.bulletin.say(TOPIC, text(&measured));
        let voters = teller.raft.leadership().borrow().voters.clone();
        let trips = matrix(teller.me, &measured, &heard.borrow());
        if let Some(farthest) = farthest(&trips, |node| voters.contains(&node)) {
            warned = warned || warn_of(&teller.fit, farthest);
            let time = Duration::from_micros(farthest.micros);
            let mut fit = teller.fit.clone();
            let mut others = voters.iter().filter(|node| **node != teller.me);
            let of_all = others.all(|node| measured.contains_key(node));
            let kept = offload(&teller.tasks, move || {
                fit.keep(time, of_all);
                fit
            });
            if let Ok(fit) = kept.await {
                teller.fit = fit;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Warns if this node's times do not fit voters that are so far apart; says whether it did.
fn warn_of(fit: &Fit, farthest: RoundTrip) -> bool {
    let times = fit.facts();
    let Some(apart_ms) = times.are_short_of(farthest) else { return false };
    let RoundTrip { from, to, .. } = farthest;
    let (fit_ms, remedy) = (times.fit.as_millis(), times.remedy(apart_ms, "this node"));
    warn!(%from, %to, apart_ms, fit_ms, "these voters are farther from each other than the times of elections and leases fit, which costs elections: {remedy}");
    true
}

/// What this node measures, and what the others tell.
pub(super) fn matrix(
    me: NodeId,
    measured: &BTreeMap<NodeId, Duration>,
    heard: &Heard,
) -> Vec<RoundTrip> {
    let own =
        measured.iter().map(|(to, time)| RoundTrip { from: me, to: *to, micros: micros(*time) });
    let told = heard.iter().flat_map(|(from, topics)| {
        let text = topics.get(TOPIC).map(String::as_str).unwrap_or_default();
        let pairs = text.split(' ').filter_map(pair).take(MAX_TOLD);
        pairs.map(|(to, micros)| RoundTrip { from: *from, to, micros })
    });
    own.chain(told.filter(|it| it.from != me)).collect()
}

fn text(measured: &BTreeMap<NodeId, Duration>) -> String {
    let pairs: Vec<_> =
        measured.iter().map(|(node, time)| format!("{node}:{}", rounded(micros(*time)))).collect();
    pairs.join(" ")
}

fn pair(text: &str) -> Option<(NodeId, u64)> {
    let (node, micros) = text.split_once(':')?;
    Some((node.parse().ok()?, micros.parse().ok()?))
}

/// To two digits.
fn rounded(micros: u64) -> u64 {
    let mut step = 1;
    while micros / step >= 100 {
        step *= 10;
    }
    micros / step * step
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

const TOPIC: &str = "rtt";

/// What is believed of one node: more members than there may be.
const MAX_TOLD: usize = 256;

const EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_rounded_and_makes_the_matrix() {
        let micros = Duration::from_micros;
        let measured = BTreeMap::from([(NodeId(1), micros(12_345)), (NodeId(3), micros(99))]);
        let said = text(&measured);
        assert_eq!(said, "1:12000 3:99");
        let topics = |text: &str| BTreeMap::from([(TOPIC.to_owned(), text.to_owned())]);
        let heard = Heard::from([
            (NodeId(2), topics(&said)),
            (NodeId(3), topics("1:nonsense 2:7 x")),
            (NodeId(4), BTreeMap::new()),
        ]);
        let own = BTreeMap::from([(NodeId(2), micros(12_400))]);
        let trip = |from, to, micros| RoundTrip { from: NodeId(from), to: NodeId(to), micros };
        let expected = [trip(1, 2, 12_400), trip(2, 1, 12_000), trip(2, 3, 99), trip(3, 2, 7)];
        assert_eq!(matrix(NodeId(1), &own, &heard), expected);
    }
}
