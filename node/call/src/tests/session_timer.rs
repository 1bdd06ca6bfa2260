//! Session timers in which the switch takes part, and none.

use std::time::Duration;

use holdline_model::SessionTimer;
use holdline_sip::message::Message;

use super::driver::*;

fn world(mode: SessionTimer) -> World {
    World::with(|options| {
        options.session_timer = mode;
        options.session_expires = Duration::from_secs(600);
        options.min_se = Duration::from_secs(120);
    })
}

/// The caller's INVITE, which knows of timers or not.
fn invite_with(knows: bool, fields: &str) -> String {
    let known = if knows { "100rel, timer, histinfo" } else { "100rel, histinfo" };
    let text = invite("1").replace("100rel, timer, histinfo", known);
    text.replace("X-Custom", &format!("{fields}X-Custom"))
}

fn answer(request: &Message, status: u16, fields: &str) -> String {
    let sdp = if status < 300 { SDP } else { "" };
    let text = String::from_utf8(response(request, status, sdp).to_vec()).unwrap();
    text.replacen("X-Callee", &format!("{fields}X-Callee"), 1)
}

fn none(message: &Message, name: &str) -> bool {
    values(message, name).is_empty()
}

const AGREED: &str = "Require: timer\r\nSession-Expires: 300;refresher=uas\r\n";

#[test]
fn a_callee_that_knows_of_timers_refreshes_for_a_caller_that_does_not() {
    let mut world = world(SessionTimer::Insert);
    world.receive(caller(), invite_with(false, ""));
    let out = world.the("INVITE > target0").message();
    assert_eq!(values(&out, "Session-Expires"), ["600;refresher=uas"]);
    assert_eq!(values(&out, "Min-SE"), ["120"]);
    assert!(values(&out, "Supported").contains(&"timer".to_owned()));
    world.receive(target(0), answer(&out, 200, AGREED));
    let ok = world.the("200 INVITE > caller").message();
    assert!(none(&ok, "Session-Expires") && none(&ok, "Require"));
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.pass(200_000);
    // Its refresh goes through, and the caller's 2xx gets what the caller cannot say.
    let fields = "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\nMax-Forwards";
    let refresh = request_from_callee("UPDATE", 5, &out).replace("Max-Forwards", fields);
    world.receive(target(0), refresh);
    let passed = world.the("UPDATE > caller").message();
    world.receive(caller(), response(&passed, 200, ""));
    let answer = world.the("200 UPDATE > target0").message();
    assert_eq!(values(&answer, "Session-Expires"), ["300;refresher=uac"]);
    assert_eq!(values(&answer, "Require"), ["timer"]);
    // It is committed: another node ends the call when nobody refreshes it any more.
    world.take_over();
    world.pass(299_000);
    assert_eq!(world.engine.live_calls(), 1);
    world.pass(1_000);
    assert_eq!(&*world.cdr().cause.text, "session expired");
}

#[test]
fn a_caller_that_knows_of_timers_refreshes_for_a_callee_that_does_not() {
    for (fields, seconds) in [("Session-Expires: 240\r\n", "240"), ("", "600")] {
        let mut world = world(SessionTimer::Insert);
        world.receive(caller(), invite_with(true, fields));
        let out = world.the("INVITE > target0").message();
        assert_eq!(values(&out, "Session-Expires"), [seconds]);
        world.receive(target(0), answer(&out, 200, ""));
        let ok = world.the("200 INVITE > caller").message();
        assert_eq!(values(&ok, "Session-Expires"), [format!("{seconds};refresher=uac")]);
        assert_eq!(values(&ok, "Require"), ["timer"]);
        let until = world.record().answer.as_ref().unwrap().session_by.unwrap();
        assert_eq!(until.since(world.now), seconds.parse::<u64>().unwrap() * 1_000);
        world.take_over();
        world.pass(5);
        let again = world.sent().into_iter().find(|sent| sent.summary() == "200 INVITE > caller");
        assert_eq!(again.unwrap().bytes, *ok.bytes(), "the next owner says the same");
    }
}

#[test]
fn where_neither_knows_of_timers_there_is_none() {
    let mut world = world(SessionTimer::Insert);
    world.receive(caller(), invite_with(false, ""));
    let out = world.the("INVITE > target0").message();
    world.receive(target(0), answer(&out, 200, ""));
    let ok = world.the("200 INVITE > caller").message();
    assert!(none(&ok, "Session-Expires"));
    assert_eq!(world.record().answer.as_ref().unwrap().session_by, None);
}

#[test]
fn a_callee_that_wants_a_longer_timer_is_asked_once_more_and_a_callers_own_422_is_relayed() {
    let mut asked = world(SessionTimer::Insert);
    asked.receive(caller(), invite_with(false, ""));
    let out = asked.the("INVITE > target0").message();
    asked.receive(target(0), answer(&out, 422, "Min-SE: 900\r\n"));
    let again = asked.the("INVITE > target0").message();
    assert_eq!(values(&again, "Session-Expires"), ["900;refresher=uas"]);
    assert_eq!((again.cseq().number, values(&again, "Min-SE")), (2, vec!["900".to_owned()]));
    asked.receive(target(0), answer(&again, 422, "Min-SE: 900\r\n"));
    asked.the("422 INVITE > caller");

    let mut relayed = world(SessionTimer::Insert);
    relayed.receive(caller(), invite_with(true, "Session-Expires: 240\r\n"));
    let out = relayed.the("INVITE > target0").message();
    relayed.receive(target(0), answer(&out, 422, "Min-SE: 900\r\n"));
    let refused = relayed.the("422 INVITE > caller").message();
    assert_eq!(values(&refused, "Min-SE"), ["900"]);
}

#[test]
fn a_caller_that_asks_for_too_short_a_timer_is_told_the_shortest() {
    let mut world = world(SessionTimer::Insert);
    world.receive(caller(), invite_with(true, "Session-Expires: 119\r\n"));
    let refused = world.the("422 INVITE > caller").message();
    assert_eq!(values(&refused, "Min-SE"), ["120"]);
    assert_eq!(world.proposed, 0);
}

#[test]
fn without_timers_nothing_is_said_of_them_on_either_side() {
    let mut world = world(SessionTimer::Off);
    world.receive(caller(), invite_with(true, "Session-Expires: 240\r\nMin-SE: 100\r\n"));
    let out = world.the("INVITE > target0").message();
    assert!(none(&out, "Session-Expires") && none(&out, "Min-SE"));
    assert_eq!(values(&out, "Supported"), ["100rel, histinfo"]);
    world.receive(target(0), answer(&out, 200, AGREED));
    let ok = world.the("200 INVITE > caller").message();
    assert!(none(&ok, "Session-Expires") && none(&ok, "Require"));
    assert_eq!(world.record().answer.as_ref().unwrap().session_by, None);
}

/// A call between two that do not know of timers.
fn untimed() -> (World, Message) {
    let mut world = world(SessionTimer::Insert);
    world.receive(caller(), invite_with(false, ""));
    let out = world.the("INVITE > target0").message();
    world.receive(target(0), answer(&out, 200, ""));
    let ok = world.the("200 INVITE > caller").message();
    world.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
    world.pass(1_000);
    world.sent();
    (world, ok)
}

/// What we ask when half of the time has passed.
fn asked(world: &mut World) -> Vec<Sent> {
    world.pass(290_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
    for _ in 0..110 {
        world.pass(100);
        let sent = world.sent();
        if !sent.is_empty() {
            return sent;
        }
    }
    panic!("nothing is asked");
}

/// What we send to one of the two.
fn to(sent: &[Sent], summary: &str) -> Message {
    sent.iter().find(|sent| sent.summary() == summary).unwrap().message()
}

#[test]
fn where_neither_knows_of_timers_both_are_told_that_the_session_goes_on() {
    let (mut world, _) = untimed();
    for _ in 0..3 {
        let sent = asked(&mut world);
        let summaries: Vec<String> = sent.iter().map(Sent::summary).collect();
        assert_eq!(summaries, ["UPDATE > caller", "UPDATE > target0"]);
        for (summary, peer) in [("UPDATE > caller", caller()), ("UPDATE > target0", target(0))] {
            let update = to(&sent, summary);
            assert_eq!(values(&update, "Session-Expires"), ["600;refresher=uac"]);
            assert!(update.contact_uri().is_some() && update.body().is_empty());
            let contact = format!("<sip:somebody@{peer}>");
            let ok = String::from_utf8(response(&update, 200, "").to_vec()).unwrap();
            let ok = ok.replace(&format!("<sip:bob@{}>", target(0)), &contact);
            world.receive(peer, ok);
        }
    }
    assert_eq!(world.engine.live_calls(), 1);
    let answer = world.record().answer.as_ref().unwrap();
    assert_eq!(answer.caller.remote_target, format!("sip:somebody@{}", caller()));
    assert_eq!(answer.callee.remote_target, format!("sip:somebody@{}", target(0)));
}

#[test]
fn a_side_that_does_not_know_update_is_asked_by_options_and_one_that_is_silent_ends_the_call() {
    let (mut world, _) = untimed();
    let sent = asked(&mut world);
    world.receive(caller(), response(&to(&sent, "UPDATE > caller"), 501, ""));
    world.receive(target(0), response(&to(&sent, "UPDATE > target0"), 405, ""));
    let sent = asked(&mut world);
    world.receive(target(0), response(&to(&sent, "OPTIONS > target0"), 200, ""));
    to(&sent, "OPTIONS > caller");
    world.pass(32_000);
    assert_eq!(&*world.cdr().cause.text, "the caller is gone");
}

#[test]
fn a_peer_that_agrees_upon_a_timer_later_refreshes_itself() {
    let (mut world, ok) = untimed();
    let fields = "Supported: timer\r\nSession-Expires: 400;refresher=uac\r\nMax-Forwards";
    let refresh = request_from_caller("UPDATE", 2, &ok, "").replace("Max-Forwards", fields);
    world.receive(caller(), refresh);
    let passed = world.the("UPDATE > target0").message();
    world.receive(target(0), response(&passed, 200, ""));
    world.the("200 UPDATE > caller");
    world.pass(399_000);
    assert_eq!(world.summaries(), Vec::<String>::new(), "we do not");
    // It no longer wants one: then it is ours again.
    let plain = request_from_caller("UPDATE", 3, &ok, "");
    world.receive(caller(), plain);
    let passed = world.the("UPDATE > target0").message();
    world.receive(target(0), response(&passed, 200, ""));
    world.sent();
    world.pass(300_000);
    let summaries = world.summaries();
    assert!(summaries.contains(&"UPDATE > caller".to_owned()), "{summaries:?}");
}
