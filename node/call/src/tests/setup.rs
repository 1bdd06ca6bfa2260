use holdline_model::{Disposition, HangupBy, Phase};

use super::driver::*;
use crate::{Event, Input};

#[test]
fn an_invite_is_admitted_then_answered_with_100_and_sent_on() {
    let mut world = World::new();
    world.receive(caller(), invite("1"));
    assert_eq!(world.summaries(), ["100 INVITE > caller", "INVITE > target0"]);
    assert_eq!(world.record().phase, Phase::Inviting);
    assert!(world.events.iter().any(|event| matches!(event, Event::Admitted { .. })));
}

#[test]
fn a_repeated_invite_gets_the_last_answer_again() {
    let mut world = World::new();
    let invite_out = world.inviting();
    world.receive(caller(), invite("1"));
    assert_eq!(world.summaries(), ["100 INVITE > caller"]);
    world.receive(target(0), response(&invite_out, 180, ""));
    let ringing = world.the("180 INVITE > caller");
    world.receive(caller(), invite("1"));
    assert_eq!(world.sent(), [ringing]);
    assert_eq!(world.state.calls.len(), 1);
}

#[test]
fn our_invite_is_resent_by_timer_a_until_a_provisional_answer() {
    let mut world = World::new();
    world.receive(caller(), invite("1"));
    let first = world.the("INVITE > target0");
    world.pass(1_500);
    assert_eq!(world.sent(), [first.clone(), first.clone()]);
    world.receive(target(0), response(&first.message(), 100, ""));
    world.pass(10_000);
    assert_eq!(world.summaries(), Vec::<String>::new(), "100 is absorbed, and nothing is resent");
}

#[test]
fn ringing_is_relayed_at_once_and_recorded_afterwards() {
    let mut world = World::new();
    let invite = world.inviting();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 180, ""));
    assert_eq!(world.summaries(), ["180 INVITE > caller"]);
    assert_eq!(world.held.len(), 1, "recorded asynchronously");
    world.receive(target(0), response(&invite, 180, ""));
    assert_eq!(world.summaries(), ["180 INVITE > caller"], "while that is in flight, too");
    world.commit_held();
    assert_eq!(world.record().early.first().map(|early| early.status), Some(180));
    assert!(world.record().early[0].response.is_empty());
    assert!(world.held.is_empty(), "once is enough");
}

#[test]
fn early_media_is_relayed_after_its_commit_and_repeated_without_another() {
    let mut world = World::new();
    let invite = world.inviting();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 183, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    let relayed = world.the("183 INVITE > caller");
    assert_eq!(relayed.message().body(), SDP.as_bytes());
    world.receive(target(0), response(&invite, 183, SDP));
    assert_eq!(world.sent(), [relayed]);
    assert!(world.held.is_empty());
}

#[test]
fn a_queued_ringing_never_delays_the_answer() {
    let mut world = World::new();
    let invite = world.inviting();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 183, SDP));
    world.receive(target(0), response(&invite, 180, ""));
    world.receive(target(0), response(&invite, 200, SDP));
    world.commit_held();
    assert_eq!(world.held.len(), 1, "the answer is proposed next");
    world.commit_held();
    assert!(world.held.is_empty());
    assert_eq!(world.record().phase, Phase::Answered);
    assert_eq!(
        world.summaries(),
        ["180 INVITE > caller", "183 INVITE > caller", "200 INVITE > caller", "ACK > target0"]
    );
}

#[test]
fn a_number_without_a_route_is_404_with_a_cdr() {
    let mut world = World::new();
    world.receive(caller(), invite_to("1", "+7000", SDP));
    assert_eq!(world.summaries(), ["404 INVITE > caller"]);
    let cdr = world.cdr();
    assert_eq!(cdr.disposition, Disposition::Failed);
    assert_eq!((cdr.cause.status, cdr.hangup_by), (404, HangupBy::Switch));
}

#[test]
fn nobody_answering_in_time_is_cancelled_and_408() {
    let mut world = World::with(|options| {
        options.answer_timeout = std::time::Duration::from_secs(40);
    });
    let invite = world.ringing();
    world.pass(39_999);
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.pass(1);
    let cancel = world.the("CANCEL > target0").message();
    world.receive(target(0), response(&cancel, 200, ""));
    world.receive(target(0), response(&invite, 487, ""));
    assert_eq!(world.summaries(), ["ACK > target0", "408 INVITE > caller"]);
    let cdr = world.cdr();
    assert_eq!(cdr.disposition, Disposition::NoAnswer);
    assert_eq!(cdr.hangup_by, HangupBy::Timer);
}

#[test]
fn an_administrator_ends_a_ringing_call_with_480() {
    let mut world = World::new();
    let invite = world.ringing();
    let call = world.call();
    world.input(Input::HangUp { call });
    assert_eq!(world.summaries(), ["CANCEL > target0"]);
    world.receive(target(0), response(&invite, 487, ""));
    assert_eq!(world.summaries(), ["ACK > target0", "480 INVITE > caller"]);
    let cdr = world.cdr();
    assert_eq!(cdr.hangup_by, HangupBy::Admin);
    assert!(cdr.cause.text.contains("administrator"));
}
