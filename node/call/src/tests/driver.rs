//! Drives one engine: a caller, two targets, a clock, and a replicated state.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdline_apply::{Position, apply};
use holdline_model::{
    CallCommand, CallId, CallRecord, Cdr, ClusterId, Command, Epoch, FormCluster, Hop, Incarnation,
    Millis, NodeId, NodeUp, Reply, SlotId, SlotMove, TransferReason, TransferSlots, Transport,
};
use holdline_sip::message::{Builder, HeaderName, Message};

use super::map_state::MapState;
use super::topology::Topology;
use crate::{CallEngine, Event, Input, Options, Output, Route, Routing, Trunk, Undecided};

pub(super) const SLOT: SlotId = SlotId(0);
pub(super) const START: Millis = Millis(1_000_000);
pub(super) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\n";

pub(super) fn caller() -> SocketAddr {
    "192.0.2.10:5060".parse().unwrap()
}

pub(super) fn switch() -> SocketAddr {
    "192.0.2.1:5060".parse().unwrap()
}

pub(super) fn target(index: u8) -> SocketAddr {
    format!("198.51.100.{}:5060", index + 1).parse().unwrap()
}

/// A datagram that the engine sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) hop: Hop,
    pub(super) to: SocketAddr,
    pub(super) bytes: Bytes,
}

impl Sent {
    pub(super) fn message(&self) -> Message {
        Message::parse(self.bytes.clone()).unwrap()
    }

    /// `INVITE` or `200 INVITE`, and where it went.
    pub(super) fn summary(&self) -> String {
        let message = self.message();
        let who = if self.to == caller() {
            "caller".to_owned()
        } else if self.to == target(0) {
            "target0".to_owned()
        } else if self.to == target(1) {
            "target1".to_owned()
        } else {
            self.to.to_string()
        };
        match message.status() {
            Some(status) => format!("{status} {} > {who}", message.method()),
            None => format!("{} > {who}", message.method()),
        }
    }
}

/// What becomes of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decide {
    /// Applied and answered at once.
    Commit,
    /// Kept in `held`.
    Withhold,
}

pub(super) struct World {
    pub(super) now: Millis,
    pub(super) engine: CallEngine,
    pub(super) state: MapState,
    pub(super) decide: Decide,
    pub(super) held: Vec<CallCommand>,
    pub(super) proposed: usize,
    pub(super) events: Vec<Event>,
    pub(super) epoch: Epoch,
    owner: NodeId,
    suspended: bool,
    sent: Vec<Sent>,
    /// Of each message it is looked whether it gives one side away to another.
    topology: Topology,
    index: u64,
    options: Options,
}

pub(super) fn routing() -> Arc<Routing> {
    routing_over(Transport::Udp)
}

/// Calls to the targets go over this transport.
pub(super) fn routing_over(transport: Transport) -> Arc<Routing> {
    let trunk = |name: &str, address: SocketAddr| Trunk {
        name: name.into(),
        tenant: "acme".into(),
        address: address.into(),
        transport,
        proxy: None,
        sources: vec![],
        policy: Default::default(),
    };
    let trunks =
        vec![trunk("pbx", caller()), trunk("carrier-a", target(0)), trunk("carrier-b", target(1))];
    Arc::new(Routing::new(trunks, routes()).unwrap())
}

pub(super) fn routes() -> Vec<Route> {
    let route = |prefix: &str, trunks: &[&str]| Route {
        prefix: prefix.to_owned(),
        trunks: trunks.iter().map(|name| (*name).into()).collect(),
        ..Route::default()
    };
    vec![route("+1", &["carrier-a"]), route("+49", &["carrier-a", "carrier-b"])]
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Options)) -> Self {
        // Notes at once, so that the record tells what happened; `notes` has the tests with a delay.
        let mut options = Options {
            max_calls: NonZeroUsize::new(100).unwrap(),
            note_every: std::time::Duration::ZERO,
            ..Options::default()
        };
        change(&mut options);
        options.validate().unwrap();
        let engine = CallEngine::new(options.clone(), routing(), 7);
        let mut world = Self {
            now: START,
            engine,
            state: MapState::default(),
            decide: Decide::Commit,
            held: Vec::new(),
            proposed: 0,
            events: Vec::new(),
            epoch: Epoch(1),
            owner: NodeId(1),
            suspended: false,
            sent: Vec::new(),
            topology: Topology::default(),
            index: 0,
            options,
        };
        for node in [NodeId(1), NodeId(2)] {
            world.command(Command::NodeUp(Box::new(NodeUp {
                node,
                incarnation: Incarnation(node.0),
                pop: "pop".into(),
                sip: vec![switch()],
                rpc: switch(),
                admin: switch(),
                version: "test".to_owned(),
                at: START,
                listeners: Vec::new(),
                gossip: switch(),
                role: holdline_model::NodeRole::Full,
            })));
        }
        world.command(Command::FormCluster(FormCluster {
            cluster: ClusterId(1),
            slots: 2,
            members: vec![NodeId(1), NodeId(2)],
            at: START,
        }));
        world.epoch = holdline_model::State::slot(&world.state, SLOT).unwrap().unwrap().epoch;
        let epoch = world.epoch;
        world.input(Input::Gained { slot: SLOT, epoch, calls: vec![] });
        world
    }

    /// A world whose targets are reached over `transport`.
    pub(super) fn to_targets_over(transport: Transport) -> Self {
        let mut world = Self::new();
        world.engine.set_routing(routing_over(transport));
        world
    }

    fn command(&mut self, command: Command) -> Reply {
        self.index += 1;
        let position = Position { index: self.index, position: 0 };
        apply(&mut self.state, position, &command, &mut Vec::new()).unwrap()
    }

    /// Feeds an input and carries out what follows.
    pub(super) fn input(&mut self, input: Input) {
        if let Input::Suspended(suspended) = &input {
            self.suspended = *suspended;
        }
        self.engine.handle(self.now, input);
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Send { hop, bytes } => {
                    assert_eq!(hop.local, switch(), "everything leaves from the call's address");
                    // At other addresses are the same parties, who have moved.
                    let known = [caller(), target(0), target(1)].contains(&hop.peer);
                    // Both targets may answer with the same tag.
                    let is_shared = |leak: &String| {
                        leak.starts_with("tag callee ") || leak.starts_with("tag other ")
                    };
                    let leak = self.topology.said(&hop.peer.ip().to_string(), &bytes);
                    let leak = leak.filter(|leak| known && !is_shared(leak));
                    assert_eq!(leak, None, "{}", String::from_utf8_lossy(&bytes));
                    self.sent.push(Sent { hop, to: hop.peer, bytes });
                }
                Output::Event(event) => self.events.push(event),
                Output::Register { .. } | Output::CatchUp { .. } => panic!("there is no registrar"),
                Output::Propose(command) => {
                    self.proposed += 1;
                    self.held.push(command);
                }
            }
        }
        if self.decide == Decide::Commit && !self.held.is_empty() {
            self.commit_held();
        }
    }

    /// Applies what was withheld, and tells the engine; checks that its record is the replicated one.
    pub(super) fn commit_held(&mut self) {
        for command in std::mem::take(&mut self.held) {
            let reply = self.command(Command::Call(command.clone()));
            let (call, step) = (command.call, command.step);
            // A proposal made twice may be applied when the call is further already.
            let committed = self.state.calls.get(&call).map(|record| record.step);
            let late = committed.is_some_and(|committed| step < committed);
            let refused = matches!(reply, Reply::Rejected(_));
            assert!(!refused || late, "{reply:?} to {command:?}");
            self.input(Input::Decided { call, step, outcome: Ok(reply) });
            if let Some(record) = self.engine.record(call)
                && self.held.is_empty()
                && !self.suspended
            {
                assert_eq!(Some(record), self.state.calls.get(&call), "the mirror is true");
            }
        }
    }

    /// Applies what was withheld without telling the engine: the node dies right after the commit.
    pub(super) fn commit_held_in_silence(&mut self) {
        for command in std::mem::take(&mut self.held) {
            self.command(Command::Call(command));
        }
    }

    /// The outcome of what was withheld is not known.
    pub(super) fn leave_held_undecided(&mut self) {
        for command in std::mem::take(&mut self.held) {
            let (call, step) = (command.call, command.step);
            self.input(Input::Decided { call, step, outcome: Err(Undecided) });
        }
    }

    /// Another node takes the slot over, with nothing but the replicated state.
    pub(super) fn take_over(&mut self) {
        self.take_over_with(routing());
    }

    /// The same, by a node with this configuration.
    pub(super) fn take_over_with(&mut self, routing: Arc<Routing>) {
        let before = self.epoch;
        self.owner = NodeId(3 - self.owner.0);
        let moves = vec![SlotMove { slot: SLOT, expected: before, to: self.owner }];
        let reason = TransferReason::Failure;
        self.command(Command::TransferSlots(TransferSlots { moves, reason, at: self.now }));
        self.epoch = holdline_model::State::slot(&self.state, SLOT).unwrap().unwrap().epoch;
        assert_eq!(self.epoch, before.next(), "the slot has moved");
        self.suspended = false;
        self.engine = CallEngine::new(self.options.clone(), routing, 7);
        self.held.clear();
        self.sent.clear();
        self.decide = Decide::Commit;
        let calls: Vec<CallRecord> = self.state.calls.values().cloned().collect();
        let epoch = self.epoch;
        self.input(Input::Gained { slot: SLOT, epoch, calls });
    }

    /// A message arrives.
    pub(super) fn receive(&mut self, peer: SocketAddr, bytes: impl Into<Bytes>) {
        self.receive_over(Hop::udp(switch(), peer), bytes);
    }

    /// The same, whatever way it came.
    pub(super) fn receive_over(&mut self, hop: Hop, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let (whose, ours) = (hop.peer.ip().to_string(), switch().ip().to_string());
        self.topology.heard(&whose, &ours, &bytes);
        let message = Message::parse(bytes).unwrap();
        self.input(Input::Sip { hop, message, slot: SLOT });
    }

    /// A message arrives while the node is overloaded.
    pub(super) fn shed(&mut self, peer: SocketAddr, bytes: impl Into<Bytes>, after: Duration) {
        let message = Message::parse(bytes.into()).unwrap();
        let input = Input::Sip { hop: Hop::udp(switch(), peer), message, slot: SLOT };
        self.engine.shed(self.now, input, after);
        self.pump();
    }

    /// Whether a message asks for a call that the engine does not know.
    pub(super) fn begins_call(&self, peer: SocketAddr, bytes: impl Into<Bytes>) -> bool {
        let message = Message::parse(bytes.into()).unwrap();
        let input = Input::Sip { hop: Hop::udp(switch(), peer), message, slot: SLOT };
        self.engine.new_call(&input).is_some()
    }

    /// Lets time pass, waking the engine whenever it asks for it.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        let mut wakes = 0;
        while let Some(at) = self.engine.next_timer().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Tick);
            wakes += 1;
            assert!(wakes < 10_000, "the engine spins at {}", self.now);
        }
        self.now = end;
    }

    /// What was sent since the last look.
    pub(super) fn sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// The same, in short.
    pub(super) fn summaries(&mut self) -> Vec<String> {
        self.sent().iter().map(Sent::summary).collect()
    }

    /// The one datagram sent since the last look that has this summary.
    pub(super) fn the(&mut self, summary: &str) -> Sent {
        let sent = self.sent();
        let mut found = sent.iter().filter(|sent| sent.summary() == summary);
        match (found.next(), found.next()) {
            (Some(one), None) => one.clone(),
            _ => panic!("{summary}: {:?}", sent.iter().map(Sent::summary).collect::<Vec<_>>()),
        }
    }

    pub(super) fn call(&self) -> CallId {
        *self.state.calls.keys().next().unwrap()
    }

    pub(super) fn record(&self) -> &CallRecord {
        self.state.calls.values().next().unwrap()
    }

    pub(super) fn cdr(&self) -> &Cdr {
        assert_eq!(self.state.cdrs.len(), 1, "one CDR");
        self.state.cdrs.values().next().unwrap()
    }

    /// A call is admitted, and its INVITE is at target 0.
    pub(super) fn inviting(&mut self) -> Message {
        self.receive(caller(), invite("1"));
        self.the("INVITE > target0").message()
    }

    /// … and it rings.
    pub(super) fn ringing(&mut self) -> Message {
        let invite = self.inviting();
        self.receive(target(0), response(&invite, 180, ""));
        assert_eq!(self.summaries(), ["180 INVITE > caller"]);
        invite
    }

    /// A call is answered, its ACK has not come. Returns our INVITE and the 200 to the caller.
    pub(super) fn answered(&mut self) -> (Message, Message) {
        let invite = self.ringing();
        self.receive(target(0), response(&invite, 200, SDP));
        let sent = self.sent();
        assert_eq!(sent[0].summary(), "200 INVITE > caller");
        assert_eq!(sent[1].summary(), "ACK > target0");
        (invite, sent[0].message())
    }

    /// A call is up.
    pub(super) fn up(&mut self) -> (Message, Message) {
        let (invite, ok) = self.answered();
        self.receive(caller(), request_from_caller("ACK", 1, &ok, ""));
        assert_eq!(self.summaries(), Vec::<String>::new());
        (invite, ok)
    }
}

/// A re-INVITE of the caller's is at the callee. Returns the 200 of the call and what was passed on.
pub(super) fn reinviting(world: &mut World) -> (Message, Message) {
    let (_, ok) = world.up();
    world.receive(caller(), request_from_caller("INVITE", 2, &ok, SDP));
    (ok, world.the("INVITE > target0").message())
}

/// The caller's INVITE to +1 555.
pub(super) fn invite(id: &str) -> String {
    invite_to(id, "+1555", SDP)
}

pub(super) fn invite_to(id: &str, number: &str, sdp: &str) -> String {
    let content = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "INVITE sip:{number}@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKcaller{id}\r\n\
         Record-Route: <sip:192.0.2.10;lr>\r\n\
         From: \"Alice\" <sip:alice@192.0.2.10>;tag=from{id}\r\n\
         To: <sip:{number}@192.0.2.1>\r\n\
         Call-ID: call{id}@192.0.2.10\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:alice@192.0.2.10:5060>\r\n\
         Max-Forwards: 70\r\n\
         Supported: 100rel, timer, histinfo\r\n\
         X-Custom: kept, as \"it is\"\r\n\
         {content}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// The CANCEL of that INVITE.
pub(super) fn cancel(id: &str) -> String {
    format!(
        "CANCEL sip:+1555@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKcaller{id}\r\n\
         From: \"Alice\" <sip:alice@192.0.2.10>;tag=from{id}\r\n\
         To: <sip:+1555@192.0.2.1>\r\n\
         Call-ID: call{id}@192.0.2.10\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A peer's answer to a request of ours; its tag is `callee`.
pub(super) fn response(request: &Message, status: u16, sdp: &str) -> Bytes {
    response_tagged(request, status, sdp, "callee")
}

pub(super) fn response_tagged(request: &Message, status: u16, sdp: &str, tag: &str) -> Bytes {
    let mut builder = Builder::response_to(request, status, "");
    if status > 100 {
        builder = builder
            .to_tag(tag)
            .header(HeaderName::Contact, format!("<sip:bob@{}>", target(0)))
            .header_named("X-Callee", "kept");
    }
    if !sdp.is_empty() {
        builder = builder.header(HeaderName::ContentType, "application/sdp");
    }
    builder.body(sdp.as_bytes())
}

/// A request of the caller's within the dialog that an answer of ours made.
pub(super) fn request_from_caller(method: &str, cseq: u32, answer: &Message, sdp: &str) -> String {
    let (from, to) = (answer.from().text(), answer.to().text());
    let call_id = answer.call_id();
    in_dialog(method, cseq, "192.0.2.10", (&from, &to, call_id), sdp)
}

/// A request of the callee's within the dialog that it made by answering our INVITE.
pub(super) fn request_from_callee(method: &str, cseq: u32, invite: &Message) -> String {
    let from = format!("{};tag=callee", invite.to().text());
    let to = invite.from().text();
    in_dialog(method, cseq, "198.51.100.1", (&from, &to, invite.call_id()), "")
}

fn in_dialog(
    method: &str,
    cseq: u32,
    host: &str,
    (from, to, call_id): (&str, &str, &str),
    sdp: &str,
) -> String {
    let content = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} sip:whoever@ignored.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK{method}{cseq}\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
         Max-Forwards: 70\r\n{content}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// Header fields of one name, as text.
pub(super) fn values(message: &Message, name: &str) -> Vec<String> {
    message
        .headers()
        .filter(|header| header.raw_name.eq_ignore_ascii_case(name))
        .map(|header| String::from_utf8_lossy(header.value).into_owned())
        .collect()
}
