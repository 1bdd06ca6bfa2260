//! Sockets on the loopback interface. Each test uses addresses of its own in 127.0.0.0/8, with
//! ports that the system chooses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use holdline_transport::{BindError, Datagram, KernelQueues, SendOutcome, SocketOptions, Sockets};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

type Batches = mpsc::Receiver<Vec<Datagram>>;

fn sockets(options: SocketOptions) -> (Sockets, Batches) {
    Sockets::new(options, TaskTracker::new(), CancellationToken::new())
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn client(ip: &str) -> std::net::UdpSocket {
    let socket = std::net::UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

async fn next(batches: &mut Batches) -> Datagram {
    let batch = tokio::time::timeout(Duration::from_secs(5), batches.recv()).await;
    let batch = batch.expect("a datagram within 5 s").expect("an open queue");
    assert_eq!(batch.len(), 1);
    batch.into_iter().next().unwrap()
}

/// Counts what is counted on this thread while it lives; the tests' runtimes have one thread.
struct Counted {
    snapshotter: Snapshotter,
    totals: std::cell::RefCell<std::collections::BTreeMap<String, u64>>,
}

fn counted<T>(make: impl FnOnce() -> T) -> (T, Counted) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let made = metrics::with_local_recorder(&recorder, make);
    (made, Counted { snapshotter, totals: Default::default() })
}

impl Counted {
    fn total(&self, name: &str, reason: &str) -> u64 {
        let mut totals = self.totals.borrow_mut();
        // A snapshot takes the counts away.
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            let (_, key) = key.into_parts();
            let label = key.labels().next().map_or("", |label| label.value());
            if let DebugValue::Counter(count) = value {
                *totals.entry(format!("{} {label}", key.name())).or_default() += count;
            }
        }
        let name = format!("holdline_transport_{name}_total {reason}");
        totals.get(&name).copied().unwrap_or(0)
    }

    async fn reaches(&self, name: &str, reason: &str, count: u64) {
        let reached = async {
            while self.total(name, reason) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(5), reached).await;
        reached.unwrap_or_else(|_| panic!("{name} {reason} is {}", self.total(name, reason)));
        assert_eq!(self.total(name, reason), count, "{name} {reason}");
    }
}

#[tokio::test]
async fn receives_on_and_sends_from_the_bound_address() {
    for ip in ["127.0.1.1", "::1"] {
        let (sockets, mut batches) = sockets(SocketOptions::default());
        let local = sockets.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        let peer = client(ip);
        peer.send_to(b"OPTIONS", local).unwrap();
        let got = next(&mut batches).await;
        let expected = Datagram {
            local,
            peer: peer.local_addr().unwrap(),
            bytes: Bytes::from_static(b"OPTIONS"),
        };
        assert_eq!(got, expected);
        assert_eq!(sockets.send(local, got.peer, b"200"), SendOutcome::Sent);
        let mut buffer = [0; 16];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (b"200".as_slice(), local));
    }
}

#[tokio::test]
async fn an_address_that_is_not_bound_sends_nothing() {
    let ((sockets, _batches), counted) = counted(|| sockets(SocketOptions::default()));
    let local = sockets.bind(addr("127.0.1.2:0")).unwrap();
    let peer = client("127.0.1.2").local_addr().unwrap();
    let other = SocketAddr::new(local.ip(), local.port().wrapping_add(1));
    assert_eq!(sockets.send(other, peer, b"x"), SendOutcome::UnknownFrom);
    assert!(sockets.unbind(local));
    assert!(!sockets.unbind(local));
    assert_eq!(sockets.send(local, peer, b"x"), SendOutcome::UnknownFrom);
    assert_eq!(counted.total("send_dropped", "unknown_from"), 2);
}

#[tokio::test]
async fn an_address_can_be_bound_again_and_again() {
    let (sockets, mut batches) = sockets(SocketOptions::default());
    let local = sockets.bind(addr("127.0.1.3:0")).unwrap();
    let peer = client("127.0.1.3");
    for round in 0..20u8 {
        assert!(sockets.unbind(local));
        assert_eq!(sockets.bind(local).unwrap(), local);
        assert_eq!(sockets.bind(local).unwrap(), local, "binding twice does nothing");
        assert_eq!(sockets.bound(), [local]);
        peer.send_to(&[round], local).unwrap();
        assert_eq!(next(&mut batches).await.bytes, [round].as_slice());
    }
}

/// The survivor on the same host: it binds what a paused process still has bound.
#[tokio::test]
async fn the_socket_bound_last_gets_the_datagrams() {
    let (paused, mut paused_batches) = sockets(SocketOptions::default());
    let (survivor, mut survivor_batches) = sockets(SocketOptions::default());
    for ip in ["127.0.1.4", "::1"] {
        let local = paused.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        let peer = client(ip);
        peer.send_to(b"1", local).unwrap();
        assert_eq!(next(&mut paused_batches).await.bytes, "1");
        assert_eq!(survivor.bind(local).unwrap(), local);
        for _ in 0..50 {
            peer.send_to(b"2", local).unwrap();
            assert_eq!(next(&mut survivor_batches).await.bytes, "2");
        }
        assert!(paused_batches.try_recv().is_err(), "the paused one gets nothing");
        // Handed back: the earlier socket gets datagrams again, at once.
        survivor.unbind(local);
        wait_until_closed(local, 1).await;
        peer.send_to(b"3", local).unwrap();
        assert_eq!(next(&mut paused_batches).await.bytes, "3");
        paused.unbind(local);
    }
}

/// Waits until only `left` sockets are bound to `local`: closing happens on the receive task.
async fn wait_until_closed(local: SocketAddr, left: usize) {
    let port = format!(":{:04X} ", local.port());
    let count = || {
        let tables = ["/proc/net/udp", "/proc/net/udp6"].map(std::fs::read_to_string);
        let lines = |table: &String| table.lines().filter(|line| line.contains(&port)).count();
        tables.iter().flatten().map(lines).sum::<usize>()
    };
    let closed = async {
        while count() > left {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("the socket is closed");
}

#[tokio::test]
async fn without_reuse_a_bound_address_is_refused_and_named() {
    let options = SocketOptions { reuse_address: false, ..SocketOptions::default() };
    let (first, _batches) = sockets(options);
    let (second, _more) = sockets(options);
    let local = first.bind(addr("127.0.1.5:0")).unwrap();
    let error = second.bind(local).unwrap_err();
    assert!(matches!(&error, BindError::Refused { addr, .. } if *addr == local), "{error:?}");
    assert!(error.to_string().contains(&local.to_string()), "{error}");
}

#[tokio::test]
async fn wildcards_and_foreign_addresses_are_refused() {
    let (sockets, _batches) = sockets(SocketOptions::default());
    for wildcard in ["0.0.0.0:0", "[::]:0"] {
        let error = sockets.bind(addr(wildcard)).unwrap_err();
        assert!(matches!(error, BindError::Wildcard { .. }), "{error:?}");
    }
    let error = sockets.bind(addr("192.0.2.1:0")).unwrap_err();
    assert!(matches!(error, BindError::Refused { .. }), "{error:?}");
    let free = SocketOptions { free_bind: true, ..SocketOptions::default() };
    let (free, _more) = self::sockets(free);
    assert!(free.bind(addr("192.0.2.1:0")).is_ok());
}

#[tokio::test]
async fn the_largest_datagram_passes() {
    let (sockets, mut batches) = sockets(SocketOptions::default());
    let local = sockets.bind(addr("127.0.1.6:0")).unwrap();
    let peer = client("127.0.1.6");
    let noise: Vec<u8> = (0..65_507u32).map(|number| number.to_le_bytes()[0]).collect();
    peer.send_to(&noise, local).unwrap();
    assert_eq!(next(&mut batches).await.bytes, noise);
}

#[tokio::test]
async fn too_long_and_empty_datagrams_are_dropped_and_counted() {
    let options = SocketOptions { max_datagram_bytes: 100, ..SocketOptions::default() };
    let ((sockets, mut batches), counted) = counted(|| sockets(options));
    let local = sockets.bind(addr("127.0.1.7:0")).unwrap();
    let peer = client("127.0.1.7");
    for length in [101, 0, 65_507, 100] {
        peer.send_to(&vec![7; length], local).unwrap();
    }
    assert_eq!(next(&mut batches).await.bytes.len(), 100);
    assert_eq!(counted.total("receive_dropped", "truncated"), 2);
    assert_eq!(counted.total("receive_dropped", "empty"), 1);
    assert_eq!(counted.total("received", ""), 1);
    let too_long = sockets.send(local, peer.local_addr().unwrap(), &[0; 65_508]);
    assert_eq!(too_long, SendOutcome::TooLong);
}

/// Waits without letting the runtime do anything, as a node does whose processors are busy.
fn busy_for(peer: &std::net::UdpSocket, time: Duration) {
    peer.set_read_timeout(Some(time)).unwrap();
    peer.recv(&mut [0; 16]).unwrap_err();
}

#[tokio::test]
async fn what_waits_in_the_kernel_is_told() {
    let (sockets, mut batches) = sockets(SocketOptions::default());
    let local = sockets.bind(addr("127.0.1.40:0")).unwrap();
    let peer = client("127.0.1.40");
    peer.send_to(b"1", local).unwrap();
    busy_for(&peer, Duration::from_millis(80));
    next(&mut batches).await;
    let waited = sockets.kernel_queues().least_wait;
    assert!(waited >= Duration::from_millis(80), "{waited:?}");
    peer.send_to(b"2", local).unwrap();
    next(&mut batches).await;
    let waited = sockets.kernel_queues().least_wait;
    assert!(!waited.is_zero() && waited < Duration::from_millis(80), "{waited:?}");
    assert_eq!(sockets.kernel_queues(), KernelQueues::default(), "nothing came since");
}

#[tokio::test]
async fn what_the_kernel_had_no_room_for_is_counted() {
    let options = SocketOptions { receive_buffer_bytes: 8 << 10, ..SocketOptions::default() };
    let ((sockets, mut batches), counted) = counted(|| sockets(options));
    let local = sockets.bind(addr("127.0.1.41:0")).unwrap();
    let peer = client("127.0.1.41");
    for _ in 0..200 {
        peer.send_to(&[7; 1_000], local).unwrap();
    }
    let kept = batches.recv().await.unwrap().len();
    assert!((1..200).contains(&kept), "{kept} of 200");
    peer.send_to(b"and one more, with which the kernel tells", local).unwrap();
    next(&mut batches).await;
    let lost = 200 - u64::try_from(kept).unwrap();
    assert_eq!(sockets.kernel_queues().dropped, lost);
    assert_eq!(counted.total("receive_dropped", "kernel"), lost);
}

#[tokio::test]
async fn a_full_queue_drops_the_newest_and_counts_them() {
    let options =
        SocketOptions { queue_batches: 2, batch_datagrams: 1, ..SocketOptions::default() };
    let ((sockets, mut batches), counted) = counted(|| sockets(options));
    let local = sockets.bind(addr("127.0.1.8:0")).unwrap();
    let peer = client("127.0.1.8");
    for number in 0..10u8 {
        peer.send_to(&[number], local).unwrap();
    }
    counted.reaches("receive_dropped", "queue_full", 8).await;
    assert_eq!(next(&mut batches).await.bytes, [0].as_slice());
    assert_eq!(next(&mut batches).await.bytes, [1].as_slice());
    peer.send_to(&[99], local).unwrap();
    assert_eq!(next(&mut batches).await.bytes, [99].as_slice());
}

#[tokio::test]
async fn batches_keep_order_and_bound() {
    let options = SocketOptions { batch_datagrams: 16, ..SocketOptions::default() };
    let (sockets, mut batches) = sockets(options);
    let local = sockets.bind(addr("127.0.1.9:0")).unwrap();
    let peer = client("127.0.1.9");
    let mut sent = Vec::new();
    for number in 0..100u8 {
        sent.push(number);
        peer.send_to(&[number], local).unwrap();
    }
    let mut got = Vec::new();
    while got.len() < sent.len() {
        let batch = tokio::time::timeout(Duration::from_secs(5), batches.recv()).await;
        let batch = batch.expect("a batch within 5 s").unwrap();
        assert!((1..=16).contains(&batch.len()));
        got.extend(batch.iter().map(|datagram| datagram.bytes[0]));
    }
    assert_eq!(got, sent);
}

#[tokio::test]
async fn a_peer_that_is_gone_harms_nobody() {
    let (sockets, mut batches) = sockets(SocketOptions::default());
    let local = sockets.bind(addr("127.0.1.10:0")).unwrap();
    let gone = client("127.0.1.10").local_addr().unwrap();
    for _ in 0..10 {
        assert_eq!(sockets.send(local, gone, b"x"), SendOutcome::Sent);
    }
    let peer = client("127.0.1.10");
    peer.send_to(b"still here", local).unwrap();
    assert_eq!(next(&mut batches).await.bytes, "still here");
}

#[tokio::test]
async fn a_batch_is_sent_in_order_and_what_has_no_socket_comes_back() {
    for ip in ["127.0.1.11", "::1"] {
        let (sockets, _batches) = sockets(SocketOptions::default());
        let local = sockets.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        let receiver = client(ip);
        let peer = receiver.local_addr().unwrap();
        let not_here = SocketAddr::new(local.ip(), 1);
        let datagram =
            |local, byte| Datagram { local, peer, bytes: Bytes::copy_from_slice(&[byte]) };
        let mut batch: Vec<_> = (0..150).map(|byte| datagram(local, byte)).collect();
        batch.insert(70, datagram(not_here, 255));
        sockets.send_batch(&mut batch);
        assert_eq!(batch, [datagram(not_here, 255)]);
        let mut buffer = [0; 4];
        for expected in 0..150 {
            assert_eq!(receiver.recv_from(&mut buffer).unwrap(), (1, local));
            assert_eq!(buffer[0], expected);
        }
    }
}

#[tokio::test]
async fn a_datagram_that_the_kernel_refuses_does_not_stop_those_after_it() {
    let ((sockets, _batches), counted) = counted(|| sockets(SocketOptions::default()));
    let local = sockets.bind(addr("127.0.1.13:0")).unwrap();
    let receiver = client("127.0.1.13");
    let peer = receiver.local_addr().unwrap();
    let datagram = |length: usize| Datagram { local, peer, bytes: vec![7; length].into() };
    let mut batch = vec![datagram(1), datagram(65_508), datagram(2), datagram(65_508), datagram(3)];
    sockets.send_batch(&mut batch);
    assert_eq!(batch, []);
    let mut buffer = [0; 16];
    for expected in [1, 2, 3] {
        assert_eq!(receiver.recv_from(&mut buffer).unwrap(), (expected, local));
    }
    assert_eq!(counted.total("send_dropped", "too_long"), 2);
    assert_eq!(counted.total("sent", ""), 3);
}

#[tokio::test]
async fn stopping_ends_all_receive_tasks() {
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let (sockets, _batches) = Sockets::new(SocketOptions::default(), tasks.clone(), stop.clone());
    for _ in 0..5 {
        sockets.bind(addr("127.0.1.12:0")).unwrap();
    }
    stop.cancel();
    tasks.close();
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.expect("all tasks end");
    assert!(matches!(sockets.bind(addr("127.0.1.12:0")), Err(BindError::Stopping { .. })));
}

/// A network that carries each datagram back to where it came from.
#[derive(Debug, Default)]
struct Echo(std::sync::Mutex<std::collections::BTreeMap<SocketAddr, mpsc::Sender<Vec<Datagram>>>>);

impl holdline_transport::Wire for Echo {
    fn bind(&self, addr: SocketAddr, inbox: mpsc::Sender<Vec<Datagram>>) -> std::io::Result<()> {
        self.0.lock().unwrap().insert(addr, inbox);
        Ok(())
    }

    fn unbind(&self, addr: SocketAddr) {
        self.0.lock().unwrap().remove(&addr);
    }

    fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> std::io::Result<()> {
        let inbox = self.0.lock().unwrap().get(&from).cloned();
        let datagram = Datagram { local: from, peer: to, bytes: Bytes::copy_from_slice(bytes) };
        inbox.ok_or(std::io::ErrorKind::NotConnected)?.try_send(vec![datagram]).unwrap();
        Ok(())
    }
}

#[tokio::test]
async fn a_simulated_network_takes_the_kernel_s_place() {
    let wire = std::sync::Arc::new(Echo::default());
    let stop = CancellationToken::new();
    let (sockets, mut batches) =
        Sockets::on_wire(wire.clone(), SocketOptions::default(), TaskTracker::new(), stop);
    let (here, there) = (addr("192.0.2.1:5060"), addr("192.0.2.2:5060"));
    assert_eq!(sockets.bind(here).unwrap(), here);
    assert_eq!(sockets.send(here, there, b"hello"), SendOutcome::Sent);
    let echo = next(&mut batches).await;
    assert_eq!((echo.local, echo.peer, &echo.bytes[..]), (here, there, &b"hello"[..]));
    assert!(sockets.unbind(here));
    assert!(wire.0.lock().unwrap().is_empty());
    assert_eq!(sockets.send(here, there, b"hello"), SendOutcome::UnknownFrom);
}
