//! Gossip over real sockets on the loopback interface.

use std::net::SocketAddr;
use std::time::Duration;

use holdline_model::{ClusterId, Incarnation, Name, NodeId};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;

const KEY: &str = "the key of the tests' cluster";
const CLUSTER: ClusterId = ClusterId(77);

/// An address with a port that is free now.
fn free() -> SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn facts(node: u64) -> NodeFacts {
    NodeFacts {
        trunks: std::collections::BTreeMap::new(),
        incarnation: Incarnation(node * 100),
        pop: Name::from("fra1"),
        sip: vec![SocketAddr::from(([127, 0, 3, 1], 5060))],
        rpc: SocketAddr::from(([127, 0, 0, 1], 7000)),
        admin: SocketAddr::from(([127, 0, 0, 1], 8000)),
        version: "0.1.0".to_owned(),
        reads: holdline_model::Format(3),
        load: Load::default(),
    }
}

fn options(node: u64, listen: SocketAddr, seed: SocketAddr) -> GossipOptions {
    let key = KEY.parse().unwrap();
    let mut options = GossipOptions::new(CLUSTER, NodeId(node), 1, key, listen);
    options.interval = Duration::from_millis(50);
    options.seeds = vec![seed.to_string()];
    options
}

struct Node {
    gossip: Gossip,
    tasks: TaskTracker,
    stop: CancellationToken,
}

async fn start(options: GossipOptions) -> Node {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let facts = facts(options.node.0);
    let gossip = Gossip::start(options, facts, &tasks, stop.clone()).await.unwrap();
    Node { gossip, tasks, stop }
}

impl Node {
    async fn sees(&self, what: &str, expected: impl FnMut(&ClusterView) -> bool) {
        let mut view = self.gossip.view();
        let limit = Duration::from_secs(20);
        if tokio::time::timeout(limit, view.wait_for(expected)).await.is_err() {
            panic!("{what}: {:?}", self.gossip.view().borrow());
        }
    }

    fn live(&self) -> Vec<u64> {
        self.gossip.view().borrow().live.keys().map(|node| node.0).collect()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
        ended.expect("gossip ends");
    }
}

fn live(view: &ClusterView) -> Vec<u64> {
    view.live.keys().map(|node| node.0).collect()
}

#[tokio::test]
async fn three_nodes_find_each_other_from_one_seed() {
    let seed = free();
    let nodes = [
        start(options(1, seed, seed)).await,
        start(options(2, free(), seed)).await,
        start(options(3, free(), seed)).await,
    ];
    for node in &nodes {
        node.sees("all three", |view| live(view) == [1, 2, 3]).await;
        let view = node.gossip.view().borrow().clone();
        assert_eq!(view.live[&NodeId(3)].facts, facts(3));
        assert!(view.dead.is_empty());
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn what_is_on_the_bulletin_is_heard_and_survives_its_author() {
    let seed = free();
    let first = start(options(1, seed, seed)).await;
    let second = start(options(2, free(), seed)).await;
    let mut heard = second.gossip.bulletin().heard();
    assert!(first.gossip.bulletin().say("bans", "10.0.0.1 for ever".to_owned()));
    let says = |text: &'static str| {
        move |heard: &std::sync::Arc<Heard>| {
            heard.get(&NodeId(1)).and_then(|topics| topics.get("bans")).map(String::as_str)
                == Some(text)
        }
    };
    let limit = Duration::from_secs(20);
    let told = tokio::time::timeout(limit, heard.wait_for(says("10.0.0.1 for ever"))).await;
    told.expect("the second hears it").unwrap();
    assert!(first.gossip.bulletin().heard().borrow().is_empty(), "nobody hears itself");
    first.stop().await;
    // The next run of the first node says nothing yet: what the earlier one said stays.
    let again = start(GossipOptions { generation: 2, ..options(1, free(), seed) }).await;
    let third = start(options(3, free(), second_address(&second).await)).await;
    let mut heard = third.gossip.bulletin().heard();
    let told = tokio::time::timeout(limit, heard.wait_for(says("10.0.0.1 for ever"))).await;
    told.expect("a newcomer hears it, too").unwrap();
    for node in [second, again, third] {
        node.stop().await;
    }
}

async fn second_address(node: &Node) -> SocketAddr {
    let mut view = node.gossip.view();
    let seen = view.wait_for(|view| view.live.contains_key(&NodeId(2))).await.unwrap();
    seen.live[&NodeId(2)].gossip
}

#[tokio::test]
async fn a_changed_load_reaches_the_others() {
    let seed = free();
    let first = start(options(1, seed, seed)).await;
    let second = start(options(2, free(), seed)).await;
    second.sees("the first", |view| live(view) == [1, 2]).await;
    let load = Load { calls: 4711, cpu_percent: Some(35), safe: true };
    first.gossip.set_load(load);
    let busy = |view: &ClusterView| {
        view.live.get(&NodeId(1)).is_some_and(|member| member.facts.load == load)
    };
    second.sees("the load", busy).await;
    first.gossip.set_load(Load::default());
    second.sees("no load", |view| !busy(view)).await;
}

#[tokio::test]
async fn a_node_that_stops_is_shown_dead_and_a_new_run_of_it_live() {
    let seed = free();
    let first = start(options(1, seed, seed)).await;
    let listen = free();
    let second = start(options(2, listen, seed)).await;
    first.sees("both", |view| live(view) == [1, 2]).await;
    second.stop().await;
    let dead = |view: &ClusterView| live(view) == [1] && view.dead.contains_key(&NodeId(2));
    first.sees("the death", dead).await;
    let _again = start(GossipOptions { generation: 2, ..options(2, listen, seed) }).await;
    let back = |view: &ClusterView| live(view) == [1, 2] && view.dead.is_empty();
    first.sees("the return", back).await;
}

#[tokio::test]
async fn strangers_see_nothing_change_nothing_and_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let seed = free();
    let first = start(options(1, seed, seed)).await;
    let second = start(options(2, free(), seed)).await;
    first.sees("both", |view| live(view) == [1, 2]).await;
    assert_eq!(foreign(&snapshotter), 0);
    let mut other_key = options(8, free(), seed);
    other_key.key = "another key, as long".parse().unwrap();
    let mut other_cluster = options(9, free(), seed);
    other_cluster.cluster = ClusterId(78);
    let mut seen = 0;
    for stranger in [other_key, other_cluster] {
        let node = stranger.node.0;
        let stranger = start(stranger).await;
        // Three rounds of it are enough to see that nothing comes of them.
        let before = seen;
        let counted = async {
            while seen < before + 3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                seen += foreign(&snapshotter);
            }
        };
        tokio::time::timeout(Duration::from_secs(10), counted).await.expect("counted");
        stranger.sees("itself", |view| live(view) == [node]).await;
        assert_eq!(first.live(), [1, 2]);
        assert_eq!(second.live(), [1, 2]);
        assert!(first.gossip.view().borrow().dead.is_empty());
        stranger.stop().await;
    }
}

#[tokio::test]
async fn noise_is_survived() {
    let seed = free();
    let first = start(options(1, seed, seed)).await;
    let noise = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [0, 1, 2, 24, 25, 41, 1500, 65_507] {
        noise.send_to(&vec![1; length], seed).unwrap();
    }
    let second = start(options(2, free(), seed)).await;
    first.sees("both, after the noise", |view| live(view) == [1, 2]).await;
    second.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let error = Gossip::start(options(1, listen, listen), facts(1), &tasks, stop).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains(&listen.to_string()) && text.contains("in use"), "{text}");
}

/// Foreign datagrams since the last call.
fn foreign(snapshotter: &Snapshotter) -> u64 {
    let entries = snapshotter.snapshot().into_vec();
    let is_foreign = |key: &metrics::Key| {
        key.name() == "holdline_gossip_dropped_total"
            && key.labels().any(|label| label.value() == "foreign")
    };
    let counts = entries.into_iter().filter_map(|(key, _, _, value)| match value {
        DebugValue::Counter(count) if is_foreign(key.key()) => Some(count),
        _ => None,
    });
    counts.sum()
}
