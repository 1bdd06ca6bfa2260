use holdline_model::{CallRecord, Epoch, Phase};
use holdline_sip::message::Message;

use super::driver::*;
use crate::{DropReason, Event, Input};

#[test]
fn resends_of_the_next_owner_are_the_very_same_bytes() {
    let mut world = World::new();
    world.receive(caller(), invite("1"));
    let invite = world.the("INVITE > target0");
    world.take_over();
    world.pass(5);
    assert_eq!(world.sent(), std::slice::from_ref(&invite));
    world.receive(target(0), response(&invite.message(), 183, SDP));
    let early = world.the("183 INVITE > caller");
    world.take_over();
    world.pass(5);
    assert_eq!(world.sent(), [early]);
    world.receive(target(0), response(&invite.message(), 200, SDP));
    let answered = world.sent();
    world.take_over();
    world.pass(5);
    let mut again = world.sent();
    again.sort_by_key(Sent::summary);
    assert_eq!(again, answered);
    let ok = answered[0].message();
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    let bye = world.the("BYE > target0");
    world.take_over();
    world.pass(5);
    assert_eq!(world.sent(), [bye]);
}

#[test]
fn a_ringing_call_waits_and_goes_on() {
    let mut world = World::new();
    let invite = world.ringing();
    world.take_over();
    world.pass(10_000);
    assert_eq!(world.summaries(), Vec::<String>::new(), "the callee has the INVITE");
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.summaries(), ["200 INVITE > caller", "ACK > target0"]);
    assert!(world.events.iter().any(|e| matches!(e, Event::Recovered { resent: false, .. })));
}

#[test]
fn deadlines_are_absolute_and_survive() {
    let mut world = World::with(|options| {
        options.answer_timeout = std::time::Duration::from_secs(60);
        options.max_call_duration = Some(std::time::Duration::from_secs(100));
    });
    let invite = world.ringing();
    world.pass(30_000);
    world.take_over();
    world.pass(29_999);
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.pass(1);
    assert_eq!(world.summaries(), ["CANCEL > target0"]);
    world.receive(target(0), response(&invite, 487, ""));

    let mut world = World::with(|options| {
        options.max_call_duration = Some(std::time::Duration::from_secs(100));
    });
    world.up();
    world.pass(99_000);
    world.take_over();
    world.pass(999);
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.pass(1);
    assert_eq!(world.summaries(), ["BYE > target0", "BYE > caller"]);
}

#[test]
fn a_deadline_that_passed_while_nobody_owned_the_call_acts_at_once() {
    let mut world = World::with(|options| {
        options.max_call_duration = Some(std::time::Duration::from_secs(100));
    });
    world.up();
    world.now = world.now.plus_ms(500_000);
    world.take_over();
    assert_eq!(world.summaries(), ["BYE > target0", "BYE > caller"]);
}

#[test]
fn a_confirmed_call_is_silent_and_answers_its_bye() {
    let mut world = World::new();
    let (invite, _) = world.up();
    world.take_over();
    world.pass(60_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.receive(target(0), request_from_callee("BYE", 1, &invite));
    assert_eq!(world.summaries(), ["200 BYE > target0", "BYE > caller"]);
}

#[test]
fn a_copy_of_the_invite_after_a_takeover_is_no_new_call() {
    let mut world = World::new();
    world.up();
    world.take_over();
    world.receive(caller(), invite("1"));
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert_eq!(world.state.calls.len(), 1);
}

#[test]
fn a_failed_calls_final_answer_is_resent_until_its_ack() {
    let mut world = World::new();
    let invite = world.inviting();
    world.receive(target(0), response(&invite, 486, ""));
    let busy = world.the("486 INVITE > caller");
    world.take_over();
    world.pass(600);
    assert_eq!(world.sent(), [busy.clone(), busy.clone()]);
    world.receive(caller(), request_from_caller("ACK", 1, &busy.message(), ""));
    world.pass(20_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
}

#[test]
fn the_youngest_tombstones_are_resent_at_once_and_older_ones_when_the_callers_have_repeated_theirs()
{
    let mut world = World::new();
    let busy = |world: &mut World, id: &str| {
        world.receive(caller(), invite(id));
        let invite = world.the("INVITE > target0").message();
        world.receive(target(0), response(&invite, 486, ""));
        let busy = world.the("486 INVITE > caller");
        world.summaries();
        busy
    };
    let older = busy(&mut world, "1");
    world.pass(300);
    let young = busy(&mut world, "2");
    world.take_over();
    world.pass(400);
    assert_eq!(world.sent(), std::slice::from_ref(&young), "and not yet {older:?}");
    world.receive(caller(), request_from_caller("ACK", 1, &young.message(), ""));
    world.pass(1_500);
    assert_eq!(world.sent(), []);
    world.pass(200);
    assert_eq!(world.sent(), [older]);
}

#[test]
fn a_late_answer_is_acknowledged_and_hung_up_by_the_next_owner() {
    let mut world = World::new();
    let invite = world.ringing();
    world.receive(caller(), cancel("1"));
    world.receive(target(0), response(&invite, 200, SDP));
    world.take_over();
    world.pass(5);
    let lines = world.summaries();
    let place = |line: &str| lines.iter().position(|other| other == line).unwrap();
    assert!(place("ACK > target0") < place("BYE > target0"));
    assert!(lines.contains(&"487 INVITE > caller".to_owned()));
}

#[test]
fn a_call_without_route_is_failed_by_the_next_owner() {
    let mut world = World::new();
    world.decide = Decide::Withhold;
    world.receive(caller(), invite_to("1", "+7000", SDP));
    world.commit_held_in_silence();
    world.take_over();
    assert_eq!(world.summaries(), ["404 INVITE > caller"]);
}

#[test]
fn tombstones_keep_answering_after_a_takeover_until_their_time() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    let bye = world.the("BYE > target0").message();
    world.pass(10_000);
    world.take_over();
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(world.summaries(), ["200 BYE > caller"]);
    world.pass(5);
    world.receive(target(0), response(&bye, 200, ""));
    world.pass(21_995);
    assert_eq!((world.engine.tombstones(), world.engine.live_calls()), (0, 0));
    world.take_over();
    assert_eq!(world.engine.tombstones(), 0, "what is to be swept is not taken over");
}

#[test]
fn a_lost_slots_calls_are_forgotten_in_silence() {
    let mut world = World::new();
    let (_, ok) = world.answered();
    world.input(Input::Lost { slot: SLOT });
    world.pass(10_000);
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::NotOwner }));
    assert_eq!(world.engine.next_timer(), None);
}

#[test]
fn a_decision_for_a_lost_call_is_stray() {
    let mut world = World::new();
    world.decide = Decide::Withhold;
    world.receive(caller(), invite("1"));
    world.input(Input::Lost { slot: SLOT });
    world.commit_held();
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::StrayDecision }));
}

#[test]
fn the_same_gain_twice_keeps_what_is_known_and_an_older_one_is_ignored() {
    let mut world = World::new();
    let invite = world.ringing();
    let calls: Vec<CallRecord> = world.state.calls.values().cloned().collect();
    world.receive(target(0), response(&invite, 200, SDP));
    world.sent();
    let epoch = world.epoch;
    world.input(Input::Gained { slot: SLOT, epoch, calls: calls.clone() });
    let call = world.call();
    assert_eq!(world.engine.record(call).map(|record| record.phase), Some(Phase::Answered));
    world.input(Input::Gained { slot: SLOT, epoch: Epoch(0), calls });
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::OldEpoch }));
    assert_eq!(world.engine.record(call).map(|record| record.phase), Some(Phase::Answered));
}

#[test]
fn a_newer_gain_replaces_what_was_known() {
    let mut world = World::new();
    world.inviting();
    world.decide = Decide::Withhold;
    world.receive(caller(), cancel("1"));
    let calls: Vec<CallRecord> = world.state.calls.values().cloned().collect();
    let epoch = world.epoch.next();
    world.held.clear();
    world.input(Input::Gained { slot: SLOT, epoch, calls });
    world.receive(caller(), cancel("1"));
    assert_eq!(world.held.len(), 1);
    assert_eq!(world.held[0].epoch, epoch);
}

#[test]
fn a_takeover_of_many_calls_is_paced() {
    let mut world = World::new();
    for id in 0..50 {
        world.receive(caller(), invite(&id.to_string()));
    }
    world.take_over();
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.pass(200);
    let soon = world.summaries().len();
    assert!((4..=6).contains(&soon), "25 a second: {soon} in 200 ms");
    // Long enough for all, and for those that were first to be repeated.
    world.pass(2_000);
    let branches: std::collections::BTreeSet<String> = world
        .sent()
        .iter()
        .map(Sent::message)
        .filter_map(|message: Message| message.top_via().branch.map(str::to_owned))
        .collect();
    assert_eq!(branches.len(), 50);
}
