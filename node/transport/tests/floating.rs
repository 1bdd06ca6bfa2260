//! Holding floating addresses, with a mover that fails on demand. Time is tokio's, paused, so that
//! retries cost no real time; the sockets are real, on the loopback interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use holdline_transport::floating::{Bind, FloatingAddresses, FloatingOptions, MoveError, Mover};
use holdline_transport::{SocketOptions, Sockets};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Notes what is asked of it; fails as often as it is told to.
#[derive(Debug, Default)]
struct Scripted {
    log: Mutex<Vec<(Instant, &'static str, IpAddr)>>,
    failures: Mutex<VecDeque<&'static str>>,
    /// Moves wait for a permit while this is set.
    gate: Option<Notify>,
}

impl Scripted {
    fn note(&self, action: &'static str, addr: IpAddr) -> Result<(), MoveError> {
        self.log.lock().unwrap().push((Instant::now(), action, addr));
        let mut failures = self.failures.lock().unwrap();
        if failures.front() == Some(&action) {
            failures.pop_front();
            return Err(MoveError::NoInterface { interface: "none0".to_owned(), addr });
        }
        Ok(())
    }

    fn actions(&self) -> Vec<&'static str> {
        self.log.lock().unwrap().iter().map(|(_, action, _)| *action).collect()
    }
}

#[async_trait]
impl Mover for Scripted {
    async fn acquire(&self, addr: IpAddr) -> Result<(), MoveError> {
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        self.note("acquire", addr)
    }

    async fn release(&self, addr: IpAddr) -> Result<(), MoveError> {
        self.note("release", addr)
    }

    fn announce(&self, addr: IpAddr) -> Result<(), MoveError> {
        self.note("announce", addr)
    }

    fn announce_again_after(&self) -> &[Duration] {
        const AGAIN: &[Duration] = &[Duration::from_millis(100), Duration::from_millis(400)];
        AGAIN
    }
}

struct Rig {
    sockets: Sockets,
    floating: FloatingAddresses,
    held: watch::Receiver<BTreeSet<SocketAddr>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    sockets_stop: CancellationToken,
}

fn rig(mover: Arc<dyn Mover>, options: FloatingOptions) -> Rig {
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let sockets_stop = CancellationToken::new();
    let (sockets, _batches) =
        Sockets::new(SocketOptions::default(), tasks.clone(), sockets_stop.clone());
    let floating = FloatingAddresses::start(options, mover, sockets.clone(), &tasks, stop.clone());
    let held = floating.held();
    Rig { sockets, floating, held, tasks, stop, sockets_stop }
}

impl Rig {
    async fn holds(&mut self, expected: &BTreeSet<SocketAddr>) {
        let held = self.held.wait_for(|held| held == expected);
        let held = tokio::time::timeout(Duration::from_secs(60), held).await;
        held.expect("held within 60 s").unwrap();
    }
}

/// Addresses with ports that are free now.
fn addresses(ips: &[&str]) -> BTreeSet<SocketAddr> {
    let free = |ip: &&str| std::net::UdpSocket::bind((*ip, 0)).unwrap().local_addr().unwrap();
    ips.iter().map(free).collect()
}

fn none() -> BTreeSet<SocketAddr> {
    BTreeSet::new()
}

#[tokio::test]
async fn bind_takes_an_address_over_from_a_node_that_still_has_it() {
    let mut dead = rig(Arc::new(Bind), FloatingOptions::default());
    let mut survivor = rig(Arc::new(Bind), FloatingOptions::default());
    let wanted = addresses(&["127.0.2.1", "127.0.2.2"]);
    dead.floating.hold(wanted.clone());
    dead.holds(&wanted).await;
    survivor.floating.hold(wanted.clone());
    survivor.holds(&wanted).await;
    assert_eq!(survivor.sockets.bound(), wanted.iter().copied().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn giving_up_is_immediate_for_the_sockets() {
    let mover = Arc::new(Scripted::default());
    let mut rig = rig(mover.clone(), FloatingOptions::default());
    let wanted = addresses(&["127.0.2.3"]);
    rig.floating.hold(wanted.clone());
    rig.holds(&wanted).await;
    rig.floating.hold(none());
    assert_eq!(rig.sockets.bound(), [], "before anything was awaited");
    rig.holds(&none()).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(mover.actions(), ["acquire", "announce", "release"]);
}

#[tokio::test(start_paused = true)]
async fn a_move_that_began_before_cannot_bind_what_was_given_up_since() {
    let mover = Arc::new(Scripted { gate: Some(Notify::new()), ..Scripted::default() });
    let rig = rig(mover.clone(), FloatingOptions::default());
    rig.floating.hold(addresses(&["127.0.2.4"]));
    tokio::time::sleep(Duration::from_millis(10)).await;
    rig.floating.hold(none());
    mover.gate.as_ref().unwrap().notify_one();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.sockets.bound(), []);
    assert_eq!(mover.actions(), ["acquire", "release"], "and it is taken off the host again");
}

#[tokio::test(start_paused = true)]
async fn failures_are_repeated_with_growing_pauses_while_it_is_wanted() {
    let failures = VecDeque::from(["acquire"; 5]);
    let mover = Arc::new(Scripted { failures: Mutex::new(failures), ..Scripted::default() });
    let options = FloatingOptions {
        retry_pause: Duration::from_millis(100),
        retry_pause_max: Duration::from_millis(800),
        ..FloatingOptions::default()
    };
    let mut rig = rig(mover.clone(), options);
    let wanted = addresses(&["127.0.2.5"]);
    rig.floating.hold(wanted.clone());
    rig.holds(&wanted).await;
    let log = mover.log.lock().unwrap();
    let acquires: Vec<_> = log.iter().filter(|(_, action, _)| *action == "acquire").collect();
    let pauses: Vec<_> = acquires.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert_eq!(pauses.len(), 5);
    for (pause, expected_ms) in pauses.iter().zip([100, 200, 400, 800, 800]) {
        let expected = Duration::from_millis(expected_ms);
        let late = pause.checked_sub(expected).expect("not earlier than it should");
        assert!(late < Duration::from_millis(5), "{pause:?} for {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_is_withdrawn_is_not_tried_again() {
    let failures = VecDeque::from(["acquire"; 1000]);
    let mover = Arc::new(Scripted { failures: Mutex::new(failures), ..Scripted::default() });
    let rig = rig(mover.clone(), FloatingOptions::default());
    rig.floating.hold(addresses(&["127.0.2.6"]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.floating.hold(none());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let tried = mover.actions().len();
    // A failed move may have been made half: so it is released once, for certain.
    assert_eq!(mover.actions().last(), Some(&"release"));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(mover.actions().len(), tried);
}

#[tokio::test(start_paused = true)]
async fn announcements_follow_binding_and_are_repeated_until_it_is_given_up() {
    let mover = Arc::new(Scripted::default());
    let mut rig = rig(mover.clone(), FloatingOptions::default());
    let wanted = addresses(&["127.0.2.7"]);
    rig.floating.hold(wanted.clone());
    rig.holds(&wanted).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(mover.actions(), ["acquire", "announce", "announce", "announce"]);
    let times: Vec<_> = mover.log.lock().unwrap().iter().map(|(at, _, _)| *at).collect();
    assert!(times[2] - times[1] >= Duration::from_millis(100));
    assert!(times[3] - times[1] >= Duration::from_millis(400));
    rig.floating.hold(none());
    rig.holds(&none()).await;
    rig.floating.hold(wanted.clone());
    rig.holds(&wanted).await;
    rig.floating.hold(none());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let late = mover.actions().split_off(4);
    assert_eq!(late, ["release", "acquire", "announce", "release"]);
}

#[tokio::test(start_paused = true)]
async fn ports_of_one_host_address_share_its_move() {
    let mover = Arc::new(Scripted::default());
    let mut rig = rig(mover.clone(), FloatingOptions::default());
    let both = addresses(&["127.0.2.8", "127.0.2.8"]);
    assert_eq!(both.len(), 2);
    rig.floating.hold(both.clone());
    rig.holds(&both).await;
    let one: BTreeSet<_> = both.iter().copied().take(1).collect();
    rig.floating.hold(one.clone());
    rig.holds(&one).await;
    assert_eq!(rig.sockets.bound(), one.iter().copied().collect::<Vec<_>>());
    assert!(!mover.actions().contains(&"release"));
}

#[tokio::test(start_paused = true)]
async fn leftovers_of_a_killed_run_are_released_unless_wanted() {
    let mover = Arc::new(Scripted::default());
    let wanted = addresses(&["127.0.2.9"]);
    let leftovers = ["127.0.2.9", "127.0.2.10"].map(|ip| ip.parse().unwrap());
    let options =
        FloatingOptions { leftovers: BTreeSet::from(leftovers), ..FloatingOptions::default() };
    let mut rig = rig(mover.clone(), options);
    rig.floating.hold(wanted.clone());
    rig.holds(&wanted).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let log = mover.log.lock().unwrap();
    let of = |ip: IpAddr| {
        log.iter()
            .filter(|(_, _, addr)| *addr == ip)
            .map(|(_, action, _)| *action)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(leftovers[0]), ["acquire", "announce"]);
    assert_eq!(of(leftovers[1]), ["release"]);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_cannot_be_bound_is_acquired_anew_until_it_can() {
    let mover = Arc::new(Scripted::default());
    let mut rig = rig(mover.clone(), FloatingOptions::default());
    let wanted = addresses(&["127.0.2.11"]);
    let addr = *wanted.first().unwrap();
    // Somebody without SO_REUSEADDR has it.
    let squatter = std::net::UdpSocket::bind(addr).unwrap();
    rig.floating.hold(wanted.clone());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(*rig.held.borrow(), none());
    drop(squatter);
    rig.holds(&wanted).await;
    let acquires = mover.actions().iter().filter(|action| **action == "acquire").count();
    assert!(acquires >= 2, "{acquires}");
}

#[tokio::test(start_paused = true)]
async fn stopping_gives_everything_up() {
    let mover = Arc::new(Scripted::default());
    let mut rig = rig(mover.clone(), FloatingOptions::default());
    let wanted = addresses(&["127.0.2.12", "127.0.2.13"]);
    rig.floating.hold(wanted.clone());
    rig.holds(&wanted).await;
    rig.stop.cancel();
    rig.holds(&none()).await;
    assert_eq!(rig.sockets.bound(), []);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let releases = mover.actions().iter().filter(|action| **action == "release").count();
    assert_eq!(releases, 2);
    rig.tasks.close();
    rig.sockets_stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), rig.tasks.wait()).await;
    ended.expect("all tasks have ended");
}
