//! A node's lease has ended before any leader takes the node for dead: checked on virtual time,
//! with random delays, pauses, elections and hand-overs, on the functions that decide.

use std::time::{Duration, Instant};

use holdline_model::NodeId;
use holdline_storage::Kept;
use proptest::prelude::*;

use crate::clock;
use crate::lease::{
    Board, Contact, Lease, Longest, Probe, ProbeOutcome, Rules, Verdict, grant, verdict,
};
use crate::network::wire::LeaseAnswer;
use crate::options::Tuning;

const NODE: NodeId = NodeId(2);

/// A lease request of the node. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// How long after the one before it is sent (pauses of the node included).
    gap: u64,
    /// How long it takes to the leader (pauses of the leader included).
    delay: u64,
    /// How old the majority's acknowledgement is when it is handled.
    acked_before: u64,
    /// Whether it goes to the old leader although there is a new one.
    to_old: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let gap = prop_oneof![4 => 1_u64..80, 1 => 80_u64..900];
    let delay = prop_oneof![4 => 0_u64..20, 1 => 20_u64..700];
    let acked_before = prop_oneof![4 => 0_u64..60, 1 => 60_u64..260];
    (gap, delay, acked_before, any::<bool>())
        .prop_map(|(gap, delay, acked_before, to_old)| Request { gap, delay, acked_before, to_old })
}

/// Each request as it is handled: sent, received, by the old leader, granted.
struct Handled {
    sent: u64,
    received: u64,
    by_old: bool,
    ends: Option<u64>,
}

/// The old leader's leases have that length; the new one's are as they are by default.
fn handle(requests: &[Request], elected: u64, old_lease: u64, base: Instant) -> Vec<Handled> {
    let new = Tuning::default();
    let lease = Duration::from_millis(old_lease);
    let old = Tuning { lease, election_max: lease * 2 / 3, ..Tuning::default() };
    let at = |ms: u64| base + Duration::from_millis(ms);
    let mut sent = 1_000;
    let mut all = Vec::new();
    for request in requests {
        sent += request.gap;
        let received = sent + request.delay;
        let by_old = received < elected || request.to_old;
        let acked = received - request.acked_before;
        // A majority acknowledged the old leader only what it sent before the election: a node of
        // that majority voted afterwards. The new leader had no majority before it was elected.
        let acked = if by_old { Some(acked.min(elected - 1)) } else { Some(acked) };
        let acked = acked.filter(|acked| by_old || *acked >= elected).map(at);
        let tuning = if by_old { &old } else { &new };
        let answer = grant(acked, at(received), tuning.election_max, tuning.lease, true);
        let ends = match answer {
            LeaseAnswer::Granted { time, .. } => {
                Some(sent + u64::try_from(time.as_millis()).unwrap())
            }
            LeaseAnswer::Refused => None,
        };
        all.push(Handled { sent, received, by_old, ends });
    }
    all
}

fn rules() -> Rules {
    let tuning = Tuning::default();
    let (lease, margin) = (tuning.lease, tuning.lease_margin);
    Rules { lease, margin, deaf_after: tuning.deaf_after }
}

/// What a leader that heard of leases of `old_lease` adds to the moment of its election.
fn excess(old_lease: u64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let now = clock::now();
    let longest = Longest::open(rules().lease, Kept::new(folder.path(), "LEASE"), now).unwrap();
    longest.note(Duration::from_millis(old_lease), now).unwrap();
    u64::try_from(longest.excess(now).as_millis()).unwrap()
}

/// The worst a leader can know: the node's probe failed as early as a probe can.
fn worst(rules: &Rules, heard: Option<Instant>, since: Instant) -> Contact {
    let sent = heard.map_or(since, |heard| heard.max(since)) + rules.suspect_after();
    Contact { heard, probe: Some(Probe { sent, outcome: ProbeOutcome::Failed }) }
}

/// A leader with these rules, that leads from `elected` on, and counts from `since` on.
struct Leader {
    rules: Rules,
    elected: u64,
    since: u64,
}

/// When the leader first takes the node for dead.
fn first_dead(handled: &[Handled], old: bool, leader: &Leader, base: Instant) -> Option<u64> {
    let at = |ms: u64| base + Duration::from_millis(ms);
    let Leader { rules, elected, since } = leader;
    let since = at(*since);
    (*elected..elected + 8_000).find(|now| {
        let heard = handled
            .iter()
            .filter(|one| one.by_old == old && one.received >= *elected && one.received <= *now)
            .map(|one| at(one.received))
            .max();
        verdict(rules, since, &worst(rules, heard, since), at(*now)) == Verdict::Dead
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_lease_has_ended_before_its_holder_is_dead(
        requests in proptest::collection::vec(request(), 1..40),
        elected in 1_100_u64..4_000,
        old_lease in prop_oneof![Just(300_u64), 100_u64..1_500],
    ) {
        let base = clock::now();
        let handled = handle(&requests, elected, old_lease, base);
        let lease = Duration::from_millis(old_lease);
        let before = Leader { rules: Rules { lease, ..rules() }, elected: 1_000, since: 1_000 };
        let since = elected + excess(old_lease);
        let after = Leader { rules: rules(), elected, since };
        for (old, leader) in [(true, &before), (false, &after)] {
            let Some(dead) = first_dead(&handled, old, leader, base) else { continue };
            // What is granted after the verdict is the fence's business (see below); what the old
            // leader grants after the election is not, nobody fences there.
            let counts = |one: &&Handled| one.received <= dead || (!old && one.by_old);
            let counted = handled.iter().filter(counts).filter(|one| old == one.by_old || !old);
            for one in counted {
                let lease = Lease::new();
                let Some(ends) = one.ends else { continue };
                lease.extend(base + Duration::from_millis(ends));
                prop_assert!(
                    !lease.is_valid(base + Duration::from_millis(dead)),
                    "sent at {}, received at {}, ends at {ends}, dead at {dead}, elected at {elected}",
                    one.sent, one.received,
                );
            }
        }
    }

    #[test]
    fn a_fenced_node_gets_no_lease_before_it_has_applied_the_move(
        silent in 0_u64..1_000,
        applied in 0_u64..40,
    ) {
        let base = clock::now();
        let at = |ms: u64| base + Duration::from_millis(ms);
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path(), "LEASE");
        let board = Board::new(rules(), Longest::open(rules().lease, kept, base).unwrap());
        board.lead(3, at(0), Some(10), [NODE].into_iter());
        prop_assert!(!board.heard(NODE, Some(9), at(1)), "has not applied the earlier terms");
        prop_assert!(board.heard(NODE, Some(10), at(2)));
        let asked = 2 + 150;
        prop_assert_eq!(board.take_silent(at(asked)), vec![NODE]);
        board.probed(NODE, at(asked), ProbeOutcome::Failed);
        let now = at(2 + silent);
        let fenced = board.fence(NODE, now);
        prop_assert_eq!(fenced, silent >= 350, "silent for {} ms", silent);
        if fenced {
            prop_assert!(!board.heard(NODE, Some(1_000), now), "the fence stands");
            board.unfence(NODE, Some(20));
            prop_assert_eq!(board.heard(NODE, Some(applied), now), applied >= 20);
        }
    }
}

#[test]
fn verdicts_follow_silence_and_probes() {
    let base = clock::now();
    let at = |ms: u64| base + Duration::from_millis(ms);
    let probe = |sent, outcome| Some(Probe { sent: at(sent), outcome });
    let judge = |probe, now| {
        let contact = Contact { heard: Some(at(100)), probe };
        verdict(&rules(), at(0), &contact, at(now))
    };
    assert_eq!(judge(None, 249), Verdict::Alive);
    assert_eq!(judge(None, 250), Verdict::Suspect);
    assert_eq!(judge(probe(250, ProbeOutcome::Failed), 449), Verdict::Suspect);
    assert_eq!(judge(probe(250, ProbeOutcome::Failed), 450), Verdict::Dead);
    // The leader itself was paused: nobody was asked, or asked before the silence, or not answered yet.
    assert_eq!(judge(None, 1_900), Verdict::Suspect);
    assert_eq!(judge(probe(90, ProbeOutcome::Failed), 1_900), Verdict::Suspect);
    assert_eq!(judge(probe(1_890, ProbeOutcome::Waiting), 1_900), Verdict::Suspect);
    // It answers, but its requests do not arrive.
    assert_eq!(judge(probe(250, ProbeOutcome::Answered), 2_099), Verdict::Suspect);
    assert_eq!(judge(probe(250, ProbeOutcome::Answered), 2_100), Verdict::Dead);
}

#[test]
fn a_new_leader_waits_a_whole_lease() {
    let base = clock::now();
    let at = |ms: u64| base + Duration::from_millis(ms);
    let contact = worst(&rules(), None, at(1_000));
    assert_eq!(verdict(&rules(), at(1_000), &contact, at(1_349)), Verdict::Suspect);
    assert_eq!(verdict(&rules(), at(1_000), &contact, at(1_350)), Verdict::Dead);
}
