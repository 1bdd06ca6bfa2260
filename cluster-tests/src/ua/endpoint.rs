//! All calls of one agent, as a value: datagrams and orders in, datagrams out, time as an argument.
//!
//! Invariant: a message changes the call that its tags and branch name, or none; what belongs to
//! no call is a stray in the ledger and, if it is a request, answered 481.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::time::Instant;

use super::callee::Callee;
use super::caller::Caller;
use super::ids::Ids;
use super::ledger::{Anomaly, Entry, Kind, Ledger, Role, Stray, Way};
use super::message::{Draft, Message, Method, Start};
use super::plan::{CalleeScript, CallerPlan, Order, Tell};
use super::session::reply_address;
use super::syntax;

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: Bytes,
}

/// The calls of one agent.
#[derive(Debug)]
pub struct Endpoint {
    local: SocketAddr,
    ids: Ids,
    calls: Vec<Call>,
    by_tag: HashMap<String, usize>,
    by_branch: HashMap<String, usize>,
    by_call_id: HashMap<String, usize>,
    scripts: Vec<(String, CalleeScript)>,
    told: HashMap<String, Vec<Tell>>,
    timers: BTreeSet<(Instant, usize)>,
    out: VecDeque<Datagram>,
}

#[derive(Debug)]
struct Call {
    machine: Machine,
    call_id: String,
    invite_cseq: u32,
    armed: Option<Instant>,
}

#[derive(Debug)]
enum Machine {
    Caller(Box<Caller>),
    Callee(Box<Callee>),
}

/// What a call may touch while it handles something.
#[derive(Debug)]
pub(super) struct Cx<'a> {
    pub(super) now: Instant,
    pub(super) local: SocketAddr,
    pub(super) entry: &'a mut Entry,
    pub(super) ids: &'a mut Ids,
    out: &'a mut VecDeque<Datagram>,
}

impl Cx<'_> {
    /// Sends a message and notes it.
    pub(super) fn send(&mut self, to: SocketAddr, bytes: &Bytes, kind: Kind, repeat: bool) {
        self.entry.record(self.now, Way::Sent, kind, repeat);
        self.out.push_back(Datagram { to, bytes: bytes.clone() });
    }

    /// Notes a message received.
    pub(super) fn got(&mut self, kind: Kind, repeat: bool) {
        self.entry.record(self.now, Way::Received, kind, repeat);
    }

    /// Notes what must not happen.
    pub(super) fn odd(&mut self, anomaly: Anomaly) {
        self.entry.anomalies.push(anomaly);
    }
}

impl Endpoint {
    /// An endpoint without calls. Callees ring and answer at once unless scripts say otherwise.
    /// Endpoints of one test need different seeds.
    #[must_use]
    pub fn new(local: SocketAddr, seed: u64) -> Self {
        Self {
            local,
            ids: Ids::new(seed),
            calls: Vec::new(),
            by_tag: HashMap::new(),
            by_branch: HashMap::new(),
            by_call_id: HashMap::new(),
            scripts: vec![(String::new(), CalleeScript::answer_after_ms(0))],
            told: HashMap::new(),
            timers: BTreeSet::new(),
            out: VecDeque::new(),
        }
    }

    /// Carries out an order.
    pub fn order(&mut self, now: Instant, ledger: &mut Ledger, order: Order) {
        match order {
            Order::Place(plan) => self.place(now, ledger, plan),
            Order::Script(prefix, script) => {
                self.scripts.retain(|(other, _)| *other != prefix);
                self.scripts.push((prefix, script));
            }
            Order::Tell(number, tell) => {
                let known: Vec<usize> = (0..self.calls.len())
                    .filter(|place| ledger.entry(*place).is_some_and(|e| e.number == number))
                    .collect();
                for place in &known {
                    self.with(now, ledger, *place, |machine, cx| machine.tell(cx, tell));
                }
                if known.is_empty() {
                    self.told.entry(number).or_default().push(tell);
                }
            }
        }
    }

    /// Takes a datagram.
    pub fn receive(
        &mut self,
        now: Instant,
        ledger: &mut Ledger,
        from: SocketAddr,
        datagram: &Bytes,
    ) {
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(fault) => {
                let call_id = String::new();
                return ledger.stray(Stray { at: now, from, what: Err(fault), call_id });
            }
        };
        match self.place_of(&message) {
            Some(place) => self.with(now, ledger, place, |machine, cx| {
                machine.receive(cx, &message, datagram, from);
            }),
            None => self.unknown(now, ledger, from, message, datagram),
        }
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Instant, ledger: &mut Ledger) {
        while let Some(&(at, place)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(call) = self.calls.get_mut(place) {
                call.armed = None;
            }
            self.with(now, ledger, place, |machine, cx| machine.tick(cx));
        }
    }

    /// When [`Endpoint::tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next datagram to be sent.
    pub fn poll(&mut self) -> Option<Datagram> {
        self.out.pop_front()
    }

    fn place(&mut self, now: Instant, ledger: &mut Ledger, plan: CallerPlan) {
        let (tag, call_id) = (self.ids.token(), self.ids.token());
        let place = ledger.open(Entry::new(&plan.number, Role::Caller, &call_id));
        let Some(entry) = ledger.entry(place) else { return };
        let (local, ids, out) = (self.local, &mut self.ids, &mut self.out);
        let mut cx = Cx { now, local, entry, ids, out };
        let machine = Machine::Caller(Box::new(Caller::place(&mut cx, plan, &tag, &call_id)));
        self.add(machine, tag, call_id, 1);
    }

    /// The call that a message belongs to.
    fn place_of(&self, message: &Message) -> Option<usize> {
        let ours = match &message.start {
            Start::Response { .. } => message.tag("from"),
            Start::Request { .. } => message.tag("to"),
        };
        let place = match (&message.start, ours) {
            (_, Some(tag)) => self.by_tag.get(tag),
            (Start::Request { .. }, None) => self.by_branch.get(message.branch()),
            (Start::Response { .. }, None) => None,
        };
        let place = *place?;
        (self.calls.get(place)?.call_id == message.call_id()).then_some(place)
    }

    fn unknown(
        &mut self,
        now: Instant,
        ledger: &mut Ledger,
        from: SocketAddr,
        message: Message,
        raw: &Bytes,
    ) {
        let method = match &message.start {
            Start::Request { method, .. } => *method,
            Start::Response { .. } => return self.stray(now, ledger, from, &message),
        };
        let new = message.tag("to").is_none();
        let status = match method {
            Method::Invite if new => return self.take(now, ledger, from, message, raw),
            Method::Options if new => 200,
            Method::Invite | Method::Bye | Method::Cancel | Method::Options => {
                self.stray(now, ledger, from, &message);
                481
            }
            Method::Ack => return self.stray(now, ledger, from, &message),
            Method::Register | Method::Other => {
                self.stray(now, ledger, from, &message);
                501
            }
        };
        let bytes = Draft::response(&message, status, Some(&self.ids.token())).end(None);
        self.out.push_back(Datagram { to: reply_address(&message, from), bytes });
    }

    fn take(
        &mut self,
        now: Instant,
        ledger: &mut Ledger,
        from: SocketAddr,
        invite: Message,
        raw: &Bytes,
    ) {
        let tag = self.ids.token();
        let (call_id, cseq) = (invite.call_id().to_owned(), invite.cseq().0);
        if let Some(&place) = self.by_call_id.get(&call_id)
            && self.calls.get(place).is_some_and(|call| call.invite_cseq == cseq)
        {
            return self.with(now, ledger, place, |_, cx| {
                Callee::second_invite(cx, &invite, from, &tag);
            });
        }
        let number = match &invite.start {
            Start::Request { uri, .. } => syntax::user(uri).unwrap_or_default().to_owned(),
            Start::Response { .. } => return,
        };
        let branch = invite.branch().to_owned();
        let script = self.script(&number);
        let place = ledger.open(Entry::new(&number, Role::Callee, &call_id));
        let Some(entry) = ledger.entry(place) else { return };
        let (local, ids, out) = (self.local, &mut self.ids, &mut self.out);
        let mut cx = Cx { now, local, entry, ids, out };
        let callee = Callee::take(&mut cx, script, invite, raw.clone(), from, tag.clone());
        self.by_branch.insert(branch, place);
        self.by_call_id.insert(call_id.clone(), place);
        self.add(Machine::Callee(Box::new(callee)), tag, call_id, cseq);
        for tell in self.told.remove(&number).unwrap_or_default() {
            self.with(now, ledger, place, |machine, cx| machine.tell(cx, tell));
        }
    }

    /// The script of the longest prefix.
    fn script(&self, number: &str) -> CalleeScript {
        let fitting = self.scripts.iter().filter(|(prefix, _)| number.starts_with(prefix.as_str()));
        let longest = fitting.max_by_key(|(prefix, _)| prefix.len());
        longest.map_or(CalleeScript::answer_after_ms(0), |(_, script)| *script)
    }

    fn add(&mut self, machine: Machine, tag: String, call_id: String, invite_cseq: u32) {
        let place = self.calls.len();
        self.by_tag.insert(tag, place);
        self.calls.push(Call { machine, call_id, invite_cseq, armed: None });
        self.arm(place);
    }

    /// Lets one call handle something and arms its timer again.
    fn with(
        &mut self,
        now: Instant,
        ledger: &mut Ledger,
        place: usize,
        handle: impl FnOnce(&mut Machine, &mut Cx<'_>),
    ) {
        let (Some(call), Some(entry)) = (self.calls.get_mut(place), ledger.entry(place)) else {
            return;
        };
        let (local, ids, out) = (self.local, &mut self.ids, &mut self.out);
        handle(&mut call.machine, &mut Cx { now, local, entry, ids, out });
        self.arm(place);
    }

    fn arm(&mut self, place: usize) {
        let Some(call) = self.calls.get_mut(place) else { return };
        let next = call.machine.deadline();
        if next == call.armed {
            return;
        }
        if let Some(old) = call.armed {
            self.timers.remove(&(old, place));
        }
        call.armed = next;
        self.timers.extend(next.map(|at| (at, place)));
    }

    fn stray(&self, at: Instant, ledger: &mut Ledger, from: SocketAddr, message: &Message) {
        let call_id = message.call_id().to_owned();
        ledger.stray(Stray { at, from, what: Ok(Kind::of(message)), call_id });
    }
}

impl Machine {
    fn receive(&mut self, cx: &mut Cx<'_>, message: &Message, raw: &Bytes, from: SocketAddr) {
        match self {
            Self::Caller(call) => call.receive(cx, message, raw, from),
            Self::Callee(call) => call.receive(cx, message, raw, from),
        }
    }

    fn tell(&mut self, cx: &mut Cx<'_>, tell: Tell) {
        match self {
            Self::Caller(call) => call.tell(cx, tell),
            Self::Callee(call) => call.tell(cx, tell),
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        match self {
            Self::Caller(call) => call.tick(cx),
            Self::Callee(call) => call.tick(cx),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Caller(call) => call.deadline(),
            Self::Callee(call) => call.deadline(),
        }
    }
}

/// A session description that names the agent's address; nobody sends media.
pub(super) fn sdp(local: SocketAddr, who: &str) -> String {
    let (family, ip) = (if local.is_ipv4() { "IP4" } else { "IP6" }, local.ip());
    format!(
        "v=0\r\no={who} 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
}
