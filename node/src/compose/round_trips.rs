//! Tells the other nodes how far away this node finds them, on the bulletin, and reads what they tell:
//! together the matrix of round trips.
//!
//! A text is `node:microseconds`, with blanks between. Times are rounded, so that gossip does not
//! carry every microsecond of difference.

use std::collections::BTreeMap;
use std::time::Duration;

use holdline_cluster::gossip::{Bulletin, Heard};
use holdline_model::NodeId;
use holdline_raft::RaftHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::admin::seam::RoundTrip;

/// Tells until `stop` is cancelled, and warns once if elections begin too early for the distance.
pub(super) async fn tell(
    raft: RaftHandle,
    bulletin: Bulletin,
    election_min: Duration,
    stop: CancellationToken,
) {
    let mut warned = false;
    loop {
        let measured = raft.round_trips();
        bulletin.say(TOPIC, text(&measured));
        let voters = raft.leadership().borrow().voters.clone();
        let farthest =
            measured.iter().filter(|(node, _)| voters.contains(node)).max_by_key(|it| it.1);
        if let Some((node, time)) =
            farthest.filter(|(_, time)| !warned && **time * TIMES > election_min)
        {
            warned = true;
            warn!(
                %node,
                round_trip_ms = time.as_millis(),
                election_min_ms = election_min.as_millis(),
                "election_min_ms is less than {TIMES} round trips to that node, which will cost elections: set cluster.round_trip_ms to {} on all nodes",
                time.as_millis() + 1
            );
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
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

/// Round trips within the shortest time-out of an election, at least.
const TIMES: u32 = 5;

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
