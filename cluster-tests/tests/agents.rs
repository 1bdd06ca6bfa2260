//! The user agents against each other: they are the judges of the switch, so they are judged first.
//! Virtual time, a wire that loses what the test says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use holdline_cluster_tests::ua::{
    Anomaly, CalleeScript, CallerPlan, Datagram, Endpoint, Kind, Last, Ledger, Method, Order, Tell,
    Way, When,
};
use tokio::time::Instant;

const CALLER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const CALLEE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2);
const INVITE: Kind = Kind::Request(Method::Invite);
const ACK: Kind = Kind::Request(Method::Ack);
const BYE: Kind = Kind::Request(Method::Bye);

struct Pair {
    now: Instant,
    caller: (Endpoint, Ledger),
    callee: (Endpoint, Ledger),
    lose: Box<dyn FnMut(&str) -> bool>,
}

impl Pair {
    fn new(script: CalleeScript, plan: CallerPlan) -> Self {
        let now = Instant::now();
        let mut pair = Self {
            now,
            caller: (Endpoint::new(CALLER, 1), Ledger::default()),
            callee: (Endpoint::new(CALLEE, 2), Ledger::default()),
            lose: Box::new(|_| false),
        };
        let rule = Order::Script(String::new(), script);
        pair.callee.0.order(now, &mut pair.callee.1, rule);
        pair.caller.0.order(now, &mut pair.caller.1, Order::Place(plan));
        pair
    }

    /// Loses the first `count` datagrams that begin with `start`.
    fn losing(mut self, start: &'static str, mut count: usize) -> Self {
        self.lose = Box::new(move |text| {
            let hit = text.starts_with(start) && count > 0;
            count -= usize::from(hit);
            hit
        });
        self
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.deliver();
            let next = [&self.caller.0, &self.callee.0]
                .into_iter()
                .filter_map(Endpoint::next_deadline)
                .min();
            match next {
                Some(at) if at <= end => self.now = at.max(self.now),
                _ => break,
            }
            self.caller.0.tick(self.now, &mut self.caller.1);
            self.callee.0.tick(self.now, &mut self.callee.1);
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        let mut wire: VecDeque<(SocketAddr, Datagram)> = VecDeque::new();
        loop {
            wire.extend(std::iter::from_fn(|| self.caller.0.poll()).map(|d| (CALLER, d)));
            wire.extend(std::iter::from_fn(|| self.callee.0.poll()).map(|d| (CALLEE, d)));
            let Some((from, datagram)) = wire.pop_front() else { return };
            if (self.lose)(&String::from_utf8_lossy(&datagram.bytes)) {
                continue;
            }
            let side = if datagram.to == CALLEE { &mut self.callee } else { &mut self.caller };
            side.0.receive(self.now, &mut side.1, from, &datagram.bytes);
        }
    }

    fn tell_caller(&mut self, tell: Tell) {
        let order = Order::Tell("100".into(), tell);
        self.caller.0.order(self.now, &mut self.caller.1, order);
    }

    fn tell_callee(&mut self, tell: Tell) {
        let order = Order::Tell("100".into(), tell);
        self.callee.0.order(self.now, &mut self.callee.1, order);
    }

    fn assert_clean(&self) {
        for (_, ledger) in [&self.caller, &self.callee] {
            assert!(ledger.anomalies().is_empty(), "{:?}", ledger.anomalies());
            assert!(ledger.strays().is_empty(), "{:?}", ledger.strays());
        }
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn plan() -> CallerPlan {
    CallerPlan::hold("100", CALLEE)
}

#[test]
fn a_call_is_answered_held_and_hung_up_by_the_caller() {
    let script = CalleeScript::answer_after_ms(300);
    let mut pair = Pair::new(script, plan().hang_up_after_ms(1000));
    pair.run(secs(1));
    assert!(pair.caller.1.call("100").unwrap().up());
    assert!(pair.callee.1.call("100").unwrap().up());
    pair.run(secs(60));
    let (caller, callee) = (pair.caller.1.call("100").unwrap(), pair.callee.1.call("100").unwrap());
    assert!(caller.over && callee.over);
    assert_eq!((caller.count(Way::Sent, INVITE), caller.count(Way::Sent, BYE)), (1, 1));
    let talk = caller.sent(BYE).unwrap() - caller.sent(ACK).unwrap();
    assert_eq!(talk, secs(1));
    pair.assert_clean();
}

#[test]
fn every_message_may_be_lost_twice() {
    for start in ["INVITE", "SIP/2.0 100", "SIP/2.0 180", "SIP/2.0 200", "ACK", "BYE"] {
        let script = CalleeScript::answer_after_ms(300);
        let mut pair = Pair::new(script, plan().hang_up_after_ms(10_000)).losing(start, 2);
        pair.run(secs(90));
        let caller = pair.caller.1.call("100").unwrap();
        assert!(caller.over && pair.callee.1.call("100").unwrap().over, "{start}");
        assert_eq!(caller.final_status(), Some(200), "{start}");
        pair.assert_clean();
    }
}

#[test]
fn the_callee_hangs_up() {
    let script = CalleeScript { hang_up: When::ms(2000), ..CalleeScript::answer_after_ms(100) };
    let mut pair = Pair::new(script, plan()).losing("BYE", 3);
    pair.run(secs(60));
    assert!(pair.caller.1.call("100").unwrap().over);
    assert_eq!(pair.callee.1.call("100").unwrap().count(Way::Sent, BYE), 4);
    pair.assert_clean();
}

#[test]
fn the_2xx_is_resent_until_an_ack_withheld_is_sent() {
    let script = CalleeScript::answer_after_ms(0);
    let mut pair = Pair::new(script, CallerPlan { ack: When::Told, ..plan() });
    pair.run(secs(4));
    let answered = Kind::Response(200, Method::Invite);
    assert_eq!(pair.callee.1.call("100").unwrap().count(Way::Sent, answered), 4);
    pair.tell_caller(Tell::Ack);
    pair.run(secs(40));
    assert_eq!(pair.callee.1.call("100").unwrap().count(Way::Sent, answered), 4);
    assert!(pair.caller.1.call("100").unwrap().up());
    pair.assert_clean();
}

#[test]
fn without_an_ack_the_callee_gives_up_after_32_s() {
    let script = CalleeScript::answer_after_ms(0);
    let mut pair = Pair::new(script, CallerPlan { ack: When::Told, ..plan() });
    pair.run(secs(40));
    let callee = pair.callee.1.call("100").unwrap();
    assert_eq!(callee.anomalies, [Anomaly::NoAck]);
    assert!(callee.over && pair.caller.1.call("100").unwrap().over);
}

#[test]
fn refusals_are_acked_within_the_transaction() {
    for status in [486, 503] {
        let mut pair = Pair::new(CalleeScript::refuse(status), plan()).losing("ACK", 2);
        pair.run(secs(60));
        assert_eq!(pair.caller.1.call("100").unwrap().final_status(), Some(status));
        assert!(pair.callee.1.call("100").unwrap().over);
        pair.assert_clean();
    }
}

#[test]
fn a_cancel_waits_for_the_first_answer_and_ends_the_call() {
    let mut pair = Pair::new(CalleeScript::wait(), plan()).losing("SIP/2.0 100", 1);
    pair.tell_caller(Tell::Cancel);
    pair.run(Duration::from_millis(100));
    assert!(pair.caller.1.call("100").unwrap().sent(Kind::Request(Method::Cancel)).is_none());
    pair.run(secs(60));
    assert_eq!(pair.caller.1.call("100").unwrap().final_status(), Some(487));
    assert!(pair.callee.1.call("100").unwrap().over);
    pair.assert_clean();
}

#[test]
fn a_cancel_that_crosses_the_2xx_becomes_a_bye() {
    let mut pair = Pair::new(CalleeScript::ring_only(), plan());
    pair.run(secs(1));
    pair.lose = Box::new(|text| text.starts_with("CANCEL"));
    pair.tell_caller(Tell::Cancel);
    pair.tell_callee(Tell::Answer);
    pair.run(secs(60));
    let caller = pair.caller.1.call("100").unwrap();
    assert_eq!(caller.final_status(), Some(200));
    assert!(caller.sent(BYE).is_some() && pair.callee.1.call("100").unwrap().over);
    assert_eq!(caller.anomalies, [Anomaly::Unanswered(Method::Cancel)]);
}

#[test]
fn nobody_there_is_noticed_after_32_s() {
    let mut pair = Pair::new(CalleeScript::silent(), plan());
    pair.run(secs(31));
    assert!(!pair.caller.1.call("100").unwrap().over);
    pair.run(secs(2));
    let caller = pair.caller.1.call("100").unwrap();
    assert_eq!((caller.count(Way::Sent, INVITE), caller.over), (7, true));
    assert_eq!(caller.anomalies, [Anomaly::Unanswered(Method::Invite)]);
}

#[test]
fn early_media_and_a_late_offer_carry_sdp() {
    let script = CalleeScript { early_media: true, ..CalleeScript::answer_after_ms(200) };
    let late = CallerPlan { late_offer: true, ..plan() }.hang_up_after_ms(100);
    let mut pair = Pair::new(script, late);
    pair.run(secs(40));
    let caller = pair.caller.1.call("100").unwrap();
    assert!(caller.received(Kind::Response(183, Method::Invite)).is_some());
    assert!(caller.over);
    pair.assert_clean();
}

#[test]
fn a_refusal_may_come_after_ringing() {
    let script =
        CalleeScript { last: Last::Refuse(486, When::ms(500)), ..CalleeScript::ring_only() };
    let mut pair = Pair::new(script, plan());
    pair.run(secs(40));
    let caller = pair.caller.1.call("100").unwrap();
    assert!(caller.rang() && caller.over);
    assert_eq!(caller.final_status(), Some(486));
    pair.assert_clean();
}

#[test]
fn orders_given_before_the_invite_are_obeyed_after_it() {
    let now = Instant::now();
    let mut pair = Pair::new(CalleeScript::wait(), plan());
    pair.callee.0.order(now, &mut pair.callee.1, Order::Tell("100".into(), Tell::Ring));
    pair.callee.0.order(now, &mut pair.callee.1, Order::Tell("100".into(), Tell::Answer));
    pair.run(secs(1));
    assert!(pair.caller.1.call("100").unwrap().up());
    pair.assert_clean();
}

/// What the switch must never do is seen if it does it.
#[test]
fn wrong_repetitions_are_noticed() {
    let mut pair = Pair::new(CalleeScript::ring_only(), plan());
    let invite = pair.caller.0.poll().unwrap().bytes;
    let text = String::from_utf8(invite.to_vec()).unwrap();
    let branch = text.split("branch=").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    for variant in [
        text.clone(),
        text.replace("Max-Forwards: 70", "Max-Forwards: 69"),
        text.replace(&branch, "z9hG4bKother"),
    ] {
        let (endpoint, ledger) = &mut pair.callee;
        endpoint.receive(pair.now, ledger, CALLER, &Bytes::from(variant));
    }
    let anomalies = &pair.callee.1.call("100").unwrap().anomalies;
    assert_eq!(*anomalies, [Anomaly::Altered(INVITE), Anomaly::SecondInvite]);
}

#[test]
fn requests_for_unknown_calls_get_481_and_are_strays() {
    let script = CalleeScript::answer_after_ms(0);
    let mut pair = Pair::new(script, plan().hang_up_after_ms(1000));
    pair.run(Duration::from_millis(500));
    pair.callee = (Endpoint::new(CALLEE, 3), Ledger::default());
    pair.run(secs(60));
    let caller = pair.caller.1.call("100").unwrap();
    assert_eq!(caller.anomalies, [Anomaly::DoesNotExist(Method::Bye)]);
    assert_eq!(pair.callee.1.strays().len(), 1);
}
