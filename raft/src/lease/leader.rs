//! The leader's part: keeps the notes on the members, asks those who are silent.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use holdline_model::NodeId;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::leadership::{Leadership, Observer};
use crate::lease::{Board, ProbeOutcome};
use crate::network::peers::{Lane, Peers};

/// Watches over the members while this node leads, until `cancel` is called.
pub(crate) async fn watch_nodes(
    board: Board,
    peers: Peers,
    observer: Observer,
    mut leadership: watch::Receiver<Leadership>,
    cancel: CancellationToken,
) {
    let mut tick = interval(board.rules().suspect_after() / 8);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leads = note(&board, &peers, &observer, &leadership.borrow_and_update());
    // At most one for each member: a node is asked again only after the last probe has ended.
    let mut probes = FuturesUnordered::new();
    loop {
        tokio::select! {
            changed = leadership.changed() => {
                if changed.is_err() {
                    return;
                }
                leads = note(&board, &peers, &observer, &leadership.borrow_and_update());
            }
            _ = tick.tick(), if leads => {
                let now = clock::now();
                for node in board.take_silent(now) {
                    let address = leadership.borrow().members.get(&node).copied();
                    let Some(address) = address else { continue };
                    let client = peers.client(address, Lane::Pulse);
                    probes.push(probe(&board, &peers, client, node, now));
                }
            }
            Some(()) = probes.next() => {}
            () = cancel.cancelled() => return,
        }
    }
}

fn note(board: &Board, peers: &Peers, observer: &Observer, leadership: &Leadership) -> bool {
    if leadership.is_me {
        let me = peers.node();
        let others = leadership.members.keys().copied().filter(|node| *node != me);
        board.lead(leadership.term, clock::now(), observer.last_log(), others);
        peers.followers().lead(me, &leadership.voters);
    } else {
        board.follow();
        peers.followers().follow();
    }
    leadership.is_me
}

async fn probe(
    board: &Board,
    peers: &Peers,
    mut client: crate::network::peers::Client,
    node: NodeId,
    sent: Instant,
) {
    let limit: Duration = board.rules().suspect_after();
    let answered = if peers.is_cut(node) {
        false
    } else {
        matches!(timeout(limit, client.probe(peers.envelope(node, ()))).await, Ok(Ok(_)))
    };
    let (outcome, word) = match answered {
        true => (ProbeOutcome::Answered, "answered"),
        false => (ProbeOutcome::Failed, "failed"),
    };
    board.probed(node, sent, outcome);
    metrics::counter!("holdline_probes_total", "outcome" => word).increment(1);
}
