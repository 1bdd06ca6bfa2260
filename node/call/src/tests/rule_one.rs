//! One test per row of the table in docs/architecture.md, section 1: while the proposal is undecided
//! nothing is said, and when its node dies after the commit, the next owner says it.

use holdline_model::{Phase, Rejection, Reply};

use super::driver::*;
use crate::{DropReason, Event, Input};

const SILENCE: Vec<String> = Vec::new();

/// Waits until the paced resends of a takeover are out.
fn settle(world: &mut World) -> Vec<String> {
    world.pass(10);
    world.summaries()
}

#[test]
fn nothing_is_said_about_an_invite_before_its_admission() {
    let mut world = World::new();
    world.decide = Decide::Withhold;
    world.receive(caller(), invite("1"));
    world.receive(caller(), invite("1"));
    world.pass(5_000);
    assert_eq!(world.summaries(), SILENCE);
    assert_eq!(world.held.len(), 1, "repetitions are absorbed");
    world.commit_held_in_silence();
    world.take_over();
    assert_eq!(settle(&mut world), ["INVITE > target0"]);
    world.receive(caller(), invite("1"));
    assert_eq!(world.summaries(), ["100 INVITE > caller"], "the caller is told when it asks again");
}

#[test]
fn an_invite_lost_before_its_commit_is_a_new_call_for_the_next_owner() {
    let mut world = World::new();
    world.decide = Decide::Withhold;
    world.receive(caller(), invite("1"));
    world.take_over();
    world.receive(caller(), invite("1"));
    assert_eq!(world.summaries(), ["100 INVITE > caller", "INVITE > target0"]);
}

#[test]
fn the_next_target_is_tried_by_the_next_owner() {
    let mut world = World::new();
    world.receive(caller(), invite_to("1", "+49", SDP));
    let first = world.the("INVITE > target0").message();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&first, 503, ""));
    world.pass(400);
    assert_eq!(world.summaries(), SILENCE);
    world.commit_held_in_silence();
    world.take_over();
    assert_eq!(settle(&mut world), ["INVITE > target1"]);
    world.receive(target(0), response(&first, 503, ""));
    assert_eq!(world.summaries(), ["ACK > target0"], "the first target repeats until then");
}

#[test]
fn early_media_is_relayed_by_the_next_owner() {
    let mut world = World::new();
    let invite = world.inviting();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 183, SDP));
    world.pass(5_000);
    assert_eq!(world.summaries(), SILENCE);
    world.commit_held_in_silence();
    world.take_over();
    assert_eq!(settle(&mut world), ["183 INVITE > caller"]);
}

#[test]
fn a_cancel_is_carried_out_by_the_next_owner() {
    let mut world = World::new();
    world.ringing();
    world.decide = Decide::Withhold;
    world.receive(caller(), cancel("1"));
    world.receive(caller(), cancel("1"));
    world.pass(5_000);
    assert_eq!(world.summaries(), SILENCE);
    world.commit_held_in_silence();
    world.take_over();
    assert_eq!(settle(&mut world), ["CANCEL > target0"]);
    world.receive(caller(), cancel("1"));
    assert_eq!(world.summaries(), ["200 CANCEL > caller"]);
}

#[test]
fn an_answer_is_relayed_by_the_next_owner() {
    let mut world = World::new();
    let invite = world.ringing();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 200, SDP));
    world.pass(5_000);
    assert_eq!(world.summaries(), SILENCE);
    world.commit_held_in_silence();
    world.take_over();
    assert_eq!(settle(&mut world), ["ACK > target0", "200 INVITE > caller"]);
}

#[test]
fn a_late_offers_ack_is_passed_on_by_the_next_owner_when_the_callee_asks() {
    let mut world = World::new();
    world.receive(caller(), invite_to("1", "+1555", ""));
    let invite = world.the("INVITE > target0").message();
    world.receive(target(0), response(&invite, 200, SDP));
    let ok = world.the("200 INVITE > caller").message();
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("ACK", 1, &ok, "v=0 answer"));
    assert_eq!(world.summaries(), SILENCE);
    world.commit_held_in_silence();
    world.take_over();
    world.sent();
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.the("ACK > target0").message().body(), b"v=0 answer");
}

#[test]
fn a_failure_is_relayed_by_the_next_owner() {
    let mut world = World::new();
    let invite = world.ringing();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 486, ""));
    world.pass(5_000);
    assert_eq!(world.summaries(), SILENCE);
    world.commit_held_in_silence();
    world.take_over();
    assert_eq!(settle(&mut world), ["486 INVITE > caller"]);
    world.receive(target(0), response(&invite, 486, ""));
    assert_eq!(world.summaries(), ["ACK > target0"]);
}

#[test]
fn a_bye_is_carried_out_by_the_next_owner() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    world.pass(5_000);
    assert_eq!(world.summaries(), SILENCE);
    world.commit_held_in_silence();
    world.take_over();
    assert_eq!(settle(&mut world), ["BYE > target0"]);
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    assert_eq!(world.summaries(), ["200 BYE > caller"]);
    assert_eq!(world.state.cdrs.len(), 1);
}

#[test]
fn an_undecided_proposal_is_made_again_unchanged() {
    let mut world = World::new();
    world.decide = Decide::Withhold;
    world.receive(caller(), invite("1"));
    let first = world.held[0].clone();
    world.leave_held_undecided();
    assert_eq!(world.summaries(), SILENCE);
    world.pass(99);
    assert!(world.held.is_empty());
    world.pass(1);
    assert_eq!(world.held, [first]);
    world.commit_held();
    assert_eq!(world.summaries(), ["100 INVITE > caller", "INVITE > target0"]);
}

#[test]
fn an_undecided_proposal_that_was_committed_takes_effect_once() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    let held = world.held.clone();
    world.commit_held_in_silence();
    world.held = held;
    world.leave_held_undecided();
    world.decide = Decide::Commit;
    world.pass(100);
    assert_eq!(world.summaries(), ["200 BYE > caller", "BYE > target0"]);
    assert_eq!(world.state.cdrs.len(), 1);
}

#[test]
fn a_deposed_owner_says_nothing_more() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    let command = world.held.pop().unwrap();
    let outcome = Ok(Reply::Rejected(Rejection::StaleEpoch {
        slot: SLOT,
        named: command.epoch,
        current: command.epoch.next(),
        owner: holdline_model::NodeId(2),
    }));
    world.input(Input::Decided { call: command.call, step: command.step, outcome });
    world.pass(100_000);
    assert_eq!(world.summaries(), SILENCE);
    assert_eq!(world.engine.live_calls(), 0);
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::Deposed }));
}

#[test]
fn without_a_lease_nothing_is_sent_proposed_or_taken() {
    let mut world = World::new();
    let (_, ok) = world.answered();
    world.input(Input::Suspended(true));
    assert_eq!(world.engine.next_timer(), None);
    world.input(Input::Tick);
    world.pass(5_000);
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.receive(caller(), invite("2"));
    assert_eq!(world.summaries(), SILENCE);
    assert!(world.held.is_empty());
    assert!(world.events.contains(&Event::Dropped { reason: DropReason::Suspended }));
    world.input(Input::Suspended(false));
    assert_eq!(world.summaries(), ["200 INVITE > caller"], "what was due is done");
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    assert_eq!(world.record().phase, Phase::Confirmed);
}

#[test]
fn a_hang_up_that_was_decided_without_a_lease_is_told_when_it_is_held_again() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.decide = Decide::Withhold;
    world.receive(caller(), request_from_caller("BYE", 2, &ok, ""));
    world.input(Input::Suspended(true));
    world.commit_held();
    assert_eq!(world.summaries(), SILENCE);
    world.decide = Decide::Commit;
    world.input(Input::Suspended(false));
    assert_eq!(world.summaries(), ["200 BYE > caller", "BYE > target0"]);
}

#[test]
fn what_was_decided_without_a_lease_is_acted_upon_and_not_proposed_again() {
    let mut world = World::new();
    let invite = world.ringing();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 200, SDP));
    let proposed = world.proposed;
    world.input(Input::Suspended(true));
    world.decide = Decide::Commit;
    world.commit_held();
    world.pass(1_000);
    assert_eq!(world.summaries(), SILENCE);
    world.input(Input::Suspended(false));
    let sent = world.summaries();
    assert_eq!(sent.first().map(String::as_str), Some("200 INVITE > caller"), "{sent:?}");
    assert!(sent.contains(&"ACK > target0".to_owned()), "{sent:?}");
    assert_eq!(world.proposed, proposed, "once is enough");
}
