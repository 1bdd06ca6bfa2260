use std::num::NonZeroUsize;

use super::driver::*;
use crate::{DropReason, Event, Refusal};

#[test]
fn too_many_calls_are_503_with_retry_after() {
    let mut world = World::with(|options| {
        options.max_calls = NonZeroUsize::new(2).unwrap();
    });
    for id in ["1", "2"] {
        world.receive(caller(), invite(id));
    }
    world.sent();
    world.receive(caller(), invite("3"));
    let answer = world.the("503 INVITE > caller").message();
    assert_eq!(values(&answer, "Retry-After"), ["5"]);
    assert!(world.events.contains(&Event::Refused { reason: Refusal::TooManyCalls }));
    assert_eq!(world.engine.live_calls(), 2);
}

#[test]
fn too_many_tombstones_are_503_until_they_are_forgotten() {
    let mut world = World::with(|options| {
        options.max_tombstones = NonZeroUsize::new(1).unwrap();
    });
    let busy = world.inviting();
    world.receive(target(0), response(&busy, 486, ""));
    world.sent();
    world.receive(caller(), invite("2"));
    assert_eq!(world.summaries(), ["503 INVITE > caller"]);
    world.pass(32_000);
    world.sent();
    world.receive(caller(), invite("3"));
    assert_eq!(world.summaries(), ["100 INVITE > caller", "INVITE > target0"]);
}

#[test]
fn a_full_queue_drops_what_peers_repeat_anyway() {
    let mut world = World::with(|options| {
        options.max_waiting = NonZeroUsize::new(1).unwrap();
    });
    let invite = world.ringing();
    world.decide = Decide::Withhold;
    world.receive(caller(), cancel("1"));
    world.receive(target(0), response(&invite, 200, SDP));
    world.receive(target(0), response_tagged(&invite, 200, SDP, "other"));
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::QueueFull }));
    world.decide = Decide::Commit;
    world.commit_held();
    assert_eq!(world.cdr().cause.status, 487);
}

#[test]
fn too_many_forks_are_left_to_their_own_timeout() {
    let mut world = World::with(|options| options.max_forks = 1);
    let (invite, _) = world.up();
    world.receive(target(0), response_tagged(&invite, 200, SDP, "second"));
    assert_eq!(world.summaries(), ["BYE > target0"]);
    world.receive(target(0), response_tagged(&invite, 200, SDP, "third"));
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::TooManyForks }));
}

#[test]
fn a_confirmed_call_costs_less_than_4_kib() {
    let mut world = World::new();
    world.up();
    let record = world.record();
    let answer = record.answer.as_ref().unwrap();
    let text: usize = [&answer.caller, &answer.callee]
        .iter()
        .map(|dialog| {
            let routes: usize = dialog.route_set.iter().map(|route| route.len() + 24).sum();
            let strings = [&dialog.call_id, &dialog.local, &dialog.remote, &dialog.remote_target];
            routes + strings.iter().map(|text| text.len()).sum::<usize>()
        })
        .sum();
    let admission = &record.admission;
    let fixed = size_of::<crate::call::Call>() + size_of_val(&**answer);
    // Texts of the admission are held by the record, and once more as the key of the index.
    let keys = 2 * (admission.call_id.len() + admission.from_tag.len()) + admission.branch.len();
    let uris = admission.from.len() + admission.to.len();
    let targets = record.targets.len() * (size_of::<holdline_model::Target>() + 64);
    let total = fixed + text + keys + uris + targets + 256;
    assert!(total < 4096, "{total} bytes, of which {fixed} fixed");
    assert!(record.invite.is_empty() && answer.response.is_empty());
}
