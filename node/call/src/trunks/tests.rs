//! Inputs and outputs of the keeper of the trunks, on virtual time.

use holdline_sip::message::{Message, Method};

use super::*;

const ME: NodeId = NodeId(1);
const NEIGHBOUR: NodeId = NodeId(2);

struct Bench {
    trunks: Trunks,
    now: Millis,
    view: Arc<TrunkView>,
    said: Vec<(Name, TrunkReport)>,
    sent: Vec<(SocketAddr, SocketAddr, Message)>,
    events: Vec<TrunkEvent>,
}

fn local() -> SocketAddr {
    ([10, 0, 0, 1], 5060).into()
}

fn carrier() -> SocketAddr {
    ([192, 0, 2, 7], 5060).into()
}

impl Bench {
    /// One probed trunk, one that is not, and this node alone at its site.
    fn new() -> Self {
        let watched = |name: &str, is_probed| WatchedTrunk {
            name: name.into(),
            address: carrier().into(),
            transport: Transport::Udp,
            is_probed,
        };
        let trunks = vec![watched("a", true), watched("b", false)];
        let mut bench = Self {
            trunks: Trunks::new(ME, TrunkOptions::default(), trunks, 5),
            now: Millis(100_000),
            view: Arc::default(),
            said: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
        };
        bench.feed(TrunkInput::Addresses(vec![([0, 0, 0, 0, 0, 0, 0, 1], 5060).into(), local()]));
        bench.feed(TrunkInput::Cluster(ClusterSays {
            askers: [ME].into(),
            ..ClusterSays::default()
        }));
        bench
    }

    fn feed(&mut self, input: TrunkInput) {
        self.trunks.handle(self.now, input);
        while let Some(output) = self.trunks.poll() {
            match output {
                TrunkOutput::Send { hop, bytes } => {
                    self.sent.push((hop.local, hop.peer, Message::parse(bytes).unwrap()));
                }
                TrunkOutput::View(view) => self.view = view,
                TrunkOutput::Say(trunk, report) => self.said.push((trunk, report)),
                TrunkOutput::Event(event) => self.events.push(event),
            }
        }
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some(due) = self.trunks.next_timer().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.feed(TrunkInput::Tick);
        }
        self.now = end;
        self.feed(TrunkInput::Tick);
    }

    fn news(&mut self, heard: Heard) {
        let (trunk, tried_at) = ("b".into(), self.now);
        self.feed(TrunkInput::News(TrunkNews { trunk, tried_at, peer: carrier(), heard }));
    }

    fn answer_last(&mut self, status: u16) {
        let (_, _, message) = self.sent.last().unwrap();
        let id = ProbeId::from_branch(message.top_via().branch.unwrap()).unwrap();
        self.feed(TrunkInput::Answer { number: id.number, status });
    }

    fn health(&self, trunk: &str) -> &TrunkHealth {
        &self.view.trunks[&Name::from(trunk)]
    }
}

fn report(standing: Standing, open_until: Option<Millis>) -> TrunkReport {
    TrunkReport { standing, open_until, latency_ms: Some(33), calls: 4 }
}

/// What a neighbour says of both trunks; it asks if `askers` says so.
fn neighbour_says(askers: &[NodeId], report: TrunkReport) -> TrunkInput {
    let said = ["a", "b"].map(|trunk| (trunk.into(), report));
    TrunkInput::Cluster(ClusterSays {
        askers: askers.iter().copied().collect(),
        reports: [(NEIGHBOUR, said.into())].into(),
        neighbours: [ME, NEIGHBOUR].into(),
    })
}

#[test]
fn a_probe_is_an_options_from_our_address_of_the_same_family() {
    let mut bench = Bench::new();
    bench.pass(2_000);
    let (from, to, message) = bench.sent.first().unwrap();
    assert_eq!((*from, *to), (local(), carrier()));
    assert_eq!(message.method(), &Method::Options);
    assert_eq!(message.request_uri(), Some("sip:192.0.2.7:5060"));
    assert_eq!(message.max_forwards(), Some(70));
    assert!(message.to().tag.is_none() && message.from().tag.is_some());
}

#[test]
fn only_probed_trunks_are_asked_and_their_latency_is_measured() {
    let mut bench = Bench::new();
    bench.pass(2_000);
    let asked = bench.sent.len();
    bench.answer_last(200);
    bench.pass(1_000);
    assert_eq!(bench.sent.len(), asked, "answered: not resent, and nobody else is asked");
    assert!(bench.health("a").latency_ms.is_some());
    assert_eq!(bench.health("b").prober, None);
    assert_eq!(bench.health("b").latency_ms, None);
}

#[test]
fn a_trunk_that_is_silent_is_shut_and_said_so_at_once() {
    let mut bench = Bench::new();
    bench.pass(60_000);
    assert_eq!(bench.health("a").gate, Gate::Shut { until: None });
    assert_eq!(bench.health("a").standing, Standing::Greylisted);
    let said = bench.said.iter().filter(|(trunk, _)| trunk.as_str() == "a");
    let standings: Vec<_> = said.map(|(_, report)| report.standing).collect();
    assert_eq!(standings, [Standing::Active, Standing::Probing, Standing::Greylisted]);
    let gated = TrunkEvent::Gated { trunk: "a".into(), gate: Gate::Shut { until: None } };
    assert!(bench.events.contains(&gated));
}

#[test]
fn without_an_address_nothing_is_sent_and_nothing_is_held_against_the_trunk() {
    let mut bench = Bench::new();
    bench.feed(TrunkInput::Addresses(Vec::new()));
    bench.pass(600_000);
    assert!(bench.sent.is_empty());
    assert_eq!(bench.health("a").standing, Standing::Active);
    bench.feed(TrunkInput::Addresses(vec![local()]));
    bench.pass(2_000);
    assert!(!bench.sent.is_empty(), "it asks again when it can");
}

#[test]
fn one_node_of_the_site_asks_and_the_other_believes_it() {
    let mut bench = Bench::new();
    let grey = report(Standing::Greylisted, None);
    bench.feed(neighbour_says(&[NEIGHBOUR], grey));
    bench.pass(60_000);
    assert!(bench.sent.is_empty());
    let health = bench.health("a");
    assert_eq!(health.prober, Some(NEIGHBOUR));
    assert_eq!(health.standing, Standing::Greylisted);
    assert_eq!(health.latency_ms, Some(33));
    assert_eq!(bench.health("b").standing, Standing::Active, "nobody probes it");
    // The neighbour dies: we ask, and what it found out holds until we know better.
    bench.feed(TrunkInput::Cluster(ClusterSays { askers: [ME].into(), ..ClusterSays::default() }));
    bench.pass(2_000);
    assert!(!bench.sent.is_empty());
    assert_eq!(bench.health("a").standing, Standing::Greylisted);
    bench.answer_last(200);
    bench.pass(3_000);
    bench.answer_last(200);
    bench.pass(250);
    assert_eq!(bench.health("a").standing, Standing::Active);
}

#[test]
fn each_trunk_has_one_asker_and_only_those_of_a_lost_node_move() {
    let says = |askers: &[u64]| ClusterSays {
        askers: askers.iter().copied().map(NodeId).collect(),
        ..ClusterSays::default()
    };
    let asker = |trunk: &str, says: &ClusterSays| {
        let of = |me| {
            let (name, address, transport) = (trunk.into(), carrier().into(), Transport::Udp);
            let watched = WatchedTrunk { name, address, transport, is_probed: true };
            let mut trunks = Trunks::new(NodeId(me), TrunkOptions::default(), vec![watched], me);
            trunks.handle(Millis(0), TrunkInput::Cluster(says.clone()));
            trunks.view().trunks[&Name::from(trunk)].prober.unwrap()
        };
        let found: BTreeSet<NodeId> = (1..=3).map(of).collect();
        assert_eq!(found.len(), 1, "all nodes agree");
        found.into_iter().next().unwrap()
    };
    let (all, fewer) = (says(&[1, 2, 3]), says(&[1, 3]));
    let mut of: BTreeMap<NodeId, u32> = BTreeMap::new();
    for name in (0..300).map(|n| format!("trunk-{n}")) {
        let (before, after) = (asker(&name, &all), asker(&name, &fewer));
        *of.entry(before).or_default() += 1;
        assert!(before == NodeId(2) || before == after, "{name} moved from {before} to {after}");
    }
    assert!(of.values().all(|count| (60..140).contains(count)), "{of:?}");
}

#[test]
fn failing_calls_shut_a_trunk_at_once_and_trials_follow() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.news(Heard::Failed { status: 503, retry_after_s: None });
    }
    assert!(matches!(bench.health("b").gate, Gate::Shut { until: Some(_) }));
    let (trunk, said) = bench.said.last().unwrap();
    assert_eq!(trunk.as_str(), "b");
    assert!(said.open_until.is_some());
    bench.pass(13_000);
    assert!(matches!(bench.health("b").gate, Gate::Trial(_)));
    bench.news(Heard::Progress);
    assert_eq!(bench.health("b").gate, Gate::Open);
    let failures = bench.events.iter().filter(|e| matches!(e, TrunkEvent::Failed { .. }));
    assert_eq!(failures.count(), 5);
}

#[test]
fn a_neighbours_breaker_shuts_ours() {
    let mut bench = Bench::new();
    let until = bench.now.plus_ms(9_000);
    bench.feed(neighbour_says(&[ME], report(Standing::Active, Some(until))));
    assert_eq!(bench.health("b").gate, Gate::Shut { until: Some(until) });
    bench.pass(9_000);
    assert!(matches!(bench.health("b").gate, Gate::Trial(_)));
}

#[test]
fn a_node_of_another_site_shuts_nothing_here() {
    let mut bench = Bench::new();
    let far = report(Standing::Greylisted, Some(bench.now.plus_ms(9_000)));
    bench.feed(TrunkInput::Cluster(ClusterSays {
        askers: [ME].into(),
        reports: [(NodeId(9), [("a".into(), far), ("b".into(), far)].into())].into(),
        neighbours: [ME].into(),
    }));
    bench.pass(250);
    assert_eq!(bench.health("b").gate, Gate::Open);
    assert_eq!(bench.health("b").calls, 4, "but its calls count");
}

#[test]
fn calls_of_all_nodes_are_added_up() {
    let mut bench = Bench::new();
    bench.feed(neighbour_says(&[ME], report(Standing::Active, None)));
    bench.feed(TrunkInput::Calls([("b".into(), 7)].into()));
    bench.pass(1_000);
    assert_eq!(bench.health("b").calls, 11);
    assert_eq!(bench.said.last().map(|(_, report)| report.calls), Some(7), "each says its own");
}

#[test]
fn an_administrators_word_goes_above_all() {
    let mut bench = Bench::new();
    bench.feed(TrunkInput::Disabled(["b".into()].into()));
    assert_eq!(bench.health("b").gate, Gate::Disabled);
    bench.news(Heard::Progress);
    assert_eq!(bench.health("b").gate, Gate::Disabled);
    bench.feed(TrunkInput::Disabled(BTreeSet::new()));
    assert_eq!(bench.health("b").gate, Gate::Open);
}

#[test]
fn what_changes_all_the_time_is_told_now_and_then() {
    let mut bench = Bench::new();
    bench.pass(1_000);
    let said = bench.said.len();
    let mut views = 0;
    for ms in 0..100 {
        let before = Arc::clone(&bench.view);
        bench.news(Heard::First { after_ms: ms });
        views += usize::from(!Arc::ptr_eq(&before, &bench.view));
    }
    assert!(views <= 1, "{views} views of a hundred measurements in one moment");
    assert!(bench.said.len() <= said + 1);
    bench.pass(1_000);
    assert!(bench.health("b").latency_ms.is_some());
}

#[test]
fn news_of_unknown_trunks_are_passed_over() {
    let mut bench = Bench::new();
    let tried_at = bench.now;
    let news = TrunkNews { trunk: "gone".into(), tried_at, peer: carrier(), heard: Heard::Silent };
    bench.feed(TrunkInput::News(news));
    assert!(bench.events.is_empty());
}
