//! An engine, the replicated tables, and peers without manners.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdline_apply::{Position, apply};
use holdline_call::{
    CallEngine, Input, Options, Output, Route, Routing, Trunk, TrunkPolicy, Undecided,
};
use holdline_model::{
    CallCommand, CallRecord, ClusterId, Command, Epoch, FormCluster, Hop, Incarnation, Millis,
    Name, NodeId, NodeUp, SlotId, SlotMove, State as _, TransferReason, TransferSlots, Transport,
};
use holdline_sip::message::{Builder, Message, Method};

use super::dice::Dice;
use super::tables::Tables;
use super::{grammar, mutation};

/// Calls that the engine takes at most.
pub(crate) const MAX_CALLS: usize = 20;

const SLOT: SlotId = SlotId(0);
/// Things that the engine may say to one input: far more than it has reason to.
const MAX_OUTPUTS: usize = 500;
/// Longer than any call lives: it may ring for 180 s and talk for 60 s here, and is remembered for 32 s.
const LONG_MS: u64 = 900_000;
const REMEMBERED: usize = 40;

pub(crate) struct World {
    engine: CallEngine,
    tables: Tables,
    index: u64,
    owner: NodeId,
    epoch: Epoch,
    now: Millis,
    dice: Dice,
    /// Proposals that are decided later.
    held: Vec<CallCommand>,
    /// What the engine said lately, and to whom.
    said: Vec<(SocketAddr, Bytes)>,
}

fn local() -> SocketAddr {
    "10.1.0.1:5060".parse().unwrap()
}

fn peer(index: usize) -> SocketAddr {
    ([10, 2, 0, u8::try_from(index + 1).unwrap()], 5060).into()
}

fn engine(seed: u64) -> CallEngine {
    let trunk = |index: usize| Trunk {
        name: Name::from(format!("trunk-{index}")),
        tenant: "acme".into(),
        address: peer(index).into(),
        transport: Transport::Udp,
        proxy: None,
        sources: vec![],
        policy: TrunkPolicy::default(),
    };
    let trunks: Vec<Trunk> = (0..3).map(trunk).collect();
    let names = vec!["trunk-1".into(), "trunk-2".into()];
    let route = Route { trunks: names, ..Route::default() };
    let routing = Arc::new(Routing::new(trunks, vec![route]).unwrap());
    let options = Options {
        max_calls: NonZeroUsize::new(MAX_CALLS).unwrap(),
        max_call_duration: Some(Duration::from_secs(60)),
        ..Options::default()
    };
    CallEngine::new(options, routing, seed)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            engine: engine(seed),
            tables: Tables::default(),
            index: 0,
            owner: NodeId(1),
            epoch: Epoch(0),
            now: Millis(1_000_000),
            dice: Dice::new(seed),
            held: Vec::new(),
            said: Vec::new(),
        };
        for node in [NodeId(1), NodeId(2)] {
            world.run(&Command::NodeUp(Box::new(NodeUp {
                node,
                incarnation: Incarnation(node.0),
                pop: "pop".into(),
                sip: vec![local()],
                rpc: local(),
                admin: local(),
                version: "test".to_owned(),
                at: Millis(1),
                listeners: Vec::new(),
                gossip: local(),
                role: holdline_model::NodeRole::Full,
            })));
        }
        let members = vec![NodeId(1), NodeId(2)];
        let form = FormCluster { cluster: ClusterId(1), slots: 2, members, at: Millis(1) };
        world.run(&Command::FormCluster(form));
        world.gain();
        world
    }

    pub(crate) fn live_calls(&self) -> usize {
        self.engine.live_calls()
    }

    fn run(&mut self, command: &Command) -> holdline_model::Reply {
        self.index += 1;
        let position = Position { index: self.index, position: 0 };
        apply(&mut self.tables, position, command, &mut Vec::new()).unwrap()
    }

    fn gain(&mut self) {
        self.epoch = self.tables.slot(SLOT).unwrap().unwrap().epoch;
        let calls: Vec<CallRecord> = self.tables.calls.values().cloned().collect();
        self.input(Input::Gained { slot: SLOT, epoch: self.epoch, calls });
    }

    /// Gives an input; decides most proposals at once.
    fn input(&mut self, input: Input) {
        let is_malformed = matches!(input, Input::Malformed { .. });
        let mut inputs = vec![input];
        let mut outputs = 0;
        while let Some(input) = inputs.pop() {
            self.engine.handle(self.now, input);
            while let Some(output) = self.engine.poll() {
                outputs += 1;
                assert!(outputs < MAX_OUTPUTS, "it does not stop talking: {output:?}");
                match output {
                    Output::Propose(command) if self.dice.once_in(8) => self.held.push(command),
                    Output::Propose(command) => inputs.push(self.decide(command)),
                    Output::Send { hop, bytes } => {
                        // A refusal of what could not be read says back what could be.
                        let read = Message::parse(bytes.clone());
                        assert!(is_malformed || read.is_ok(), "{read:?}: {}", bytes.escape_ascii());
                        self.remember(hop.peer, bytes);
                    }
                    // No registrar here: a REGISTER is refused.
                    Output::Register { .. } | Output::CatchUp { .. } | Output::Event(_) => {}
                }
            }
        }
        assert!(self.engine.live_calls() <= MAX_CALLS);
    }

    fn decide(&mut self, command: CallCommand) -> Input {
        let (call, step) = (command.call, command.step);
        let outcome = Ok(self.run(&Command::Call(command)));
        Input::Decided { call, step, outcome }
    }

    fn remember(&mut self, to: SocketAddr, bytes: Bytes) {
        if self.said.len() == REMEMBERED {
            self.said.remove(0);
        }
        self.said.push((to, bytes));
    }

    /// A datagram arrives.
    fn receive(&mut self, peer: SocketAddr, bytes: Vec<u8>) {
        let hop = Hop { transport: Transport::Udp, local: local(), peer };
        match Message::parse(Bytes::from(bytes)) {
            Ok(message) => self.input(Input::Sip { hop, message, slot: SLOT }),
            Err(error) => self.input(Input::Malformed { hop, error }),
        }
    }

    /// A call that the engine takes if it has room.
    pub(crate) fn invite(&mut self, dice: &mut Dice) {
        let id = dice.draw();
        let text = format!(
            "INVITE sip:+49{id}@10.1.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.2.0.1;branch=z9hG4bK{id};rport\r\n\
             From: <sip:a@10.2.0.1>;tag={id}\r\nTo: <sip:+49@10.1.0.1>\r\nCall-ID: {id}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:a@10.2.0.1>\r\nMax-Forwards: 70\r\n\r\n"
        );
        self.receive(peer(0), text.into_bytes());
    }

    /// Something happens.
    pub(crate) fn happen(&mut self) {
        let mut dice = self.dice.clone();
        match dice.below(12) {
            0 | 1 => self.invite(&mut dice),
            2 => {
                let made = grammar::message(&mut dice).text;
                self.receive(peer(dice.below(4)), made.into_bytes());
            }
            3 | 4 => self.answer(&mut dice),
            5 | 6 => self.request(&mut dice),
            7 => self.echo(&mut dice),
            8 => self.decide_held(&mut dice),
            9 if dice.once_in(4) => self.take_over(),
            9 if dice.once_in(4) => {
                self.input(Input::Suspended(true));
                self.pass(dice.below(2_000));
                self.input(Input::Suspended(false));
            }
            _ => self.pass(dice.below(40_000)),
        }
        self.dice = Dice::new(dice.draw());
    }

    /// An answer to a request of the engine's, or something like one.
    fn answer(&mut self, dice: &mut Dice) {
        let Some((to, request)) = self.heard(dice, Message::is_request) else { return };
        let status = [100, 180, 183, 200, 202, 302, 404, 486, 487, 491, 503, 603][dice.below(12)];
        let mut answer = Builder::response_to(&request, status, "").to_tag("far");
        if dice.once_in(2) {
            answer = answer.header_named("Contact", "<sip:b@10.2.0.2>");
        }
        if dice.once_in(4) {
            answer = answer.header_named("Require", "100rel").header_named("RSeq", "7");
        }
        let body: &[u8] = if dice.once_in(2) { b"v=0\r\n" } else { b"" };
        let answer = if body.is_empty() {
            answer.finish()
        } else {
            answer.header_named("Content-Type", "application/sdp").body(body)
        };
        self.send(dice, to, answer.to_vec());
    }

    /// A request within a dialog that the engine has spoken in, or something like one.
    fn request(&mut self, dice: &mut Dice) {
        let Some((from, heard)) = self.heard(dice, |_| true) else { return };
        let methods = grammar::METHODS;
        let method = Method::from_bytes(methods[dice.below(methods.len())].as_bytes()).unwrap();
        // What it sent: its To is theirs. What it answered: its To is ours.
        let (ours, theirs) = if heard.is_request() {
            (heard.from().text().into_owned(), heard.to().text().into_owned())
        } else {
            (heard.to().text().into_owned(), heard.from().text().into_owned())
        };
        let theirs = if theirs.contains("tag=") { theirs } else { format!("{theirs};tag=far") };
        let branch = dice.text("abc", 1, 4);
        let request = Builder::request(&method, "sip:x@10.1.0.1")
            .header_named("Via", format!("SIP/2.0/UDP {from};branch=z9hG4bK{branch}"))
            .header_named("From", theirs)
            .header_named("To", ours)
            .header_named("Call-ID", heard.call_id())
            .header_named("CSeq", format!("{} {method}", dice.below(6)))
            .header_named("Max-Forwards", dice.below(80).to_string())
            .header_named("Contact", "<sip:x@10.2.0.1>")
            .finish();
        self.send(dice, from, request.to_vec());
    }

    /// What it said comes back.
    fn echo(&mut self, dice: &mut Dice) {
        let Some((to, message)) = self.heard(dice, |_| true) else { return };
        self.send(dice, to, message.bytes().to_vec());
    }

    /// Sends as it is, or mutated.
    fn send(&mut self, dice: &mut Dice, from: SocketAddr, mut bytes: Vec<u8>) {
        if dice.once_in(4) {
            mutation::mutate(dice, &mut bytes, &[]);
        }
        self.receive(from, bytes);
    }

    fn heard(
        &self,
        dice: &mut Dice,
        of: impl Fn(&Message) -> bool,
    ) -> Option<(SocketAddr, Message)> {
        let said = self
            .said
            .iter()
            .filter_map(|(to, bytes)| Some((*to, Message::parse(bytes.clone()).ok().filter(&of)?)));
        let said: Vec<_> = said.collect();
        said.get(dice.below(said.len())).cloned()
    }

    fn decide_held(&mut self, dice: &mut Dice) {
        for command in std::mem::take(&mut self.held) {
            let (call, step) = (command.call, command.step);
            let decided = match dice.below(3) {
                // Lost, and nobody can tell.
                0 => Input::Decided { call, step, outcome: Err(Undecided) },
                // Committed, and nobody can tell.
                1 => {
                    let _committed = self.decide(command);
                    Input::Decided { call, step, outcome: Err(Undecided) }
                }
                _ => self.decide(command),
            };
            self.input(decided);
        }
    }

    fn take_over(&mut self) {
        let to = NodeId(3 - self.owner.0);
        self.owner = to;
        let moves = vec![SlotMove { slot: SLOT, expected: self.epoch, to }];
        let reason = TransferReason::Failure;
        self.run(&Command::TransferSlots(TransferSlots { moves, reason, at: self.now }));
        self.engine = engine(self.dice.draw());
        self.held.clear();
        self.gain();
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, ms: usize) {
        let end = self.now.plus_ms(u64::try_from(ms).unwrap());
        let mut spins = 0;
        while let Some(due) = self.engine.next_timer().filter(|due| *due <= end) {
            spins = if due <= self.now { spins + 1 } else { 0 };
            assert!(spins < 100, "a timer spins");
            self.now = due.max(self.now);
            self.input(Input::Tick);
        }
        self.now = end;
        self.input(Input::Tick);
    }

    /// Everything is decided, all calls end, and nothing is left.
    pub(crate) fn come_to_rest(&mut self) {
        let mut dice = Dice::new(0);
        for _ in 0..20 {
            while !self.held.is_empty() {
                self.decide_held(&mut dice);
            }
            self.pass(usize::try_from(LONG_MS / 20).unwrap());
        }
        assert_eq!(self.engine.live_calls(), 0, "a call lives for ever");
        assert_eq!(self.engine.tombstones(), 0, "a finished call is never forgotten");
        assert_eq!(self.engine.next_timer(), None);
    }
}
