//! A shard: one task with one [`CallEngine`], for the slots whose number falls to it.
//!
//! It carries out what the engine asks for: proposals and timers at once, sends in order at the end of
//! each turn, so that many share a system call. It has no opinion on calls. Proposals never block it:
//! one that the batcher refuses comes back to the engine as undecided, and is made again.
//!
//! Invariant: the lease is looked at whenever the task wakes, before the engine is; without a valid
//! lease the engine is suspended, so nothing is sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdline_call::{
    Authentication, CallEngine, Event, Input, Listeners, Output, TrunkView, Undecided,
};
use holdline_model::{
    CallChange, CallId, CallRecord, Command, Epoch, Hop, Millis, Name, Reply, SlotId, Step,
    Transport,
};
use holdline_raft::{Decided, Lease, RaftHandle, ReplyTo};
use holdline_transport::Datagram;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::catch_up::CatchUp;
use super::egress::Egress;
use super::expected::Expected;
use super::lookups::Lookups;
use super::report;
use super::trunks::{TellTrunks, ToTrunks};
use crate::clock::Clock;
use crate::protect::Protection;
use crate::protect::pressure::{QueueWatch, nanos};

/// What a shard is told.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are engine inputs, and a box would cost an allocation for each message"
)]
pub(crate) enum ToShard {
    /// Something for the engine.
    Engine(Input),
    /// What listens at the cluster's addresses, from now on.
    Listeners(Arc<Listeners>),
    /// Slots of this shard are ours; their calls follow.
    Expect(Vec<SlotId>),
    /// A slot of this shard is ours.
    Gained {
        /// Which.
        slot: SlotId,
        /// In which epoch.
        epoch: Epoch,
        /// Its calls.
        calls: Vec<CallRecord>,
        /// When the change of owner was seen here.
        seen: Instant,
    },
}

/// The parts that a shard works with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) engine: CallEngine,
    pub(crate) inputs: mpsc::Receiver<ToShard>,
    pub(crate) raft: RaftHandle,
    pub(crate) lease: Lease,
    pub(crate) egress: Egress,
    pub(crate) clock: Clock,
    pub(crate) protection: Arc<Protection>,
    /// Measures how long inputs wait.
    pub(crate) watch: QueueWatch,
    /// How many calls are up, for whoever wants to know.
    pub(crate) calls: Arc<AtomicUsize>,
    /// What is known of the trunks.
    pub(crate) trunks: watch::Receiver<Arc<TrunkView>>,
    /// How many calls each trunk has here.
    pub(crate) trunk_calls: watch::Sender<BTreeMap<Name, u64>>,
    /// Where what calls find out about trunks goes.
    pub(crate) tell_trunks: TellTrunks,
    /// Answers that wait for a name.
    pub(crate) lookups: Lookups,
}

/// Runs a shard until `stop` is cancelled.
pub(crate) async fn run(parts: Parts, stop: CancellationToken) {
    let (to, decided) = mpsc::channel(DECIDED_QUEUE);
    let tell_calls_at = parts.clock.monotonic();
    let catch_up = CatchUp::new(parts.raft.clone());
    let shard = Shard {
        parts,
        decided_to: to,
        decided,
        proposed: HashMap::new(),
        last_token: 0,
        suspended: false,
        valid_since: None,
        outbox: Vec::with_capacity(OUTBOX),
        tell_calls_at,
        catch_up,
        expected: Expected::default(),
    };
    shard.run(stop).await;
}

/// What a proposal was made for.
#[derive(Clone, Copy, Debug)]
enum Proposed {
    Call {
        call: CallId,
        step: Step,
        /// It is the call's admission.
        admits: bool,
    },
    Register(u64),
}

impl Proposed {
    fn decided(self, outcome: Result<Reply, Undecided>) -> Input {
        match self {
            Self::Call { call, step, .. } => Input::Decided { call, step, outcome },
            Self::Register(ticket) => Input::Registered { ticket, outcome },
        }
    }
}

struct Shard {
    parts: Parts,
    decided_to: mpsc::Sender<Decided>,
    decided: mpsc::Receiver<Decided>,
    /// Proposals in flight, by token; at most one per call, and the engine bounds its calls and its
    /// REGISTERs.
    proposed: HashMap<u64, (Proposed, Instant)>,
    last_token: u64,
    suspended: bool,
    /// Since when the lease is held again, while the engine is still suspended.
    valid_since: Option<Instant>,
    /// What is to be sent at the end of this turn, at the latest.
    outbox: Vec<Datagram>,
    /// When calls by trunk may be told again.
    tell_calls_at: Instant,
    /// Calls that are refused only by what is current.
    catch_up: CatchUp,
    /// What waits for a slot's calls.
    expected: Expected,
}

impl Shard {
    async fn run(mut self, stop: CancellationToken) {
        let mut inputs = Vec::with_capacity(BATCH);
        let mut decided = Vec::with_capacity(BATCH);
        let mut ready = Vec::new();
        loop {
            let pause = self.pause();
            if self.parts.inputs.is_empty() {
                self.parts.watch.idle();
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = self.decided.recv_many(&mut decided, BATCH) => {}
                count = self.parts.inputs.recv_many(&mut inputs, BATCH) => if count == 0 { return },
                found = self.parts.lookups.ready() => ready = found,
                told = self.catch_up.ready() => ready = told,
                () = tokio::time::sleep(pause) => {}
            }
            self.measure(!inputs.is_empty());
            self.follow_lease();
            self.follow_trunks();
            for outcome in decided.drain(..) {
                self.outcome(outcome);
            }
            for input in inputs.drain(..) {
                self.input(input);
            }
            for input in ready.drain(..) {
                self.engine(input);
            }
            self.tick();
            self.parts.egress.send_all(&mut self.outbox);
            self.parts.calls.store(self.parts.engine.live_calls(), Ordering::Relaxed);
            self.tell_trunk_calls();
            if self.has_more() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Whether something waits already. The runtime lets a task that always finds something go on for a hundred
    /// turns: where there are few processors, leases and commits would wait for so long.
    fn has_more(&self) -> bool {
        !self.parts.inputs.is_empty() || !self.decided.is_empty()
    }

    /// How long nothing is due. Bounded, because nobody says when a lease ends.
    fn pause(&self) -> Duration {
        if self.suspended {
            return LEASE_POLL;
        }
        let now = self.parts.clock.now();
        let due = self.parts.engine.next_timer().map(|at| Duration::from_millis(at.since(now)));
        due.unwrap_or(IDLE_POLL).min(IDLE_POLL)
    }

    fn follow_lease(&mut self) {
        let now = self.parts.clock.monotonic();
        let valid = self.parts.lease.is_valid(now);
        if !valid {
            self.valid_since = None;
        }
        let suspended = !valid || (self.suspended && !self.may_resume(now));
        if suspended != self.suspended {
            self.suspended = suspended;
            let now = self.parts.clock.now();
            self.feed(now, Input::Suspended(suspended));
        }
    }

    /// Before the inputs, so that a call is given to a trunk by what is known of it now.
    fn follow_trunks(&mut self) {
        if self.parts.trunks.has_changed().unwrap_or(false) {
            let view = Arc::clone(&self.parts.trunks.borrow_and_update());
            let now = self.parts.clock.now();
            self.feed(now, Input::Trunks(view));
        }
    }

    /// At most ten times a second: the counts change with every call.
    fn tell_trunk_calls(&mut self) {
        let now = self.parts.clock.monotonic();
        if now < self.tell_calls_at {
            return;
        }
        if let Some(calls) = self.parts.engine.take_trunk_calls() {
            self.tell_calls_at = now + TELL_CALLS_EVERY;
            self.parts.trunk_calls.send_replace(calls.clone());
        }
    }

    /// Whether a node that holds its lease again may speak. Its addresses, which went with the lease,
    /// come back a moment later: what is said before is lost, and an ACK is said only once.
    fn may_resume(&mut self, now: Instant) -> bool {
        let since = *self.valid_since.get_or_insert(now);
        self.parts.egress.is_home() || now.saturating_duration_since(since) >= ADDRESS_WAIT
    }

    fn outcome(&mut self, decided: Decided) {
        let Some((proposed, since)) = self.proposed.remove(&decided.token) else { return };
        if decided.outcome.is_ok() {
            let took = nanos(self.parts.clock.monotonic(), since);
            self.parts.protection.pressure.committed(took);
            if matches!(proposed, Proposed::Call { admits: true, .. }) {
                self.parts.protection.pressure.admitted();
            }
        }
        let outcome = decided.outcome.map_err(|_| Undecided);
        let now = self.parts.clock.now();
        self.feed(now, proposed.decided(outcome));
    }

    fn input(&mut self, input: ToShard) {
        let now = self.parts.clock.now();
        match input {
            ToShard::Engine(input) => {
                let input = self.expected.pass(input);
                if let Some(input) = input.and_then(|input| self.parts.lookups.pass(input)) {
                    self.engine(input);
                }
            }
            ToShard::Expect(slots) => self.expected.expect(slots),
            ToShard::Listeners(listeners) => self.parts.engine.set_listeners(listeners),
            ToShard::Gained { slot, epoch, calls, seen } => {
                let count = calls.len();
                self.feed(now, Input::Gained { slot, epoch, calls });
                let took = self.parts.clock.monotonic().saturating_duration_since(seen);
                report::recovered(slot, epoch, count, took);
                for input in self.expected.arrived(slot) {
                    self.input(ToShard::Engine(input));
                }
            }
        }
    }

    fn engine(&mut self, input: Input) {
        let now = self.parts.clock.now();
        match self.shut(&input) {
            None => self.feed(now, input),
            Some(retry_after) => {
                self.parts.engine.shed(now, input, retry_after);
                self.drain(now);
            }
        }
    }

    fn tick(&mut self) {
        let now = self.parts.clock.now();
        if !self.suspended && self.parts.engine.next_timer().is_some_and(|at| at <= now) {
            self.feed(now, Input::Tick);
        }
    }

    fn feed(&mut self, now: Millis, input: Input) {
        self.parts.engine.handle(now, input);
        self.drain(now);
    }

    /// Counts a new call; if the node is overloaded, what Retry-After is to say.
    fn shut(&self, input: &Input) -> Option<Duration> {
        if self.suspended {
            return None;
        }
        let call = self.parts.engine.new_call(input)?;
        let protection = &self.parts.protection;
        let now_ns = protection.clock.elapsed_ns();
        protection.tops.call(now_ns, &call.tenant, call.from, call.to);
        let shut = protection.enter(call.to).err()?;
        Some(Duration::from_secs(shut.retry_after_s.into()))
    }

    /// Inputs were taken, if any were: how long they have waited.
    fn measure(&mut self, taken: bool) {
        if taken {
            let now = self.parts.clock.monotonic();
            let left = !self.parts.inputs.is_empty();
            self.parts.watch.taken(&self.parts.protection.pressure, now, left);
        }
    }

    /// Carries out what the engine asks for.
    fn drain(&mut self, now: Millis) {
        while let Some(output) = self.parts.engine.poll() {
            match output {
                Output::Send { hop, bytes } => self.send(hop, bytes),
                Output::Propose(command) => {
                    let admits = matches!(command.change, CallChange::Admit(_));
                    let (call, step) = (command.call, command.step);
                    let proposed = Proposed::Call { call, step, admits };
                    self.propose(now, &Command::Call(command), proposed);
                }
                Output::Register { ticket, command } => {
                    self.propose(now, &Command::Register(command), Proposed::Register(ticket));
                }
                Output::CatchUp { ticket } => self.catch_up.ask(ticket),
                Output::Event(Event::Trunk(news)) => {
                    self.parts.tell_trunks.tell(ToTrunks::News(news));
                }
                Output::Event(event) => {
                    if let Event::Authenticated { outcome: Authentication::Wrong, source } = &event
                    {
                        self.parts.protection.auth_failed(*source);
                    }
                    report::event(&event);
                }
            }
        }
    }

    fn send(&mut self, hop: Hop, bytes: Bytes) {
        if hop.transport != Transport::Udp {
            self.parts.egress.send(hop, bytes, 0);
            return;
        }
        self.outbox.push(Datagram { local: hop.local, peer: hop.peer, bytes });
        if self.outbox.len() >= OUTBOX {
            self.parts.egress.send_all(&mut self.outbox);
        }
    }

    fn propose(&mut self, now: Millis, command: &Command, proposed: Proposed) {
        self.last_token += 1;
        let token = self.last_token;
        let reply_to = ReplyTo { token, to: self.decided_to.clone() };
        match self.parts.raft.submit(command, reply_to) {
            Ok(()) => {
                self.proposed.insert(token, (proposed, self.parts.clock.monotonic()));
            }
            Err(refused) => {
                tracing::debug!(?proposed, error = %refused, "a proposal was refused");
                self.parts.protection.pressure.unproposed();
                self.parts.engine.handle(now, proposed.decided(Err(Undecided)));
            }
        }
    }
}

/// Inputs and outcomes handled per wake-up.
const BATCH: usize = 256;

/// Datagrams that wait for the end of a turn at most.
const OUTBOX: usize = 64;

/// Outcomes that may wait for a shard; then the batcher waits.
const DECIDED_QUEUE: usize = 16_384;

/// How often calls by trunk are told at most.
const TELL_CALLS_EVERY: Duration = Duration::from_millis(100);

/// How long addresses are waited for; then it is better to speak without some of them.
const ADDRESS_WAIT: Duration = Duration::from_millis(500);

/// How often a suspended shard looks whether it holds the lease again.
const LEASE_POLL: Duration = Duration::from_millis(10);

/// How often a shard with nothing to do looks at its lease.
const IDLE_POLL: Duration = Duration::from_millis(100);
