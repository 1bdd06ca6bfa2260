use holdline_model::{Disposition, HangupBy, Phase};

use super::driver::*;

#[test]
fn a_cancel_is_confirmed_and_passed_on_after_its_commit() {
    let mut world = World::new();
    let invite = world.ringing();
    world.decide = Decide::Withhold;
    world.receive(caller(), cancel("1"));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.decide = Decide::Commit;
    world.commit_held();
    let sent = world.sent();
    assert_eq!(sent[0].summary(), "200 CANCEL > caller");
    assert_eq!(sent[1].summary(), "CANCEL > target0");
    let out = sent[1].message();
    assert_eq!(out.top_via().branch, invite.top_via().branch);
    assert_eq!(out.request_uri(), invite.request_uri());
    world.receive(target(0), response(&out, 200, ""));
    world.receive(target(0), response(&invite, 487, ""));
    assert_eq!(world.summaries(), ["ACK > target0", "487 INVITE > caller"]);
    let cdr = world.cdr();
    assert_eq!((cdr.disposition, cdr.hangup_by), (Disposition::Canceled, HangupBy::Caller));
}

#[test]
fn a_repeated_cancel_gets_its_200_again_and_nothing_else() {
    let mut world = World::new();
    world.ringing();
    world.receive(caller(), cancel("1"));
    let first = world.the("200 CANCEL > caller");
    world.receive(caller(), cancel("1"));
    assert_eq!(world.sent(), [first]);
}

#[test]
fn without_a_provisional_answer_the_cancel_waits_for_one() {
    let mut world = World::new();
    let invite = world.inviting();
    world.receive(caller(), cancel("1"));
    assert_eq!(world.summaries(), ["200 CANCEL > caller"]);
    world.pass(500);
    assert_eq!(world.summaries(), ["INVITE > target0"], "it goes on asking");
    world.receive(target(0), response(&invite, 100, ""));
    assert_eq!(world.summaries(), ["CANCEL > target0"]);
    world.receive(target(0), response(&invite, 180, ""));
    assert_eq!(world.summaries(), Vec::<String>::new(), "ringing is not relayed any more");
}

#[test]
fn a_2xx_that_comes_after_the_cancel_is_acknowledged_and_hung_up() {
    let mut world = World::new();
    let invite = world.ringing();
    world.decide = Decide::Withhold;
    world.receive(caller(), cancel("1"));
    world.receive(target(0), response(&invite, 200, SDP));
    world.decide = Decide::Commit;
    world.commit_held();
    let sent = world.sent();
    let lines: Vec<String> = sent.iter().map(Sent::summary).collect();
    assert_eq!(
        lines,
        ["200 CANCEL > caller", "ACK > target0", "BYE > target0", "487 INVITE > caller"]
    );
    assert!(world.record().end.as_ref().unwrap().late_answer.is_some());
    assert_eq!(world.cdr().disposition, Disposition::Canceled);
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(world.sent(), [sent[1].clone()], "only the ACK was lost");
}

#[test]
fn a_cancel_after_the_answer_gets_200_and_the_call_stays() {
    let mut world = World::new();
    let invite = world.ringing();
    world.decide = Decide::Withhold;
    world.receive(target(0), response(&invite, 200, SDP));
    world.receive(caller(), cancel("1"));
    world.decide = Decide::Commit;
    world.commit_held();
    assert_eq!(world.summaries(), ["200 INVITE > caller", "ACK > target0", "200 CANCEL > caller"]);
    assert_eq!(world.record().phase, Phase::Answered);
}

#[test]
fn without_a_final_answer_the_call_fails_64_t1_after_the_cancel() {
    let mut world = World::new();
    world.ringing();
    world.receive(caller(), cancel("1"));
    world.sent();
    world.pass(31_999);
    assert!(world.summaries().iter().all(|line| line == "CANCEL > target0"));
    world.pass(1);
    assert_eq!(world.summaries(), ["487 INVITE > caller"]);
    assert_eq!(world.cdr().disposition, Disposition::Canceled);
}

#[test]
fn a_cancel_of_an_unknown_invite_is_481() {
    let mut world = World::new();
    world.receive(caller(), cancel("9"));
    assert_eq!(world.summaries(), ["481 CANCEL > caller"]);
}

#[test]
fn a_bye_in_the_early_dialog_gives_the_call_up() {
    let mut world = World::new();
    let invite = world.inviting();
    world.receive(target(0), response(&invite, 180, ""));
    let ringing = world.the("180 INVITE > caller").message();
    world.receive(caller(), request_from_caller("BYE", 2, &ringing, ""));
    assert_eq!(world.summaries(), ["200 BYE > caller", "CANCEL > target0"]);
    world.receive(target(0), response(&invite, 487, ""));
    assert_eq!(world.summaries(), ["ACK > target0", "487 INVITE > caller"]);
    assert_eq!(world.cdr().disposition, Disposition::Canceled);
}

#[test]
fn a_cancel_that_overtakes_the_admissions_commit_waits_for_it() {
    let mut world = World::new();
    world.decide = Decide::Withhold;
    world.receive(caller(), invite("1"));
    world.receive(caller(), cancel("1"));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.decide = Decide::Commit;
    world.commit_held();
    assert_eq!(
        world.summaries(),
        ["100 INVITE > caller", "INVITE > target0", "200 CANCEL > caller"]
    );
}
