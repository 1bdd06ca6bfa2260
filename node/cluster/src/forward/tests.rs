//! Two or more nodes with real gRPC servers on the loopback interface.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdline_model::{CallId, ClusterId, Hop, NodeId, SlotId, Transport};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;

use super::*;

const CLUSTER: ClusterId = ClusterId(5);
const TOKEN: &str = "a-token-for-the-tests";
const LIMIT: Duration = Duration::from_secs(10);

fn options(node: u64) -> ForwardOptions {
    ForwardOptions::new(CLUSTER, NodeId(node), TOKEN.parse().unwrap())
}

/// Answers with what it was asked.
struct Echo;

#[async_trait]
impl Requests for Echo {
    async fn hang_up(&self, call: CallId) -> HangUpOutcome {
        match call.slot.0 {
            0 => HangUpOutcome::HungUp,
            slot => HangUpOutcome::Moved(NodeId(u64::from(slot))),
        }
    }

    async fn answer(&self, question: Bytes) -> Result<Bytes, Refusal> {
        if question.is_empty() {
            return Err(Refusal { reason: "an empty question".to_owned() });
        }
        Ok(question)
    }
}

/// A node that others can reach.
struct Node {
    rpc: SocketAddr,
    received: mpsc::Receiver<Vec<Received>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

async fn serve(options: &ForwardOptions) -> Node {
    serve_at(options, "127.0.0.1:0".parse().unwrap()).await
}

async fn serve_at(options: &ForwardOptions, at: SocketAddr) -> Node {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let listener = TcpListener::bind(at).await.unwrap();
    let rpc = listener.local_addr().unwrap();
    let (service, received) = service(options, Arc::new(Echo), tasks.clone(), stop.clone());
    let server = Server::builder().add_service(service);
    let stopped = stop.clone();
    tasks.spawn(async move {
        let incoming = TcpListenerStream::new(listener);
        server.serve_with_incoming_shutdown(incoming, stopped.cancelled()).await.unwrap();
    });
    Node { rpc, received, tasks, stop }
}

impl Node {
    async fn next(&mut self) -> Vec<Received> {
        let batch = tokio::time::timeout(LIMIT, self.received.recv()).await;
        batch.expect("a batch in time").expect("an open queue")
    }

    /// The next `count` datagrams' payloads.
    async fn payloads(&mut self, count: usize) -> Vec<Bytes> {
        let mut payloads = Vec::new();
        while payloads.len() < count {
            payloads.extend(self.next().await.into_iter().map(|received| received.datagram.bytes));
        }
        payloads
    }

    async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(LIMIT, self.tasks.wait()).await.expect("the server ends");
    }
}

fn forwarder(options: ForwardOptions) -> (Forwarder, TaskTracker, CancellationToken) {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    (Forwarder::new(options, tasks.clone(), stop.clone()), tasks, stop)
}

fn knows(forwarder: &Forwarder, node: u64, rpc: SocketAddr, alive: bool) {
    forwarder.set_peers(&[(NodeId(node), Peer { rpc, alive })].into());
}

fn local() -> SocketAddr {
    "127.0.0.11:5060".parse().unwrap()
}

fn hop() -> Hop {
    let peer = "[2001:db8::1]:5062".parse().unwrap();
    Hop { transport: Transport::Tls, local: local(), peer }
}

fn ingress(forwarder: &Forwarder, payload: &str) -> ForwardOutcome {
    let bytes = Bytes::copy_from_slice(payload.as_bytes());
    forwarder.ingress(NodeId(2), hop(), bytes, 0)
}

#[tokio::test]
async fn datagrams_arrive_whole_and_in_order_both_kinds() {
    let mut two = serve(&options(2)).await;
    let (one, ..) = forwarder(options(1));
    knows(&one, 2, two.rpc, true);
    assert_eq!(ingress(&one, "INVITE"), ForwardOutcome::Queued);
    let big = Bytes::from(vec![7; 65_507]);
    assert_eq!(one.egress(NodeId(2), hop(), big.clone(), 1), ForwardOutcome::Queued);
    let mut got = two.next().await;
    while got.len() < 2 {
        got.extend(two.next().await);
    }
    let datagram = |direction, bytes, hops| Forwarded { direction, hop: hop(), bytes, hops };
    let expected = [
        datagram(Direction::Ingress, Bytes::from_static(b"INVITE"), 1),
        datagram(Direction::Egress, big, 2),
    ];
    assert_eq!(got, expected.map(|datagram| Received { from: NodeId(1), datagram }));
}

#[tokio::test]
async fn many_datagrams_travel_in_batches() {
    let mut two = serve(&options(2)).await;
    let (one, ..) = forwarder(options(1));
    knows(&one, 2, two.rpc, true);
    let sent: Vec<_> = (0..5000).map(|number| format!("datagram {number}")).collect();
    for payload in &sent {
        assert_eq!(ingress(&one, payload), ForwardOutcome::Queued);
    }
    let mut batches = 0;
    let mut got = Vec::new();
    while got.len() < sent.len() {
        got.extend(two.next().await.into_iter().map(|received| received.datagram.bytes));
        batches += 1;
    }
    assert_eq!(got, sent);
    assert!(batches < 500, "{batches} batches for 5000 datagrams");
}

#[tokio::test]
async fn a_datagram_is_forwarded_twice_at_most() {
    let mut two = serve(&options(2)).await;
    let (one, ..) = forwarder(options(1));
    knows(&one, 2, two.rpc, true);
    let send = |hops| one.ingress(NodeId(2), hop(), Bytes::from_static(b"x"), hops);
    assert_eq!(send(0), ForwardOutcome::Queued);
    assert_eq!(send(1), ForwardOutcome::Queued);
    assert_eq!(send(2), ForwardOutcome::TooManyHops);
    assert_eq!(send(255), ForwardOutcome::TooManyHops);
    assert_eq!(two.payloads(2).await.len(), 2);
}

#[tokio::test]
async fn an_unknown_node_and_oneself_get_nothing() {
    let (one, ..) = forwarder(options(1));
    assert_eq!(ingress(&one, "x"), ForwardOutcome::UnknownNode);
    knows(&one, 1, local(), true);
    assert!(one.to(NodeId(1)).is_none());
    let error = one.hang_up(NodeId(2), call(0)).await.unwrap_err();
    assert!(matches!(error, AskError::UnknownNode { node: NodeId(2) }), "{error}");
}

#[tokio::test]
async fn a_full_queue_drops_the_newest() {
    let (one, ..) = forwarder(ForwardOptions { queue_datagrams: 3, ..options(1) });
    // Nobody is there; one more than the queue may be in the task's hands.
    knows(&one, 2, "127.0.0.1:1".parse().unwrap(), false);
    let outcomes: Vec<_> = (0..10).map(|_| ingress(&one, "x")).collect();
    assert_eq!(outcomes[..3], [ForwardOutcome::Queued; 3]);
    assert_eq!(outcomes[4..], [ForwardOutcome::QueueFull; 6]);
}

#[tokio::test]
async fn a_slow_consumer_does_not_hold_up_the_stream() {
    let mut two = serve(&ForwardOptions { inbox_batches: 1, ..options(2) }).await;
    let (one, ..) = forwarder(options(1));
    knows(&one, 2, two.rpc, true);
    ingress(&one, "first");
    // While nobody takes it, the rest is dropped, and does not pile up behind it.
    let drained = async {
        while one.to(NodeId(2)).is_some_and(|link| link.backlog() > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, drained).await.expect("the first is sent");
    tokio::time::sleep(Duration::from_millis(100)).await;
    for number in 0..2000 {
        ingress(&one, &number.to_string());
    }
    let drained = async {
        while one.to(NodeId(2)).is_some_and(|link| link.backlog() > 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, drained).await.expect("the stream flows");
    assert_eq!(two.payloads(1).await, ["first"]);
}

#[tokio::test]
async fn a_peer_that_comes_back_is_reached_as_soon_as_it_is_said_to_be_alive() {
    let mut two = serve(&options(2)).await;
    let rpc = two.rpc;
    let pause = Duration::from_secs(600);
    let stale_after = Duration::from_secs(600);
    let patient =
        ForwardOptions { retry_pause: pause, retry_pause_max: pause, stale_after, ..options(1) };
    let (one, ..) = forwarder(patient);
    knows(&one, 2, rpc, true);
    ingress(&one, "before");
    assert_eq!(two.payloads(1).await, ["before"]);
    two.stop().await;
    knows(&one, 2, rpc, false);
    // Some are lost with the stream; the task then pauses for ten minutes.
    for _ in 0..20 {
        ingress(&one, "meanwhile");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut two = serve_at(&options(2), rpc).await;
    knows(&one, 2, rpc, true);
    ingress(&one, "after");
    let reached = async { while !two.payloads(1).await.contains(&Bytes::from_static(b"after")) {} };
    tokio::time::timeout(LIMIT, reached).await.expect("long before the pause is over");
}

#[tokio::test]
async fn what_waited_too_long_is_not_sent() {
    let stale_after = Duration::from_millis(200);
    let (one, ..) = forwarder(ForwardOptions { stale_after, ..options(1) });
    let rpc = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    knows(&one, 2, rpc, false);
    ingress(&one, "old");
    ingress(&one, "old, too");
    tokio::time::sleep(stale_after * 2).await;
    let mut two = serve_at(&options(2), rpc).await;
    ingress(&one, "new");
    knows(&one, 2, rpc, true);
    assert_eq!(two.payloads(1).await, ["new"]);
}

#[tokio::test]
async fn a_peer_that_moves_is_followed() {
    let mut first = serve(&options(2)).await;
    let mut second = serve(&options(2)).await;
    let (one, ..) = forwarder(options(1));
    knows(&one, 2, first.rpc, true);
    ingress(&one, "here");
    assert_eq!(first.payloads(1).await, ["here"]);
    knows(&one, 2, second.rpc, true);
    let moved = async {
        loop {
            ingress(&one, "there");
            if tokio::time::timeout(Duration::from_millis(50), second.next()).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, moved).await.expect("the new address is used");
}

#[tokio::test]
async fn strangers_are_refused() {
    let mut two = serve(&options(2)).await;
    let (token, ..) =
        forwarder(ForwardOptions { token: "not-that-token,-no".parse().unwrap(), ..options(1) });
    let (cluster, ..) = forwarder(ForwardOptions { cluster: ClusterId(6), ..options(1) });
    for stranger in [&token, &cluster] {
        knows(stranger, 2, two.rpc, true);
        let error = stranger.hang_up(NodeId(2), call(0)).await.unwrap_err();
        assert!(matches!(error, AskError::Refused { .. }), "{error}");
        assert!(stranger.ask(NodeId(2), Bytes::from_static(b"?")).await.is_err());
        ingress(stranger, "foreign");
    }
    // A node that is not the one that is meant does not take its datagrams, either.
    let (one, ..) = forwarder(options(1));
    knows(&one, 3, two.rpc, true);
    one.ingress(NodeId(3), hop(), Bytes::from_static(b"misdirected"), 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    knows(&one, 2, two.rpc, true);
    ingress(&one, "ours");
    assert_eq!(two.payloads(1).await, ["ours"]);
}

fn call(slot: u16) -> CallId {
    CallId { slot: SlotId(slot), nonce: 1 }
}

#[tokio::test]
async fn questions_are_answered() {
    let two = serve(&options(2)).await;
    let (one, ..) = forwarder(options(1));
    knows(&one, 2, two.rpc, true);
    assert_eq!(one.hang_up(NodeId(2), call(0)).await.unwrap(), HangUpOutcome::HungUp);
    let moved = one.hang_up(NodeId(2), call(3)).await.unwrap();
    assert_eq!(moved, HangUpOutcome::Moved(NodeId(3)));
    let question = Bytes::from_static(b"how are you?");
    assert_eq!(one.ask(NodeId(2), question.clone()).await.unwrap(), question);
    let error = one.ask(NodeId(2), Bytes::new()).await.unwrap_err();
    assert!(error.to_string().contains("an empty question"), "{error}");
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_named_in_time() {
    // Accepts connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let rpc = silent.local_addr().unwrap();
    let ask_timeout = Duration::from_millis(300);
    let (one, ..) = forwarder(ForwardOptions { ask_timeout, ..options(1) });
    knows(&one, 2, rpc, true);
    let asked = tokio::time::timeout(LIMIT, one.hang_up(NodeId(2), call(0))).await;
    let error = asked.expect("an answer in time").unwrap_err();
    assert!(matches!(error, AskError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&rpc.to_string()), "{error}");
}

#[tokio::test]
async fn stopping_ends_all_tasks() {
    let mut two = serve(&options(2)).await;
    let (one, tasks, stop) = forwarder(options(1));
    knows(&one, 2, two.rpc, true);
    ingress(&one, "x");
    two.payloads(1).await;
    stop.cancel();
    tasks.close();
    tokio::time::timeout(LIMIT, tasks.wait()).await.expect("the link ends");
    assert_eq!(ingress(&one, "x"), ForwardOutcome::UnknownNode);
    two.stop().await;
}
