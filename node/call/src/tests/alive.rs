//! Far ends that are asked whether they are still there.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use holdline_model::{HangupBy, Transport};
use holdline_sip::message::Message;

use super::driver::*;
use crate::{Alive, Routing, Trunk, TrunkPolicy};

/// The carriers' ends are asked every minute; two that they miss end the call.
fn asking() -> Arc<Routing> {
    let alive = Alive { interval: Duration::from_secs(60), failures: NonZeroU16::new(2).unwrap() };
    let plain = routing_over(Transport::Udp);
    let trunks = plain.trunks().iter().cloned().map(|trunk| {
        let alive = (&*trunk.name != "pbx").then_some(alive);
        Trunk { policy: TrunkPolicy { alive, ..TrunkPolicy::default() }, ..trunk }
    });
    Arc::new(Routing::new(trunks.collect(), routes()).unwrap())
}

fn up() -> (World, Message, Message) {
    let mut world = World::new();
    world.engine.set_routing(asking());
    let (invite, ok) = world.up();
    (world, invite, ok)
}

#[test]
fn an_end_is_asked_once_an_interval_while_it_answers_whatever_it_answers() {
    let (mut world, invite, _) = up();
    for (number, status) in [(2, 200), (3, 405), (4, 501)] {
        world.pass(59_999);
        assert_eq!(world.summaries(), Vec::<String>::new());
        world.pass(1);
        let options = world.the("OPTIONS > target0").message();
        assert_eq!(options.cseq().number, number);
        assert_eq!((options.call_id(), options.to().tag), (invite.call_id(), Some("callee")));
        world.receive(target(0), response(&options, status, ""));
    }
    assert_eq!(world.engine.live_calls(), 1);
}

#[test]
fn nothing_is_asked_before_its_number_is_committed_and_later_requests_have_higher_ones() {
    let (mut world, _, ok) = up();
    world.receive(caller(), request_from_caller("INFO", 2, &ok, ""));
    let first = world.the("INFO > target0").message();
    world.receive(target(0), response(&first, 200, ""));
    world.sent();
    world.decide = Decide::Withhold;
    world.pass(60_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.commit_held();
    let options = world.the("OPTIONS > target0").message();
    assert_eq!((first.cseq().number, options.cseq().number), (2, 3));
    world.decide = Decide::Commit;
    world.receive(target(0), response(&options, 200, ""));
    world.take_over();
    world.receive(caller(), request_from_caller("INFO", 3, &ok, ""));
    assert_eq!(world.the("INFO > target0").message().cseq().number, 4);
    world.receive(caller(), request_from_caller("BYE", 4, &ok, ""));
    let sent = world.sent();
    let bye = sent.iter().find(|sent| sent.summary() == "BYE > target0").unwrap();
    assert!(bye.message().cseq().number > 4);
}

#[test]
fn what_comes_while_a_number_is_being_committed_waits_and_goes_out_with_a_higher_one() {
    let (mut world, _, ok) = up();
    world.decide = Decide::Withhold;
    world.pass(60_000);
    world.receive(caller(), request_from_caller("INFO", 2, &ok, ""));
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.decide = Decide::Commit;
    world.commit_held();
    let sent = world.sent();
    let numbers: Vec<_> =
        sent.iter().map(|sent| (sent.summary(), sent.message().cseq().number)).collect();
    let expected = [("OPTIONS > target0", 2), ("INFO > target0", 3)];
    assert_eq!(numbers, expected.map(|(what, number)| (what.to_owned(), number)));
}

#[test]
fn an_end_that_knows_the_call_no_longer_ends_it_at_once() {
    for status in [481, 408] {
        let (mut world, _, _) = up();
        world.pass(60_000);
        let options = world.the("OPTIONS > target0").message();
        world.receive(target(0), response(&options, status, ""));
        let sent = world.summaries();
        assert!(sent.contains(&"BYE > caller".to_owned()), "{sent:?}");
        assert_eq!(sent.contains(&"BYE > target0".to_owned()), status == 408);
        let cdr = world.cdr();
        assert_eq!((cdr.cause.status, cdr.hangup_by), (status, HangupBy::Switch));
        assert_eq!(&*cdr.cause.text, "the callee is gone");
    }
}

#[test]
fn an_end_that_misses_so_many_in_a_row_is_gone() {
    let (mut world, _, _) = up();
    world.pass(60_000 + 32_000);
    assert!(world.summaries().iter().all(|line| line == "OPTIONS > target0"));
    assert_eq!(world.engine.live_calls(), 1, "one may be lost");
    world.pass(60_000);
    world.sent();
    world.pass(31_999);
    assert!(!world.summaries().contains(&"BYE > caller".to_owned()));
    world.pass(1);
    assert!(world.summaries().contains(&"BYE > caller".to_owned()));
    assert_eq!(world.cdr().cause.status, 408);
}

#[test]
fn a_new_owner_asks_within_an_interval_after_all_repetitions_are_over() {
    let (mut world, _, _) = up();
    world.take_over_with(asking());
    world.pass(32_000);
    assert_eq!(world.summaries(), Vec::<String>::new());
    world.pass(60_000);
    let options = world.summaries();
    assert!(options.contains(&"OPTIONS > target0".to_owned()), "{options:?}");
}
