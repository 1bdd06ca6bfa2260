//! Changes of the session and other requests that go through, message by message.

use holdline_model::{CallChange, HangupBy, Side};
use holdline_sip::message::Message;

use super::driver::*;
use crate::{Event, Refusal};

#[test]
fn a_reinvite_is_passed_on_at_once_with_the_next_number_and_our_identities() {
    let mut world = World::new();
    let (_, passed) = reinviting(&mut world);
    assert_eq!(passed.cseq().number, 2);
    assert_eq!(passed.body(), SDP.as_bytes());
    assert!(passed.call_id().starts_with("hl") && passed.call_id().ends_with('c'));
    assert!(passed.top_via().branch.unwrap().ends_with(".pb2"));
    assert_eq!(passed.max_forwards(), Some(69));
    assert_eq!(passed.to().tag, Some("callee"));
}

#[test]
fn its_2xx_is_committed_before_it_is_relayed_and_acknowledged() {
    let mut world = World::new();
    let (ok, passed) = reinviting(&mut world);
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&passed, 200, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    assert_eq!(world.summaries(), ["200 INVITE > caller", "ACK > target0"]);
    world.decide = Decide::Commit;
    world.pass(500);
    assert_eq!(world.summaries(), ["200 INVITE > caller"], "until its ACK comes");
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
    world.pass(10_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.receive(target(0), response(&passed, 200, SDP));
    assert_eq!(world.summaries(), ["ACK > target0"], "whose ACK was lost");
}

#[test]
fn a_failure_of_it_leaves_the_session_as_it_was() {
    let mut world = World::new();
    let (ok, passed) = reinviting(&mut world);
    let before = world.record().answer.clone();
    world.receive(target(0), response(&passed, 488, ""));
    assert_eq!(world.summaries(), ["488 INVITE > caller", "ACK > target0"]);
    let after = world.record().answer.clone().unwrap();
    assert_eq!(after.callee.remote_target, before.unwrap().callee.remote_target);
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
    world.pass(5_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert!(world.state.cdrs.is_empty(), "the call goes on");
}

#[test]
fn a_late_copy_of_one_that_is_over_is_absorbed_before_its_ack_is_committed() {
    let mut world = World::with(|options| {
        options.note_every = std::time::Duration::from_secs(60);
    });
    let (ok, passed) = reinviting(&mut world);
    world.receive(target(0), response(&passed, 200, SDP));
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
    world.sent();
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new());
    // The next one goes through, and a copy of the first is still known.
    world.receive(caller(), request_from_caller("INVITE", 3, &ok, SDP));
    world.the("INVITE > target0");
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new());
}

#[test]
fn a_2xx_moves_the_remote_target() {
    let mut world = World::new();
    let (ok, passed) = reinviting(&mut world);
    let answer = String::from_utf8(response(&passed, 200, SDP).to_vec()).unwrap();
    let elsewhere = answer.replace("<sip:bob@198.51.100.1:5060>", "<sip:bob@198.51.100.2:5090>");
    world.receive(target(0), elsewhere);
    let sent = world.sent();
    assert_eq!(sent[1].to.to_string(), "198.51.100.2:5090", "the ACK goes there already");
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
    world.receive(caller(), request_from_caller("BYE", 3, &ok, ""));
    let bye = world.sent().into_iter().find(|sent| sent.message().is_request()).unwrap();
    assert_eq!(bye.to.to_string(), "198.51.100.2:5090");
    assert_eq!(bye.message().request_uri(), Some("sip:bob@198.51.100.2:5090"));
}

#[test]
fn a_late_offer_is_answered_by_the_senders_ack() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, ""));
    let passed = world.the("INVITE > target0").message();
    world.receive(target(0), response(&passed, 200, SDP));
    assert_eq!(world.summaries(), ["200 INVITE > caller"]);
    world.receive(target(0), response(&passed, 200, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new(), "no ACK without the SDP");
    world.receive(caller(), request_from_caller("ACK", 2, &ok, SDP));
    let ack = world.the("ACK > target0").message();
    assert_eq!((ack.body(), ack.cseq().number), (SDP.as_bytes(), 2));
}

#[test]
fn one_that_crosses_is_491_and_one_that_overlaps_is_500_with_retry_after() {
    let mut world = World::new();
    let (invite, ok) = world.up();
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, SDP));
    world.the("INVITE > target0");
    world.receive(target(0), request_from_callee("INVITE", 1, &invite));
    assert_eq!(world.summaries(), ["491 INVITE > target0"]);
    assert!(world.events.contains(&Event::Refused { reason: Refusal::Glare }));
    world.receive(caller(), request_from_caller("INVITE", 3, &ok, SDP));
    let refusal = world.the("500 INVITE > caller").message();
    assert_eq!(values(&refusal, "Retry-After"), ["1"]);
}

#[test]
fn one_that_was_refused_stays_refused_when_it_is_repeated_later() {
    let mut world = World::new();
    let (invite, ok) = world.up();
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, SDP));
    let passed = world.the("INVITE > target0").message();
    let crossing = request_from_callee("INVITE", 1, &invite);
    world.receive(target(0), crossing.clone());
    let refusal = world.the("491 INVITE > target0").bytes;
    world.receive(target(0), response(&passed, 200, SDP));
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
    world.sent();
    // Nothing speaks against it any more, but its sender may have heard the 491.
    world.receive(target(0), crossing);
    assert_eq!(world.the("491 INVITE > target0").bytes, refusal);
    world.receive(target(0), request_from_callee("INVITE", 2, &invite));
    world.the("INVITE > caller");
}

#[test]
fn nothing_is_said_of_one_that_takes_long_before_it_is_committed() {
    let mut world = World::with(|options| {
        options.note_every = std::time::Duration::from_millis(250);
    });
    let (ok, passed) = reinviting(&mut world);
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new(), "its sender goes on repeating it");
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&passed, 180, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert!(matches!(world.held[0].change, CallChange::Reinviting(_)));
    world.commit_held();
    assert_eq!(world.summaries(), ["180 INVITE > caller"]);
}

#[test]
fn the_next_owner_resends_a_committed_one_byte_for_byte() {
    let mut world = World::new();
    let (ok, passed) = reinviting(&mut world);
    world.receive(target(0), response(&passed, 180, ""));
    world.sent();
    world.take_over();
    world.pass(10);
    assert_eq!(world.the("INVITE > target0").message(), passed);
    world.receive(target(0), response(&passed, 200, SDP));
    assert_eq!(world.summaries(), ["200 INVITE > caller", "ACK > target0"]);
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
}

#[test]
fn the_next_owner_passes_on_the_very_same_request_when_it_is_repeated() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("INFO", 5, &ok, ""));
    let first = world.the("INFO > target0").message();
    let proposed = world.proposed;
    world.take_over();
    world.receive(caller(), request_from_caller("INFO", 5, &ok, ""));
    assert_eq!(world.the("INFO > target0").message(), first);
    world.receive(target(0), response(&first, 200, ""));
    assert_eq!(world.summaries(), ["200 INFO > caller"]);
    assert_eq!(world.proposed, proposed, "that costs no commit");
}

#[test]
fn a_repeated_request_is_absorbed_and_then_answered_again() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("INFO", 2, &ok, ""));
    let passed = world.the("INFO > target0").message();
    world.receive(caller(), request_from_caller("INFO", 2, &ok, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.receive(target(0), response(&passed, 415, ""));
    assert_eq!(world.summaries(), ["415 INFO > caller"]);
    world.receive(caller(), request_from_caller("INFO", 2, &ok, ""));
    assert_eq!(world.summaries(), ["415 INFO > caller"]);
}

#[test]
fn a_481_to_a_change_ends_the_call_with_a_bye_to_its_sender() {
    let mut world = World::new();
    let (ok, passed) = reinviting(&mut world);
    world.receive(target(0), response(&passed, 481, ""));
    let said = world.summaries();
    assert_eq!(said, ["481 INVITE > caller", "ACK > target0", "BYE > caller"]);
    assert_eq!(world.cdr().cause.status, 481);
    assert_eq!(world.cdr().hangup_by, HangupBy::Switch);
    world.receive(caller(), request_from_caller("ACK", 2, &ok, ""));
}

#[test]
fn our_bye_takes_a_number_above_all_that_went_through() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("INFO", 40, &ok, ""));
    assert_eq!(world.the("INFO > target0").message().cseq().number, 40);
    let call = world.call();
    world.input(crate::Input::HangUp { call });
    assert_eq!(world.the("BYE > target0").message().cseq().number, 41);
}

#[test]
fn the_next_owners_bye_stays_above_numbers_that_are_not_committed() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("INFO", 900, &ok, ""));
    let info = world.the("INFO > target0").message();
    world.take_over();
    let call = world.call();
    world.input(crate::Input::HangUp { call });
    let bye = world.the("BYE > target0").message();
    assert!(bye.cseq().number > info.cseq().number, "{:?}", bye.cseq());
}

#[test]
fn a_number_that_runs_far_ahead_is_committed_first() {
    let mut world = World::new();
    let (invite, _) = world.up();
    world.decide = Decide::Withhold;
    world.receive(target(0), request_from_callee("INFO", 31_415, &invite));
    assert_eq!(world.summaries(), Vec::<String>::new());
    assert!(matches!(
        world.held[0].change,
        CallChange::Counted(holdline_model::Counted { from: Side::Callee, cseq: 31_415 })
    ));
    world.commit_held();
    assert_eq!(world.the("INFO > caller").message().cseq().number, 31_415);
}

#[test]
fn requests_that_go_through_are_bounded() {
    let mut world = World::new();
    let (_, ok) = world.up();
    for cseq in 2..10 {
        world.receive(caller(), request_from_caller("INFO", cseq, &ok, ""));
        world.the("INFO > target0");
    }
    world.receive(caller(), request_from_caller("INFO", 10, &ok, ""));
    assert_eq!(world.summaries(), ["500 INFO > caller"]);
    assert!(world.events.contains(&Event::Refused { reason: Refusal::TooManyRequests }));
}

#[test]
fn a_cancelled_change_is_cancelled_at_the_other_side() {
    let mut world = World::new();
    let (ok, passed) = reinviting(&mut world);
    let cancel = request_from_caller("INVITE", 2, &ok, "").replace("INVITE sip", "CANCEL sip");
    let cancel = cancel.replace("2 INVITE", "2 CANCEL");
    world.receive(caller(), cancel);
    assert_eq!(world.summaries(), ["200 CANCEL > caller"], "nothing answered yet");
    world.receive(target(0), response(&passed, 180, ""));
    assert_eq!(world.summaries(), ["CANCEL > target0", "180 INVITE > caller"]);
    world.receive(target(0), response(&passed, 487, ""));
    assert_eq!(world.summaries(), ["487 INVITE > caller", "ACK > target0"]);
}

#[test]
fn an_update_is_relayed_when_its_2xx_is_committed() {
    let mut world = World::new();
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("UPDATE", 2, &ok, SDP));
    let passed = world.the("UPDATE > target0").message();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&passed, 200, SDP));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    assert_eq!(world.the("200 UPDATE > caller").message().body(), SDP.as_bytes());
}

/// A 183 with SDP that is reliable at the callee.
fn reliable(invite: &Message, rseq: u32) -> String {
    let text = String::from_utf8(response(invite, 183, SDP).to_vec()).unwrap();
    let more = format!("Require: 100rel\r\nRSeq: {rseq}\r\nServer: theirs\r\nX-Callee: ");
    text.replace("X-Callee: ", &more)
}

fn prack(early: &Message, rack: &str) -> String {
    let text = request_from_caller("PRACK", 2, early, "");
    text.replace("Max-Forwards", &format!("RAck: {rack}\r\nMax-Forwards"))
}

#[test]
fn a_reliable_answer_and_its_prack_are_renumbered_between_the_legs() {
    let mut world = World::new();
    let invite = world.inviting();
    world.receive(target(0), reliable(&invite, 77));
    let early = world.the("183 INVITE > caller").message();
    assert_eq!((early.rseq(), early.require()), (Some(1), vec!["100rel"]));
    assert!(values(&early, "Server").is_empty(), "what it runs on is its own");
    world.receive(target(0), reliable(&invite, 77));
    assert_eq!(world.summaries(), ["183 INVITE > caller"], "the callee's repetitions drive ours");
    world.receive(caller(), prack(&early, "1 1 INVITE"));
    let passed = world.the("PRACK > target0").message();
    assert_eq!(values(&passed, "RAck"), ["77 1 INVITE"]);
    assert_eq!(passed.cseq().number, 2);
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&passed, 200, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    assert_eq!(world.summaries(), ["200 PRACK > caller"]);
    world.decide = Decide::Commit;
    world.receive(target(0), reliable(&invite, 77));
    assert_eq!(world.summaries(), Vec::<String>::new(), "it is acknowledged");
}

#[test]
fn a_prack_that_matches_nothing_is_481() {
    let mut world = World::new();
    let invite = world.inviting();
    world.receive(target(0), reliable(&invite, 77));
    let early = world.the("183 INVITE > caller").message();
    for rack in ["2 1 INVITE", "0 1 INVITE", "1 9 INVITE", "1 1 UPDATE"] {
        let text = prack(&early, rack).replace("z9hG4bKPRACK2", &format!("z9hG4bK{}", rack.len()));
        world.receive(caller(), text);
        assert_eq!(world.summaries(), ["481 PRACK > caller"], "{rack}");
    }
}

#[test]
fn to_a_caller_that_cannot_it_is_not_relayed_as_a_reliable_one() {
    let mut world = World::new();
    world.receive(caller(), super::driver::invite("1").replace("100rel, ", ""));
    let invite = world.the("INVITE > target0").message();
    world.receive(target(0), reliable(&invite, 77));
    let early = world.the("183 INVITE > caller").message();
    assert_eq!((early.rseq(), early.require().len()), (None, 0));
}

#[test]
fn a_session_that_nobody_refreshes_expires_and_a_refresh_moves_its_end() {
    let mut world = World::new();
    let timed = |answer: bytes::Bytes| {
        let text = String::from_utf8(answer.to_vec()).unwrap();
        let more = "Require: timer\r\nSession-Expires: 90;refresher=uac\r\nX-Callee: ";
        text.replace("X-Callee: ", more)
    };
    let invite = world.ringing();
    world.receive(target(0), timed(response(&invite, 200, SDP)));
    let ok = world.sent()[0].message();
    assert_eq!(values(&ok, "Session-Expires"), ["90;refresher=uac"]);
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.pass(80_000);
    world.receive(caller(), request_from_caller("UPDATE", 2, &ok, ""));
    let update = world.the("UPDATE > target0").message();
    world.receive(target(0), timed(response(&update, 200, "")));
    assert_eq!(world.summaries(), ["200 UPDATE > caller"]);
    world.take_over();
    world.pass(89_000);
    assert_eq!(world.summaries(), Vec::<String>::new(), "the deadline is the replicated one");
    world.pass(1_000);
    assert_eq!(world.summaries(), ["BYE > target0", "BYE > caller"]);
    assert_eq!(world.cdr().cause.text.as_str(), "session expired");
}

#[test]
fn a_warning_goes_out_in_our_name() {
    let mut world = World::new();
    let (_, passed) = reinviting(&mut world);
    let text = String::from_utf8(response(&passed, 488, "").to_vec()).unwrap();
    let warning = "Warning: 304 secret.example.com:5060 \"No, not that\"\r\nX-Callee: ";
    world.receive(target(0), text.replace("X-Callee: ", warning));
    let failure = world.sent()[0].message();
    assert_eq!(values(&failure, "Warning"), ["304 holdline \"No, not that\""]);
}
