//! Keeps this node's lease: asks the leader, or, on the leader, follows its majority.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use holdline_model::NodeId;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::leadership::{Leadership, Observer, quorum_age};
use crate::lease::Lease;
use crate::network::exchange::Pool;
use crate::network::peers::{Lane, Peers};
use crate::network::wire::{LeaseAnswer, LeaseAsk, LeaseRequest};
use crate::placement::Proposed;
use crate::round_trips::Latest;

/// Renews the lease until `cancel` is called.
pub(crate) async fn renew(
    lease: Lease,
    peers: Peers,
    observer: Observer,
    mut leadership: watch::Receiver<Leadership>,
    proposed: Proposed,
    cancel: CancellationToken,
) {
    let tuning = peers.tuning().clone();
    let mut tick = interval(tuning.lease_renew);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut streams: HashMap<SocketAddr, LeaseStream> = HashMap::new();
    loop {
        let leader = leadership.borrow_and_update().clone();
        if leader.is_me {
            own(&lease, &observer, tuning.election_max);
        } else if let Some((node, address)) = leader.leader.filter(|(id, _)| *id != peers.node()) {
            let applied = observer.applied();
            let stream = streams.entry(address).or_insert_with(LeaseStream::new);
            let said = LeaseAsk {
                applied,
                proposed: proposed.take(),
                round_trip_us: micros(stream.round_trip.best().unwrap_or_default()),
            };
            let asked = ask(stream, &lease, &peers, node, address, said);
            tokio::select! {
                () = asked => {}
                () = cancel.cancelled() => return,
            }
        }
        tokio::select! {
            _ = tick.tick() => {}
            changed = leadership.changed() => if changed.is_err() { return },
            () = cancel.cancelled() => return,
        }
    }
}

/// The leader's lease runs as long as openraft lets it lead without hearing a majority.
fn own(lease: &Lease, observer: &Observer, leads_for: Duration) {
    if let Some(acked) = observer.quorum_acked() {
        lease.extend(acked + leads_for);
        lease.set_safe(true);
    }
}

/// The stream to one leader, and how far away that is.
struct LeaseStream {
    pool: Pool<LeaseRequest, LeaseAnswer>,
    round_trip: Latest,
}

impl LeaseStream {
    fn new() -> Self {
        Self { pool: Pool::new(), round_trip: Latest::default() }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

async fn ask(
    stream: &mut LeaseStream,
    lease: &Lease,
    peers: &Peers,
    node: NodeId,
    address: SocketAddr,
    ask: LeaseAsk,
) {
    if peers.is_cut(node) {
        return;
    }
    let mut client = peers.client(address, Lane::Pulse);
    let request = peers.envelope(node, ask);
    let limit = peers.tuning().lease_renew * 2;
    // Read before the request leaves: the lease runs from no later than its sending.
    let sent = clock::now();
    let asked = stream.pool.ask(request, |asked| async move { client.leases(asked).await });
    let outcome = match timeout(limit, asked).await {
        Ok(Ok(answer)) => match answer {
            LeaseAnswer::Granted { time, safe } => {
                stream.round_trip.took(clock::now().saturating_duration_since(sent));
                lease.extend(sent + time);
                lease.set_safe(safe);
                "granted"
            }
            LeaseAnswer::Refused => "refused",
        },
        Ok(Err(_)) => "unreachable",
        Err(_) => "timeout",
    };
    metrics::counter!("holdline_lease_requests_total", "outcome" => outcome).increment(1);
}

/// What the leader grants to a request that came in no later than `now`: less by as much as the
/// majority's acknowledgement is old, so that the lease ends before another leader may take the
/// node for dead (see the module's page).
pub(crate) fn grant(
    acked: Option<Instant>,
    now: Instant,
    leads_for: Duration,
    lease: Duration,
    safe: bool,
) -> LeaseAnswer {
    let age = acked.and_then(|acked| quorum_age(acked, now, leads_for));
    match age.and_then(|age| lease.checked_sub(age)) {
        Some(time) if !time.is_zero() => LeaseAnswer::Granted { time, safe },
        Some(_) | None => LeaseAnswer::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADS_FOR: Duration = Duration::from_millis(200);
    const LEASE: Duration = Duration::from_millis(300);

    #[test]
    fn grants_less_by_the_age_of_the_majority() {
        let now = clock::now() + Duration::from_secs(1);
        let acked = now - Duration::from_millis(40);
        let granted = LeaseAnswer::Granted { time: Duration::from_millis(260), safe: true };
        assert_eq!(grant(Some(acked), now, LEADS_FOR, LEASE, true), granted);
    }

    #[test]
    fn refuses_without_a_majority() {
        let now = clock::now() + Duration::from_secs(1);
        assert_eq!(grant(None, now, LEADS_FOR, LEASE, true), LeaseAnswer::Refused);
        let acked = Some(now - LEADS_FOR);
        assert_eq!(grant(acked, now, LEADS_FOR, LEASE, true), LeaseAnswer::Refused);
    }
}
