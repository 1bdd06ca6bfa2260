//! The kind `netlink`, on three hosts that are network namespaces on one bridge: a client that has
//! resolved the old holder's hardware address reaches the new holder after the take-over.
//!
//! Needs root, and a kernel with network namespaces, veth and bridge. Where they are missing, the
//! test says what it leaves out. In CI, `HOLDLINE_REQUIRE_NETNS=1` turns that into a failure.
//!
//! Nothing outside the namespaces is touched: the bridge is in a namespace of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests of real time"
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdline_transport::floating::{
    FloatingAddresses, FloatingOptions, MoveError, Mover, Netlink, NetlinkOptions,
};
use holdline_transport::{SocketOptions, Sockets};
use nix::sched::{CloneFlags, setns};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const OLD: &str = "old";
const NEW: &str = "new";
const CLIENT: &str = "client";

/// Namespaces `hl<pid><test>-<host>`, each with an interface `eth0` on a common bridge.
struct Lan {
    prefix: String,
}

impl Lan {
    /// Builds it, or says why it cannot.
    fn build(test: &str) -> Result<Self, String> {
        let lan = Self { prefix: format!("hl{}{test}", std::process::id()) };
        lan.add("bridge")?;
        ip(&format!("-n {} link add br0 type bridge forward_delay 0", lan.ns("bridge")))?;
        ip(&format!("-n {} link set br0 up", lan.ns("bridge")))?;
        for (number, host) in [OLD, NEW, CLIENT].into_iter().enumerate() {
            let (ns, bridge) = (lan.ns(host), lan.ns("bridge"));
            lan.add(host)?;
            ip(&format!("-n {bridge} link add {host} type veth peer name eth0 netns {ns}"))?;
            ip(&format!("-n {bridge} link set {host} master br0"))?;
            ip(&format!("-n {bridge} link set {host} up"))?;
            ip(&format!("-n {ns} link set lo up"))?;
            let own = number + 1;
            ip(&format!("-n {ns} address add 10.77.0.{own}/24 dev eth0"))?;
            ip(&format!("-n {ns} address add fd77::{own}/64 dev eth0 nodad"))?;
            ip(&format!("-n {ns} link set eth0 up"))?;
        }
        Ok(lan)
    }

    /// As [`Lan::build`]; without it, says aloud what is left out.
    fn or_say(test: &str) -> Option<Self> {
        match Self::build(test) {
            Ok(lan) => Some(lan),
            Err(reason) if std::env::var_os("HOLDLINE_REQUIRE_NETNS").is_some() => {
                panic!("no network namespaces: {reason}")
            }
            Err(reason) => {
                eprintln!("LEFT OUT: {test}: no network namespaces here: {reason}");
                None
            }
        }
    }

    fn ns(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    fn add(&self, host: &str) -> Result<(), String> {
        ip(&format!("netns add {}", self.ns(host))).map(drop)
    }

    /// Runs `work` in the namespace of `host`, on a thread of its own with a runtime of its own.
    fn on<T: Send + 'static>(
        &self,
        host: &str,
        work: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let path = format!("/run/netns/{}", self.ns(host));
        thread::spawn(move || {
            setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(work())
        })
    }

    fn addresses(&self, host: &str) -> String {
        ip(&format!("-n {} address show dev eth0", self.ns(host))).unwrap()
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for host in [OLD, NEW, CLIENT, "bridge"] {
            let _gone_already = ip(&format!("netns delete {}", self.ns(host)));
        }
    }
}

fn ip(args: &str) -> Result<String, String> {
    let output = Command::new("ip").args(args.split(' ')).output();
    match output {
        Ok(Output { status, stdout, .. }) if status.success() => {
            Ok(String::from_utf8_lossy(&stdout).into_owned())
        }
        Ok(Output { stderr, .. }) => {
            Err(format!("ip {args}: {}", String::from_utf8_lossy(&stderr).trim()))
        }
        Err(error) => Err(format!("ip {args}: {error}")),
    }
}

/// Holds `addr` as a node does, and answers every datagram with `name`, until told to stop.
async fn serve(addr: SocketAddr, name: &'static str, announce: bool, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let (sockets, mut batches) =
        Sockets::new(SocketOptions::default(), tasks.clone(), CancellationToken::new());
    let netlink = Netlink::new(NetlinkOptions::new("eth0"));
    let mover: Arc<dyn Mover> =
        if announce { Arc::new(netlink) } else { Arc::new(Silent(netlink)) };
    let floating = FloatingAddresses::start(
        FloatingOptions::default(),
        mover,
        sockets.clone(),
        &tasks,
        CancellationToken::new(),
    );
    floating.hold(BTreeSet::from([addr]));
    loop {
        let batch = tokio::select! {
            batch = batches.recv() => batch.unwrap(),
            // As when it is killed: nothing is given up.
            () = stop.cancelled() => return,
        };
        for datagram in batch {
            sockets.send(datagram.local, datagram.peer, name.as_bytes());
        }
    }
}

/// As netlink, but tells nobody.
#[derive(Debug)]
struct Silent(Netlink);

#[async_trait::async_trait]
impl Mover for Silent {
    async fn acquire(&self, addr: IpAddr) -> Result<(), MoveError> {
        self.0.acquire(addr).await
    }

    async fn release(&self, addr: IpAddr) -> Result<(), MoveError> {
        self.0.release(addr).await
    }
}

/// A client that asks `server` every millisecond until `until` answers or `limit` is over.
fn ask(socket: &UdpSocket, server: SocketAddr, until: &str, limit: Duration) -> Option<Duration> {
    let begin = Instant::now();
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut buffer = [0; 16];
    while begin.elapsed() < limit {
        // Refusals of the host that has just lost the address are part of the game.
        let _may_be_refused = socket.send_to(b"who?", server);
        if let Ok((length, from)) = socket.recv_from(&mut buffer)
            && from == server
            && &buffer[..length] == until.as_bytes()
        {
            return Some(begin.elapsed());
        }
    }
    None
}

/// The old holder dies (its process; its host keeps the address), the new one takes over. Returns
/// how long the client was without an answer; `None` if it still was after two seconds.
fn take_over(lan: &Lan, addr: SocketAddr, announce: bool) -> Option<Duration> {
    let (stop_old, stop_new) = (CancellationToken::new(), CancellationToken::new());
    let stop = stop_old.clone();
    let old = lan.on(OLD, async move || serve(addr, OLD, true, stop).await);
    let (say, said) = std::sync::mpsc::sync_channel(1);
    let (go, gone) = std::sync::mpsc::sync_channel(1);
    let client = lan.on(CLIENT, async move || {
        let any = if addr.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        say.send(ask(&socket, addr, OLD, Duration::from_secs(5))).unwrap();
        gone.recv().unwrap();
        ask(&socket, addr, NEW, Duration::from_secs(2))
    });
    let first = said.recv().unwrap();
    assert!(first.is_some(), "the client reaches the first holder");
    stop_old.cancel();
    old.join().unwrap();
    let stop = stop_new.clone();
    let new = lan.on(NEW, async move || serve(addr, NEW, announce, stop).await);
    go.send(()).unwrap();
    let silence = client.join().unwrap();
    stop_new.cancel();
    new.join().unwrap();
    silence
}

#[test]
fn with_gratuitous_arp_the_client_follows_at_once_and_without_it_does_not() {
    let Some(lan) = Lan::or_say("arp") else { return };
    let addr = "10.77.0.100:5060".parse().unwrap();
    let silence = take_over(&lan, addr, true).expect("an answer within 2 s");
    eprintln!("IPv4: the client was without an answer for {silence:?}");
    assert!(silence < Duration::from_millis(500), "{silence:?}");
    let Some(quiet) = Lan::or_say("noarp") else { return };
    let silence = take_over(&quiet, addr, false);
    eprintln!("IPv4 without announcement: answered after {silence:?}, watched for 2 s");
    assert_eq!(silence, None, "the announcement is what made it work");
}

#[test]
fn with_a_neighbour_advertisement_an_ipv6_client_follows_at_once() {
    let Some(lan) = Lan::or_say("nd") else { return };
    let addr = "[fd77::100]:5060".parse().unwrap();
    let silence = take_over(&lan, addr, true).expect("an answer within 2 s");
    eprintln!("IPv6: the client was without an answer for {silence:?}");
    assert!(silence < Duration::from_millis(500), "{silence:?}");
    let Some(quiet) = Lan::or_say("nond") else { return };
    let silence = take_over(&quiet, addr, false);
    eprintln!("IPv6 without announcement: answered after {silence:?}, watched for 2 s");
    assert_eq!(silence, None, "the announcement is what made it work");
}

#[test]
fn acquiring_and_releasing_twice_is_no_error() {
    let Some(lan) = Lan::or_say("twice") else { return };
    for addr in ["10.77.0.101", "fd77::101"] {
        let work = async move || {
            let netlink = Netlink::new(NetlinkOptions::new("eth0"));
            let addr = addr.parse().unwrap();
            for _ in 0..2 {
                netlink.acquire(addr).await.unwrap();
                netlink.announce(addr).unwrap();
            }
        };
        lan.on(NEW, work).join().unwrap();
        assert!(lan.addresses(NEW).contains(addr), "{}", lan.addresses(NEW));
        let work = async move || {
            let netlink = Netlink::new(NetlinkOptions::new("eth0"));
            for _ in 0..2 {
                netlink.release(addr.parse().unwrap()).await.unwrap();
            }
        };
        lan.on(NEW, work).join().unwrap();
        assert!(!lan.addresses(NEW).contains(addr), "{}", lan.addresses(NEW));
    }
}

#[test]
fn a_missing_interface_is_named_and_has_nothing_to_release() {
    let netlink = Netlink::new(NetlinkOptions::new("holdline-none"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let addr: IpAddr = "192.0.2.1".parse().unwrap();
    let error = runtime.block_on(netlink.acquire(addr)).unwrap_err();
    assert!(matches!(error, MoveError::NoInterface { .. }), "{error}");
    assert!(error.to_string().contains("holdline-none"), "{error}");
    runtime.block_on(netlink.release(addr)).unwrap();
}
