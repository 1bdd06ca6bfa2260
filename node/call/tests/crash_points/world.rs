//! Three nodes, two far ends and a network on virtual time. A run is a function of its [`Point`].

mod strike;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use holdline_call::{Event as EngineEvent, Input, Output, Undecided};
use holdline_model::{
    CallCommand, CallId, CallRecord, Epoch, Hop, Millis, NodeId, Reply, SlotId, Step, Token,
};
use holdline_sip::message::Message;

use super::callee::Callee;
use super::caller::Caller;
use super::consensus::{Consensus, SLOTS};
use super::directory::Bindings;
use super::limit::Limit;
use super::network::Network;
use super::node::{self, Counts, Node, address};
use super::point::{Fault, Mutant, Point};
use super::resends::{Datagram, Wish};
use super::text::Text;
use super::topology::Topology;
use super::trace::Seen;

/// When every run begins.
pub(crate) const START: u64 = 1_000_000;
/// How long a run may take before it counts as stuck.
const HORIZON_MS: u64 = 300_000;
const SWEEP_EVERY_MS: u64 = 5_000;
/// How long a reply to a proposal takes to come back.
const REPLY_MS: u64 = 1;
const MAX_TICKS_AT_ONCE: u32 = 100;

/// What happens at a time.
#[derive(Debug)]
enum Due {
    Arrive(SocketAddr, SocketAddr, Bytes),
    Apply(NodeId, Box<CallCommand>, Option<Fault>),
    Decided(NodeId, CallId, Step, Result<Reply, Undecided>),
    Takeover(NodeId),
    Licence(NodeId, SlotId, Epoch, Vec<CallRecord>),
    Deposed(NodeId, SlotId),
    Lease(NodeId),
    Admin,
    Sweep,
    LimitTick,
}

/// The whole world.
#[derive(Debug)]
pub(crate) struct World {
    point: Point,
    now: u64,
    order: u64,
    due: BTreeMap<(u64, u64), Due>,
    nodes: Vec<Node>,
    pub(crate) consensus: Consensus,
    /// Which node has the address that the call goes to; nobody while its owner is dead.
    holder: Option<NodeId>,
    network: Network,
    pub(crate) caller: Caller,
    pub(crate) callees: Vec<Callee>,
    pub(crate) trace: Vec<Seen>,
    pub(crate) complaints: Vec<String>,
    topology: Topology,
    pub(crate) takeovers: u32,
}

impl World {
    pub(crate) fn new(point: &Point) -> Self {
        let switch = address(NodeId(1));
        let caller = Caller::new(point.script.caller, point.flavour, switch);
        let plans = point.script.callees.iter().enumerate();
        let callees: Vec<Callee> =
            plans.map(|(index, plan)| Callee::new(*plan, point.flavour, index)).collect();
        let targets: Vec<SocketAddr> = callees.iter().map(Callee::address).collect();
        let bindings = point.script.bindings;
        let users = (!bindings.is_empty()).then(|| Bindings::new(&targets, bindings));
        let trunks = if users.is_some() { &[][..] } else { &targets[..] };
        let caller_at = super::dialog::Path::caller(point.flavour).source();
        let routing = node::routing(point.script, caller_at, trunks);
        let node = |id| Node::new(NodeId(id), point.script, &routing, users.as_ref());
        let mut nodes: Vec<Node> = (1..=3).map(node).collect();
        for (node, fault) in nodes.iter_mut().zip(&point.faults) {
            node.fault = Some(*fault);
        }
        Self {
            point: point.clone(),
            now: START,
            order: 0,
            due: BTreeMap::new(),
            nodes,
            consensus: Consensus::new(Millis(START), point.mutant, point.script.limit),
            holder: Some(NodeId(1)),
            network: Network::new(point.seed, point.loss),
            caller,
            callees,
            trace: Vec::new(),
            complaints: Vec::new(),
            topology: Topology::default(),
            takeovers: 0,
        }
    }

    /// Runs until everything is over and swept, or stuck.
    pub(crate) fn run(&mut self) {
        for id in (1..=3).map(NodeId) {
            for slot in self.consensus.slots_of(id) {
                let (slot, epoch, calls) = self.consensus.licence(slot);
                self.feed(id, Input::Gained { slot, epoch, calls });
            }
        }
        self.at(SWEEP_EVERY_MS, Due::Sweep);
        if self.point.script.limit != Limit::Free {
            self.at(holdline_model::limits::LIMIT_TICK_MS, Due::LimitTick);
        }
        if let Some(wait_ms) = self.point.script.admin_after_ms {
            self.at(wait_ms, Due::Admin);
        }
        let mut wish = Wish::default();
        self.caller.call(self.now, &mut wish);
        self.carry_out(wish);
        while !self.is_over() {
            if !self.step() || self.now > START + HORIZON_MS {
                self.complain("the run does not come to an end");
                return;
            }
        }
    }

    /// Whether datagrams are lost.
    pub(crate) fn is_lossy(&self) -> bool {
        self.point.loss > 0
    }

    /// What the first owner did.
    pub(crate) fn counts(&self) -> Counts {
        self.nodes.first().map(|node| node.counts).unwrap_or_default()
    }

    /// What the second owner did, once there was one.
    pub(crate) fn second_counts(&self) -> Counts {
        self.nodes.get(1).map(|node| node.counts).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        let refused = self.point.script.limit.may_refuse() && self.caller.status.is_some();
        (refused || !self.consensus.tables.cdrs.is_empty())
            && self.consensus.tables.calls.is_empty()
            && self.caller.is_idle()
            && self.callees.iter().all(Callee::is_idle)
            && self.nodes.iter().all(Node::is_empty)
            && !self
                .due
                .values()
                .any(|due| !matches!(due, Due::Sweep | Due::LimitTick | Due::Admin))
    }

    /// Does what is due next; false if nothing ever is.
    fn step(&mut self) -> bool {
        let ends =
            self.caller.next().into_iter().chain(self.callees.iter().filter_map(Callee::next));
        let engines = self.nodes.iter().filter_map(Node::next_timer);
        let queued = self.due.keys().next().map(|(at, _)| *at);
        let Some(next) = ends.chain(engines).chain(queued).min() else { return false };
        self.now = self.now.max(next);
        if queued == Some(next) {
            if let Some((_, due)) = self.due.pop_first() {
                self.happen(due);
            }
            return true;
        }
        let mut wish = Wish::default();
        self.caller.tick(self.now, &mut wish);
        for callee in &mut self.callees {
            callee.tick(self.now, &mut wish);
        }
        self.carry_out(wish);
        for index in 0..self.nodes.len() {
            self.tick_node(index);
        }
        true
    }

    fn tick_node(&mut self, index: usize) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        if node.next_timer().is_none_or(|at| at > self.now) {
            return;
        }
        let id = node.id;
        let (at, times) = node.spinning;
        node.spinning = if at == self.now { (at, times + 1) } else { (self.now, 1) };
        if node.spinning.1 > MAX_TICKS_AT_ONCE {
            node.alive = false;
            self.complain(format!("the engine of node {id} spins"));
            return;
        }
        self.stimulate(id, Input::Tick);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Arrive(from, to, bytes) => self.arrive(from, to, bytes),
            Due::Apply(node, command, fault) => self.apply(node, &command, fault),
            Due::Decided(node, call, step, outcome) => {
                self.feed(node, Input::Decided { call, step, outcome });
            }
            Due::Takeover(dead) => self.take_over(dead),
            Due::Licence(node, slot, epoch, calls) => {
                self.holder = Some(node);
                for callee in &mut self.callees {
                    callee.heard = false;
                }
                self.feed(node, Input::Gained { slot, epoch, calls });
            }
            Due::Deposed(node, slot) => self.feed(node, Input::Lost { slot }),
            Due::Lease(node) => self.feed(node, Input::Suspended(false)),
            Due::Admin => self.admin(),
            Due::LimitTick => {
                self.consensus.tick(Millis(self.now));
                self.at(holdline_model::limits::LIMIT_TICK_MS, Due::LimitTick);
            }
            Due::Sweep => {
                self.consensus.sweep(Millis(self.now));
                self.at(SWEEP_EVERY_MS, Due::Sweep);
            }
        }
    }

    /// The administrator tries until the call is over: a node that died did not answer the request.
    fn admin(&mut self) {
        if let (Some(call), Some(node)) = (self.consensus.live_call(), self.holder) {
            self.stimulate(node, Input::HangUp { call });
        }
        if self.consensus.tables.cdrs.is_empty() {
            self.at(1_000, Due::Admin);
        }
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        if to == address(NodeId(1)) {
            let ours = to.ip().to_string();
            self.topology.heard(&self.party(from), &ours, &bytes);
            let Some(node) = self.holder else { return };
            match Message::parse(bytes) {
                Ok(message) => {
                    let (slot, answers) = (slot_of(&message), !message.is_request());
                    self.stimulate(node, Input::Sip { hop: Hop::udp(to, from), message, slot });
                    if answers {
                        self.hear(node, from);
                    }
                }
                Err(error) => self.complain(format!("the switch cannot read a far end: {error}")),
            }
            return;
        }
        let Some(text) = Text::parse(&bytes) else {
            self.complain(format!("not a message: {}", String::from_utf8_lossy(&bytes)));
            return;
        };
        let mut wish = Wish::default();
        if text.status() == Some(481) {
            wish.complain("wire", format!("481 to {to}: {}", text.brief()));
        }
        if self.caller.owns(to) {
            let whole = String::from_utf8_lossy(&bytes);
            self.caller.receive(self.now, (from, to), &text, &whole, &mut wish);
        } else if let Some(callee) = self.callees.iter_mut().find(|callee| callee.owns(to)) {
            let whole = String::from_utf8_lossy(&bytes);
            callee.receive(self.now, from, to, &text, &whole, &mut wish);
        } else {
            self.complain(format!("a message to nobody at {to}: {}", text.brief()));
        }
        self.carry_out(wish);
    }

    /// The owner, if it was not struck down by it, has heard an answer.
    fn hear(&mut self, node: NodeId, from: SocketAddr) {
        let hears = self.node(node).is_some_and(|node| node.alive && !node.suspended);
        if hears && let Some(callee) = self.callees.iter_mut().find(|callee| callee.owns(from)) {
            callee.heard = true;
        }
    }

    /// Gives an input to an engine and carries its outputs out, in order, until it dies.
    fn feed(&mut self, id: NodeId, input: Input) {
        let now = Millis(self.now);
        let Some(node) = self.node(id).filter(|node| node.alive) else { return };
        if let Input::Suspended(suspended) = &input {
            node.suspended = *suspended;
        }
        node.engine.handle(now, input);
        loop {
            let Some(node) = self.node(id).filter(|node| node.alive) else { return };
            let Some(output) = node.engine.poll() else { return };
            match output {
                Output::Send { hop, bytes } => self.send(id, hop.local, hop.peer, bytes),
                Output::Propose(command) => self.propose(id, command),
                Output::Event(event) => self.notice(id, &event),
                Output::Register { .. } | Output::CatchUp { .. } => {
                    self.complaints.push("nobody registers here".to_owned())
                }
            }
        }
    }

    fn send(&mut self, id: NodeId, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        let bytes = self.mutate(id, bytes);
        let seen = Seen::Sent { at: self.now, node: id, from, to, bytes: bytes.clone() };
        self.trace.push(seen);
        if let Some(leak) = self.topology.said(&self.party(to), &bytes) {
            self.complain(leak);
        }
        self.transmit(from, to, bytes);
        let Some(node) = self.node(id) else { return };
        node.counts.sends += 1;
        if node.fault == Some(Fault::AfterSend(node.counts.sends)) {
            self.kill(id);
        }
    }

    /// Whose an address is.
    fn party(&self, address: SocketAddr) -> String {
        let callee = self.callees.iter().position(|callee| callee.owns(address));
        callee.map_or_else(|| "caller".to_owned(), |index| format!("callee {index}"))
    }

    fn propose(&mut self, id: NodeId, command: CallCommand) {
        let mutant = self.point.mutant;
        let Some(node) = self.node(id) else { return };
        node.counts.decisions += 1;
        let k = node.counts.decisions;
        let fault = node.fault.filter(|fault| {
            [Fault::BeforeDecision(k), Fault::UnknownCommitted(k), Fault::UnknownLost(k)]
                .contains(fault)
        });
        let (call, step) = (command.call, command.step);
        self.at(self.point.commit_ms, Due::Apply(id, Box::new(command), fault));
        if mutant == Mutant::SpeaksEarly {
            self.at(0, Due::Decided(id, call, step, Ok(Reply::Done)));
        }
    }

    fn apply(&mut self, id: NodeId, command: &CallCommand, fault: Option<Fault>) {
        let (call, step) = (command.call, command.step);
        if matches!(fault, Some(Fault::UnknownLost(_))) {
            self.at(REPLY_MS, Due::Decided(id, call, step, Err(Undecided)));
            return;
        }
        let reply = self.consensus.call(command);
        let command = Box::new(command.clone());
        self.trace.push(Seen::Applied { at: self.now, node: id, command, reply: reply.clone() });
        match fault {
            Some(Fault::BeforeDecision(_)) => self.kill(id),
            Some(Fault::UnknownCommitted(_)) => {
                self.at(REPLY_MS, Due::Decided(id, call, step, Err(Undecided)));
            }
            Some(_) | None if self.point.mutant == Mutant::SpeaksEarly => {}
            Some(_) | None => self.at(REPLY_MS, Due::Decided(id, call, step, Ok(reply))),
        }
    }

    fn notice(&mut self, id: NodeId, event: &EngineEvent) {
        let mutated = self.point.mutant != Mutant::None;
        if let (EngineEvent::Rejected { call, reason }, false) = (event, mutated) {
            self.complain(format!("node {id}: call {call}: rejected: {reason}"));
        }
        if let EngineEvent::Recovered { .. } | EngineEvent::Dropped { .. } = event {
            self.note(format!("node {id}: {event:?}"));
        }
    }

    fn carry_out(&mut self, wish: Wish) {
        self.complaints.extend(wish.complaints);
        for Datagram { from, to, text } in wish.sends {
            let brief = Text::parse(text.as_bytes()).map_or_else(String::new, |text| text.brief());
            let arrives = self.transmit(from, to, text.into());
            self.trace.push(Seen::Peer { at: self.now, from, to, brief, arrives });
        }
    }

    fn transmit(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) -> bool {
        let delays_ms = self.network.delays_ms();
        for delay_ms in &delays_ms {
            self.at(*delay_ms, Due::Arrive(from, to, bytes.clone()));
        }
        !delays_ms.is_empty()
    }

    fn at(&mut self, wait_ms: u64, due: Due) {
        self.order += 1;
        self.due.insert((self.now + wait_ms, self.order), due);
    }

    fn node(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }

    fn note(&mut self, what: String) {
        self.trace.push(Seen::Note { at: self.now, what });
    }

    fn complain(&mut self, what: impl Into<String>) {
        self.complaints.push(what.into());
    }
}

/// The slot of a message to the first node's address, as the dispatcher finds it (docs/architecture.md,
/// section 3): by a token of ours, else by the Call-ID over the slots whose home is there.
fn slot_of(message: &Message) -> SlotId {
    let by_tag = || message.to().tag.and_then(|tag| Token::from_tag(tag.as_bytes()));
    let by_call_id = || Token::from_tag(message.call_id().as_bytes());
    let by_branch = || message.top_via().branch.and_then(|b| Token::from_branch(b.as_bytes()));
    let token = if message.is_request() { by_tag().or_else(by_call_id) } else { by_branch() };
    if let Some(token) = token {
        return token.call.slot;
    }
    let hash = message
        .call_id()
        .bytes()
        .fold(0_u16, |hash, byte| hash.wrapping_mul(31).wrapping_add(u16::from(byte)));
    SlotId((hash % (SLOTS / 3)) * 3)
}
