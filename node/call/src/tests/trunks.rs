//! What an engine makes of the state of trunks, and what it tells about them.

use std::sync::Arc;

use holdline_model::{Millis, Name};

use super::driver::*;
use crate::routing::{Route, Routing, TrunkGroup, WhenDown};
use crate::{
    Emergency, Event, Gate, GroupMember, Heard, Input, Policy, Refusal, Standing, TrunkHealth,
    TrunkNews, TrunkView,
};

fn view(gates: [(&str, Gate); 2]) -> Input {
    let health = |gate| TrunkHealth {
        gate,
        standing: Standing::Active,
        prober: None,
        latency_ms: None,
        calls: 0,
    };
    let trunks = gates.into_iter().map(|(name, gate)| (Name::from(name), health(gate)));
    Input::Trunks(Arc::new(TrunkView { trunks: trunks.collect(), ..TrunkView::default() }))
}

const SHUT: Gate = Gate::Shut { until: Some(Millis(u64::MAX)) };

fn news(world: &World) -> Vec<(String, Heard)> {
    let told = world.events.iter().filter_map(|event| {
        let Event::Trunk(TrunkNews { trunk, heard, .. }) = event else { return None };
        Some((trunk.to_string(), *heard))
    });
    told.collect()
}

#[test]
fn the_order_of_targets_is_written_into_the_admission() {
    let mut world = World::new();
    world.input(view([("carrier-a", SHUT), ("carrier-b", Gate::Open)]));
    world.receive(caller(), invite_to("1", "+49", SDP));
    world.the("INVITE > target1");
    let targets: Vec<_> = world.record().targets.iter().map(|t| t.trunk.to_string()).collect();
    assert_eq!(targets, ["carrier-b"]);
}

#[test]
fn a_new_owner_goes_on_with_the_committed_order_whatever_it_knows_of_the_trunks() {
    let mut world = World::new();
    world.receive(caller(), invite_to("1", "+49", SDP));
    let first = world.the("INVITE > target0").message();
    world.take_over();
    world.input(view([("carrier-a", Gate::Open), ("carrier-b", SHUT)]));
    world.pass(1_000);
    assert!(world.summaries().contains(&"INVITE > target0".to_owned()), "the same INVITE again");
    world.receive(target(0), response(&first, 503, ""));
    assert_eq!(world.summaries(), ["ACK > target0", "INVITE > target1"]);
}

/// Calls go to a group of both trunks that refuses when none is usable, and both are shut.
fn shut_group(world: &mut World) {
    let trunks = world.engine.routing.trunks().to_vec();
    let members = ["carrier-a", "carrier-b"].map(|trunk| GroupMember {
        trunk: trunk.into(),
        weight: std::num::NonZeroU16::MIN,
        priority: 1,
    });
    let group = TrunkGroup {
        name: "out".into(),
        policy: Policy::RoundRobin,
        members: members.into(),
        when_down: WhenDown::Refuse,
    };
    let route = Route { group: Some("out".into()), ..Route::default() };
    let routing = Routing::with_groups(trunks, vec![group], vec![route]).unwrap();
    world.engine.set_routing(Arc::new(routing));
    let until = Gate::Shut { until: Some(world.now.plus_ms(7_000)) };
    world.input(view([("carrier-a", until), ("carrier-b", SHUT)]));
}

#[test]
fn when_no_trunk_is_usable_the_call_is_refused_with_the_time_until_one_is() {
    let mut world = World::new();
    shut_group(&mut world);
    world.receive(caller(), invite_to("1", "+49", SDP));
    let answer = world.the("503 INVITE > caller").message();
    assert_eq!(values(&answer, "Retry-After"), ["7"]);
    assert!(world.events.contains(&Event::Refused { reason: Refusal::TrunksDown }));
    assert_eq!((world.proposed, world.engine.live_calls()), (0, 0), "no state");
}

/// One number, as the limits in force have it.
#[derive(Debug)]
struct Numbers(&'static str);

impl Emergency for Numbers {
    fn matches(&self, request_uri: &str) -> bool {
        request_uri.starts_with(self.0)
    }
}

#[test]
fn a_call_of_emergency_tries_trunks_that_are_shut_but_none_that_is_disabled() {
    let mut world = World::new();
    world.engine.emergency = Arc::new(Numbers("sip:112@"));
    shut_group(&mut world);
    world.receive(caller(), invite_to("1", "113", SDP));
    assert_eq!(world.summaries(), ["503 INVITE > caller"]);
    world.receive(caller(), invite_to("2", "112", SDP));
    let sent = world.summaries();
    assert_eq!(sent[0], "100 INVITE > caller");
    assert!(sent[1].starts_with("INVITE > target"), "{sent:?}");
    assert_eq!(world.record().targets.len(), 2);
    world.input(view([("carrier-a", Gate::Disabled), ("carrier-b", Gate::Disabled)]));
    world.receive(caller(), invite_to("3", "112", SDP));
    assert_eq!(world.summaries(), ["503 INVITE > caller"]);
}

#[test]
fn the_first_answer_tells_the_latency_and_the_first_real_one_that_it_works() {
    let mut world = World::new();
    let invite = world.inviting();
    world.pass(40);
    world.receive(target(0), response(&invite, 100, ""));
    assert_eq!(news(&world), [("carrier-a".to_owned(), Heard::First { after_ms: 40 })]);
    world.receive(target(0), response(&invite, 180, ""));
    world.receive(target(0), response(&invite, 180, ""));
    world.receive(target(0), response(&invite, 200, SDP));
    assert_eq!(news(&world)[1..], [("carrier-a".to_owned(), Heard::Progress)]);
}

#[test]
fn a_503_tells_its_retry_after_even_from_a_trunk_that_rang() {
    let mut world = World::new();
    let invite = world.inviting();
    world.receive(target(0), response(&invite, 180, ""));
    let busy = response(&invite, 503, "");
    let text = String::from_utf8(busy.to_vec()).unwrap();
    let text = text.replacen("\r\n", "\r\nRetry-After: 18 (overloaded);duration=60\r\n", 1);
    world.receive(target(0), text);
    let failed = Heard::Failed { status: 503, retry_after_s: Some(18) };
    assert_eq!(news(&world).last(), Some(&("carrier-a".to_owned(), failed)));
}

#[test]
fn silence_is_told_and_a_takeover_measures_no_latency() {
    let mut world = World::new();
    world.receive(caller(), invite_to("1", "+49", SDP));
    world.pass(32_000);
    assert_eq!(news(&world), [("carrier-a".to_owned(), Heard::Silent)]);
    let second = world.the("INVITE > target1").message();
    world.take_over();
    world.events.clear();
    world.receive(target(1), response(&second, 180, ""));
    assert_eq!(news(&world), [("carrier-b".to_owned(), Heard::Progress)]);
}

#[test]
fn calls_are_counted_where_they_are_and_a_new_owner_counts_the_same() {
    let mut world = World::new();
    world.receive(caller(), invite_to("1", "+49", SDP));
    let counts = |world: &mut World| {
        let counts = world.engine.take_trunk_calls().cloned();
        counts.map(|counts| counts.into_iter().map(|(k, n)| (k.to_string(), n)).collect::<Vec<_>>())
    };
    assert_eq!(counts(&mut world), Some(vec![("carrier-a".to_owned(), 1)]));
    assert_eq!(counts(&mut world), None, "nothing has changed");
    let first = world.the("INVITE > target0").message();
    world.receive(target(0), response(&first, 503, ""));
    assert_eq!(counts(&mut world), Some(vec![("carrier-b".to_owned(), 1)]));
    let second = world.the("INVITE > target1").message();
    world.take_over();
    assert_eq!(counts(&mut world), Some(vec![("carrier-b".to_owned(), 1)]));
    world.receive(target(1), response(&second, 486, ""));
    assert_eq!(counts(&mut world), Some(vec![]), "a tombstone is no call");
}
