//! The task that makes what is held follow what is wanted: one state per address, at most one move
//! in flight for each, failures repeated with growing pauses.
//!
//! It knows nothing for sure about the host: after a failed or interrupted move an address is in
//! state `Unknown`, and the next move, whichever way, is made in full.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{FloatingOptions, MoveError, Mover, Wish};
use crate::Ports;

/// Owns the state of all floating addresses of this node.
pub(super) struct Reconciler {
    options: FloatingOptions,
    mover: Arc<dyn Mover>,
    ports: Ports,
    wish: Arc<Wish>,
    publish: watch::Sender<BTreeSet<SocketAddr>>,
    stop: CancellationToken,
    addresses: BTreeMap<IpAddr, Address>,
    moves: FuturesUnordered<BoxFuture<'static, Moved>>,
}

/// One address of this host, or nearly.
struct Address {
    place: Place,
    /// A move is in flight.
    moving: bool,
    failures: u32,
    next_try: Instant,
    /// Due times of announcements, latest first.
    announcements: Vec<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Unknown,
    Here,
    NotHere,
}

struct Moved {
    addr: IpAddr,
    action: Action,
    result: Result<(), MoveError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Acquire,
    Release,
}

impl Reconciler {
    pub(super) fn new(
        options: FloatingOptions,
        mover: Arc<dyn Mover>,
        ports: Ports,
        wish: Arc<Wish>,
        publish: watch::Sender<BTreeSet<SocketAddr>>,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        let leftover = |addr: &IpAddr| (*addr, Address::new(Place::Unknown, now));
        let addresses = options.leftovers.iter().map(leftover).collect();
        let moves = FuturesUnordered::new();
        Self { options, mover, ports, wish, publish, stop, addresses, moves }
    }

    /// Runs until told to stop, then gives everything up.
    pub(super) async fn run(mut self) {
        let wish = Arc::clone(&self.wish);
        let stop = self.stop.clone();
        loop {
            self.step();
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = wish.changed.notified() => self.forgive(),
                Some(moved) = self.moves.next(), if !self.moves.is_empty() => self.moved(moved),
                () = sleep_until(wake) => {}
            }
        }
        self.give_up_all().await;
    }

    /// Starts and does all that is due now.
    fn step(&mut self) {
        let now = Instant::now();
        let wanted = self.wanted();
        for addr in wanted.iter().map(SocketAddr::ip) {
            self.addresses.entry(addr).or_insert_with(|| Address::new(Place::NotHere, now));
        }
        let addrs: Vec<IpAddr> = self.addresses.keys().copied().collect();
        for addr in addrs {
            let is_wanted = wanted.iter().any(|socket| socket.ip() == addr);
            self.step_address(addr, is_wanted, now);
        }
        self.addresses.retain(|addr, address| {
            address.moving
                || address.place != Place::NotHere
                || wanted.iter().any(|socket| socket.ip() == *addr)
        });
        self.publish_held(&wanted);
    }

    fn step_address(&mut self, addr: IpAddr, is_wanted: bool, now: Instant) {
        let Some(address) = self.addresses.get_mut(&addr) else { return };
        if !is_wanted {
            address.announcements.clear();
        }
        if address.moving {
            return;
        }
        let due = address.next_try <= now;
        match (is_wanted, address.place) {
            (true, Place::Here) => {
                if due {
                    self.bind_wanted(addr, now);
                }
                self.announce_due(addr, now);
            }
            (true, Place::NotHere | Place::Unknown) if due => self.start(addr, Action::Acquire),
            (false, Place::Here | Place::Unknown) if due => self.start(addr, Action::Release),
            (true | false, Place::NotHere | Place::Unknown | Place::Here) => {}
        }
    }

    fn start(&mut self, addr: IpAddr, action: Action) {
        if self.moves.len() >= self.options.concurrent_moves.max(1) {
            return;
        }
        if let Some(address) = self.addresses.get_mut(&addr) {
            address.moving = true;
            address.place = Place::Unknown;
            self.moves.push(self.attempt(addr, action));
        }
    }

    fn attempt(&self, addr: IpAddr, action: Action) -> BoxFuture<'static, Moved> {
        let mover = Arc::clone(&self.mover);
        Box::pin(async move {
            let result = match action {
                Action::Acquire => mover.acquire(addr).await,
                Action::Release => mover.release(addr).await,
            };
            Moved { addr, action, result }
        })
    }

    fn moved(&mut self, moved: Moved) {
        let Moved { addr, action, result } = moved;
        let outcome = if result.is_ok() { "done" } else { "failed" };
        counter!(MOVES, "action" => action.as_str(), "outcome" => outcome).increment(1);
        let now = Instant::now();
        let Some(address) = self.addresses.get_mut(&addr) else { return };
        address.moving = false;
        match result {
            Ok(()) => {
                info!(%addr, action = action.as_str(), "moved");
                address.place = match action {
                    Action::Acquire => Place::Here,
                    Action::Release => Place::NotHere,
                };
                address.failures = 0;
                address.next_try = now;
            }
            Err(error) => {
                let pause = address.failed(&self.options, now);
                let error = &error as &dyn std::error::Error;
                warn!(%addr, action = action.as_str(), error, ?pause, "not moved; trying again");
            }
        }
    }

    /// Binds what is wanted on an address that is here, and announces it once that is done.
    fn bind_wanted(&mut self, addr: IpAddr, now: Instant) {
        let mut newly_bound = false;
        let mut failed = false;
        // The lock is held while binding: see `Wish`.
        let wanted = self.wish.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        for socket in wanted.iter().filter(|socket| socket.ip() == addr) {
            if self.ports.is_bound(*socket) {
                continue;
            }
            match self.ports.bind(*socket) {
                Ok(_) => newly_bound = true,
                Err(error) => {
                    failed = true;
                    counter!(BIND_FAILURES).increment(1);
                    warn!(%socket, error = &error as &dyn std::error::Error, "not bound; trying again");
                }
            }
        }
        drop(wanted);
        let Some(address) = self.addresses.get_mut(&addr) else { return };
        if newly_bound {
            let again = self.mover.announce_again_after();
            let due = again.iter().map(|after| now + *after).chain([now]);
            address.announcements = due.collect();
            address.announcements.sort_unstable_by(|a, b| b.cmp(a));
        }
        if failed {
            address.failed(&self.options, now);
            // It may have been taken away from this host behind our back.
            address.place = Place::Unknown;
        }
    }

    fn announce_due(&mut self, addr: IpAddr, now: Instant) {
        let Some(address) = self.addresses.get_mut(&addr) else { return };
        let mut due = false;
        while address.announcements.pop_if(|at| *at <= now).is_some() {
            due = true;
        }
        if !due {
            return;
        }
        let result = self.mover.announce(addr);
        let outcome = if result.is_ok() { "done" } else { "failed" };
        counter!(ANNOUNCEMENTS, "outcome" => outcome).increment(1);
        if let Err(error) = result {
            warn!(%addr, error = &error as &dyn std::error::Error, "not announced");
        }
    }

    /// A new wish is tried at once, however often an older one failed.
    fn forgive(&mut self) {
        let now = Instant::now();
        for address in self.addresses.values_mut() {
            address.failures = 0;
            address.next_try = now;
        }
    }

    /// When something is due that no event announces.
    fn next_wake(&self) -> Option<Instant> {
        let now = Instant::now();
        let idle = self.addresses.values().filter(|address| !address.moving);
        let retry =
            idle.clone().filter_map(|address| (address.next_try > now).then_some(address.next_try));
        let announcement = idle.filter_map(|address| address.announcements.last().copied());
        retry.chain(announcement).min()
    }

    async fn give_up_all(&mut self) {
        let wanted = std::mem::take(
            &mut *self.wish.addresses.lock().unwrap_or_else(PoisonError::into_inner),
        );
        for socket in &wanted {
            self.ports.unbind(*socket);
        }
        self.publish.send_replace(BTreeSet::new());
        let deadline = Instant::now() + self.options.release_timeout;
        let all = async {
            // A move in flight ends first: releasing next to it could lose against it.
            while let Some(moved) = self.moves.next().await {
                self.moved(moved);
            }
            let here = |(addr, address): (&IpAddr, &Address)| {
                (address.place != Place::NotHere).then(|| self.attempt(*addr, Action::Release))
            };
            let releases: Vec<_> = self.addresses.iter().filter_map(here).collect();
            for moved in futures::future::join_all(releases).await {
                self.moved(moved);
            }
        };
        if tokio::time::timeout_at(deadline, all).await.is_err() {
            warn!(timeout = ?self.options.release_timeout, "stopping with addresses not given up");
        }
    }

    fn wanted(&self) -> BTreeSet<SocketAddr> {
        self.wish.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish_held(&self, wanted: &BTreeSet<SocketAddr>) {
        let here =
            |addr| self.addresses.get(&addr).is_some_and(|address| address.place == Place::Here);
        let held = |socket: &&SocketAddr| here(socket.ip()) && self.ports.is_bound(**socket);
        let held: BTreeSet<SocketAddr> = wanted.iter().filter(held).copied().collect();
        gauge!(HELD).set(u32::try_from(held.len()).unwrap_or(u32::MAX));
        self.publish.send_if_modified(|published| {
            let changed = *published != held;
            *published = held;
            changed
        });
    }
}

impl Address {
    const fn new(place: Place, now: Instant) -> Self {
        Self { place, moving: false, failures: 0, next_try: now, announcements: Vec::new() }
    }

    /// Notes a failure; returns the pause until the next attempt.
    fn failed(&mut self, options: &FloatingOptions, now: Instant) -> Duration {
        let factor = 1u32 << self.failures.min(16);
        let pause = options.retry_pause.saturating_mul(factor).min(options.retry_pause_max);
        self.failures = self.failures.saturating_add(1);
        self.next_try = now + pause;
        pause
    }
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Release => "release",
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

const MOVES: &str = "holdline_transport_floating_moves_total";
const ANNOUNCEMENTS: &str = "holdline_transport_floating_announcements_total";
const BIND_FAILURES: &str = "holdline_transport_floating_bind_failures_total";
const HELD: &str = "holdline_transport_floating_held";
