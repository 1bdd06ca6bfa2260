//! The network between the machines: datagrams and streams, links with faults, one queue of what is
//! on its way.
//!
//! | file | what |
//! |---|---|
//! | `link` | what a link does to what is sent over it |
//! | `datagrams` | UDP: SIP and gossip |
//! | `streams` | TCP |
//! | `place` | what one run of a machine's software has of the network |
//!
//! A link has a direction, so that it can be cut one way. Datagrams are lost, delayed, reordered and
//! doubled by it; a stream only waits, as TCP does, which sends again what was lost.
//!
//! Invariant: nothing here is woken or dropped while the lock is held, because a task that is
//! dropped may own streams.

mod datagrams;
mod link;
mod place;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;

pub use datagrams::{Inbox, Tap};
pub use link::Link;
pub use place::Place;
pub use streams::{Acceptor, SimStream};

use crate::random::Random;
use crate::trace::Trace;
use datagrams::Binding;
use streams::Streams;

/// A machine: the nodes first, then the far ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

impl std::fmt::Display for HostId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "h{}", self.0)
    }
}

/// The network. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Net(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now_us: u64,
    random: Random,
    trace: Trace,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    links: BTreeMap<(HostId, HostId), Link>,
    usual: Link,
    /// Runs of machines that are up; what an earlier run opened is dead.
    runs: BTreeMap<HostId, u64>,
    bindings: BTreeMap<SocketAddr, Vec<Binding>>,
    streams: Streams,
    tap: Option<Box<dyn Tap>>,
    /// What is to be done when the lock is released.
    later: Vec<Later>,
    counts: Counts,
}

/// What was sent and what became of it, for the run's summary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Datagrams sent.
    pub sent: u64,
    /// Lost, or refused by a cut link.
    pub lost: u64,
    /// Arrived twice.
    pub doubled: u64,
    /// Sent to an address that nobody had.
    pub homeless: u64,
}

/// Something on its way.
#[derive(Debug)]
enum Event {
    Datagram { from_host: HostId, from: SocketAddr, to: SocketAddr, bytes: Bytes, sip: bool },
    Stream(streams::Event),
}

/// What must not be done while the lock is held.
#[derive(Debug)]
enum Later {
    Wake(Waker),
    Give(Inbox, SocketAddr, SocketAddr, Bytes),
}

/// A datagram for a far end, which has no task that waits for it.
#[derive(Debug)]
pub struct Arrived {
    /// Where from.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: Bytes,
}

impl Net {
    /// A network without faults.
    #[must_use]
    pub fn new(random: Random, trace: Trace) -> Self {
        let state = State {
            now_us: 0,
            random,
            trace,
            queue: BTreeMap::new(),
            sequence: 0,
            links: BTreeMap::new(),
            usual: Link::default(),
            runs: BTreeMap::new(),
            bindings: BTreeMap::new(),
            streams: Streams::default(),
            tap: None,
            later: Vec::new(),
            counts: Counts::default(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Shows every SIP datagram that a node sends to `tap`, before it leaves.
    pub fn tap(&self, tap: Box<dyn Tap>) {
        self.lock().tap = Some(tap);
    }

    /// Notes something in the trace.
    pub fn note(&self, what: std::fmt::Arguments<'_>) {
        let mut state = self.lock();
        let now = state.now_us;
        state.trace.note(now, what);
    }

    /// The trace's hash and length.
    #[must_use]
    pub fn traced(&self) -> (u64, u64) {
        let state = self.lock();
        (state.trace.hash(), state.trace.lines())
    }

    /// What was sent so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Starts a run of a machine's software: what it opens belongs to this run.
    #[must_use]
    pub fn boot(&self, host: HostId) -> Place {
        let mut state = self.lock();
        let run = state.sequence;
        state.sequence += 1;
        state.runs.insert(host, run);
        drop(state);
        Place { net: self.clone(), host, run }
    }

    /// Ends a run. A process that dies leaves a machine that resets its connections; a machine that
    /// loses power says nothing.
    pub fn end(&self, host: HostId, resets: bool) {
        let mut state = self.lock();
        state.runs.remove(&host);
        for bindings in state.bindings.values_mut() {
            bindings.retain(|binding| binding.host != host);
        }
        state.end_streams(host, resets);
        self.release(state);
    }

    /// Sets the link from one machine to another.
    pub fn set_link(&self, from: HostId, to: HostId, change: impl FnOnce(&mut Link)) {
        let mut state = self.lock();
        let usual = state.usual;
        change(state.links.entry((from, to)).or_insert(usual));
    }

    /// Sets all links, those that were set one by one included.
    pub fn set_links(&self, change: impl Fn(&mut Link)) {
        let mut state = self.lock();
        change(&mut state.usual);
        state.links.values_mut().for_each(change);
    }

    /// Goes on to a time; what arrives until then is handed over. Returns what is for far ends.
    pub fn advance(&self, now_us: u64) -> Vec<Arrived> {
        let mut state = self.lock();
        state.now_us = now_us;
        let mut arrived = Vec::new();
        while let Some(entry) = state.queue.first_entry()
            && entry.key().0 <= now_us
        {
            match entry.remove() {
                Event::Datagram { from_host, from, to, bytes, sip } => {
                    arrived.extend(state.datagram_arrives(from_host, from, to, bytes, sip));
                }
                Event::Stream(event) => state.stream_event(event),
            }
        }
        self.release(state);
        arrived
    }

    /// The machine that has an address now.
    #[must_use]
    pub fn holder(&self, addr: SocketAddr) -> Option<HostId> {
        self.lock().bindings.get(&addr)?.last().map(|binding| binding.host)
    }

    /// The machines that have an address, and the address.
    #[must_use]
    pub fn bound(&self) -> BTreeSet<(SocketAddr, HostId)> {
        let state = self.lock();
        let each = state.bindings.iter();
        each.flat_map(|(addr, all)| all.iter().map(|binding| (*addr, binding.host))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlocks, then does what had to wait for that.
    fn release(&self, mut state: MutexGuard<'_, State>) {
        let later = std::mem::take(&mut state.later);
        drop(state);
        for what in later {
            match what {
                Later::Wake(waker) => waker.wake(),
                Later::Give(inbox, local, peer, bytes) => inbox.give(local, peer, bytes),
            }
        }
    }
}

impl State {
    fn link(&self, from: HostId, to: HostId) -> Link {
        self.links.get(&(from, to)).copied().unwrap_or(self.usual)
    }

    fn push(&mut self, at_us: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at_us, self.sequence), event);
    }

    fn is_up(&self, host: HostId, run: u64) -> bool {
        self.runs.get(&host) == Some(&run)
    }
}
