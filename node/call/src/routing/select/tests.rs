use std::num::NonZeroU16;

use holdline_model::Transport;

use super::*;
use crate::routing::{GroupMember, Route, TrunkGroup};
use crate::trunks::{Standing, Trials, TrunkHealth};

fn trunk(name: &str, last: u8) -> Trunk {
    Trunk {
        name: name.into(),
        tenant: "acme".into(),
        address: SocketAddr::from(([10, 0, 0, last], 5060)).into(),
        transport: Transport::Udp,
        proxy: None,
        sources: vec![],
        policy: Default::default(),
    }
}

fn member(trunk: &str, weight: u16, priority: u16) -> GroupMember {
    GroupMember { trunk: trunk.into(), weight: NonZeroU16::new(weight).unwrap(), priority }
}

/// Two trunks at first, one to fall back upon; emergency calls by the same trunks.
fn routing(policy: Policy, when_down: WhenDown) -> Routing {
    let trunks = vec![trunk("a", 1), trunk("b", 2), trunk("spare", 3)];
    let members = vec![member("spare", 1, 2), member("a", 1, 1), member("b", 1, 1)];
    let group = TrunkGroup { name: "out".into(), policy, members, when_down };
    let route = |prefix: &str, emergency| Route {
        prefix: prefix.into(),
        group: Some("out".into()),
        emergency,
        ..Route::default()
    };
    Routing::with_groups(trunks, vec![group], vec![route("", false), route("112", true)]).unwrap()
}

fn view(gates: &[(&str, Gate)]) -> Arc<TrunkView> {
    let health = |gate: &Gate| TrunkHealth {
        gate: gate.clone(),
        standing: Standing::Active,
        prober: None,
        latency_ms: None,
        calls: 0,
    };
    let trunks = gates.iter().map(|(name, gate)| (Name::from(*name), health(gate)));
    Arc::new(TrunkView { trunks: trunks.collect(), ..TrunkView::default() })
}

fn selector(gates: &[(&str, Gate)]) -> Selector {
    let mut selector = Selector::new(0);
    selector.set_view(view(gates));
    selector
}

fn ask(uri: &str) -> Ask<'_> {
    Ask {
        uri,
        call_id: "x",
        source: [192, 0, 2, 1].into(),
        local: ([10, 1, 0, 1], 5060).into(),
        is_emergency: false,
    }
}

fn chosen(selector: &mut Selector, routing: &Routing, ask: &Ask<'_>) -> String {
    match selector.choose(routing, &crate::NoNames, ask) {
        Choice::Targets(targets) => {
            targets.iter().map(|target| target.trunk.as_str()).collect::<Vec<_>>().join(" ")
        }
        Choice::NoRoute => "no route".to_owned(),
        Choice::AllDown { until } => format!("down until {:?}", until.map(|at| at.0)),
    }
}

const SHUT: Gate = Gate::Shut { until: Some(Millis(900)) };

#[test]
fn priorities_come_in_order_whatever_the_order_of_writing() {
    let routing = routing(Policy::InOrder, WhenDown::Try);
    assert_eq!(chosen(&mut selector(&[]), &routing, &ask("sip:1@h")), "a b spare");
}

#[test]
fn a_trunk_that_is_down_is_left_out_while_another_is_usable() {
    let routing = routing(Policy::InOrder, WhenDown::Try);
    for (down, want) in [(&["a"][..], "b spare"), (&["a", "b"], "spare"), (&["spare"], "a b")] {
        let gates: Vec<_> = down.iter().map(|name| (*name, SHUT)).collect();
        assert_eq!(chosen(&mut selector(&gates), &routing, &ask("sip:1@h")), want);
    }
}

#[test]
fn when_all_are_down_they_are_tried_or_the_call_is_refused() {
    let gates = [("a", SHUT), ("b", Gate::Shut { until: Some(Millis(700)) }), ("spare", SHUT)];
    let try_all = routing(Policy::InOrder, WhenDown::Try);
    assert_eq!(chosen(&mut selector(&gates), &try_all, &ask("sip:1@h")), "a b spare");
    let refuse = routing(Policy::InOrder, WhenDown::Refuse);
    let down = "down until Some(700)";
    assert_eq!(chosen(&mut selector(&gates), &refuse, &ask("sip:1@h")), down);
}

#[test]
fn an_emergency_call_tries_trunks_that_are_down_after_the_others() {
    let routing = routing(Policy::InOrder, WhenDown::Refuse);
    let mut all_down = selector(&[("a", SHUT), ("b", SHUT), ("spare", SHUT)]);
    assert_eq!(chosen(&mut all_down, &routing, &ask("sip:112@h")), "a b spare");
    let flagged = Ask { is_emergency: true, ..ask("sip:1@h") };
    assert_eq!(chosen(&mut selector(&[("a", SHUT)]), &routing, &flagged), "b spare a");
}

#[test]
fn nobody_calls_a_disabled_trunk() {
    let routing = routing(Policy::InOrder, WhenDown::Try);
    let off = Gate::Disabled;
    let mut some = selector(&[("a", off.clone())]);
    assert_eq!(chosen(&mut some, &routing, &ask("sip:112@h")), "b spare");
    let mut none = selector(&[("a", off.clone()), ("b", off.clone()), ("spare", off)]);
    assert_eq!(chosen(&mut none, &routing, &ask("sip:112@h")), "down until None");
}

#[test]
fn a_trial_is_made_once_and_only_by_a_call_that_tries_the_trunk_first() {
    let routing = routing(Policy::InOrder, WhenDown::Try);
    let trials = Trials::new(1);
    let mut first = selector(&[("a", Gate::Trial(trials.clone()))]);
    assert_eq!(chosen(&mut first, &routing, &ask("sip:1@h")), "a b spare");
    assert_eq!(chosen(&mut first, &routing, &ask("sip:1@h")), "b spare", "the trial is taken");
    assert!(!trials.has_any());
    let trials = Trials::new(1);
    let mut second = selector(&[("b", Gate::Trial(trials.clone()))]);
    assert_eq!(chosen(&mut second, &routing, &ask("sip:1@h")), "a spare");
    assert!(trials.has_any(), "b would not have been tried for certain");
}

#[test]
fn calls_given_since_they_were_counted_count() {
    let routing = routing(Policy::LeastCalls, WhenDown::Try);
    let mut selector = Selector::new(0);
    let mut counted = view(&[("a", Gate::Open), ("b", Gate::Open)]);
    Arc::make_mut(&mut counted).trunks.get_mut(&Name::from("a")).unwrap().calls = 3;
    selector.set_view(counted.clone());
    let mut first = || chosen(&mut selector, &routing, &ask("sip:1@h"))[..1].to_owned();
    assert_eq!([first(), first(), first()], ["b", "b", "b"]);
    let fourth = [first(), first()];
    assert!(fourth.contains(&"a".to_owned()) && fourth.contains(&"b".to_owned()));
    selector.set_view(counted);
    assert_eq!(chosen(&mut selector, &routing, &ask("sip:1@h")), "b a spare");
}

#[test]
fn a_hash_leads_the_same_to_the_same() {
    for (over, other) in [
        (HashOver::CallId, Ask { call_id: "y", ..ask("sip:1@h") }),
        (HashOver::Source, Ask { source: [192, 0, 2, 9].into(), ..ask("sip:1@h") }),
        (HashOver::User, ask("sip:2@h")),
    ] {
        let routing = routing(Policy::Hash(over), WhenDown::Try);
        let mut selector = selector(&[]);
        let first = chosen(&mut selector, &routing, &ask("sip:1@h"));
        assert_eq!(chosen(&mut selector, &routing, &ask("sip:1@h")), first);
        assert_eq!(chosen(&mut selector, &routing, &other).len(), first.len());
    }
}

#[test]
fn what_no_route_leads_to_has_no_trunk() {
    let routing = routing(Policy::InOrder, WhenDown::Refuse);
    assert_eq!(chosen(&mut selector(&[]), &routing, &ask("urn:service:sos")), "no route");
}
