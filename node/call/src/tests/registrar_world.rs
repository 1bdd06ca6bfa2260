//! Two nodes with one replicated state, and a device that registers at them.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdline_apply::{Position, apply};
use holdline_model::{
    Aor, CallId, CallRecord, ClusterId, Command, Epoch, FormCluster, Hop, Incarnation,
    LocationRecord, Millis, NodeId, NodeUp, PutUser, Register, RegisterBounds, Reply, SlotId,
    SlotMove, TransferReason, TransferSlots, UserRecord,
};
use holdline_sip::digest::{Answer, Challenge, NonceKey, ha1};
use holdline_sip::message::{HeaderName, Message};

use super::map_state::MapState;
use crate::{
    CallEngine, Directory, Event, Input, Options, Output, RegistrarOptions, Route, Routing, Trunk,
    Undecided, Unreadable,
};

pub(super) const DOMAIN: &str = "example.com";
pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const START: u64 = 1_000_000;
pub(super) const SLOT: SlotId = SlotId(0);
pub(super) const PHONE: &str = "203.0.113.5:5062";
pub(super) const OURS: &str = "192.0.2.1:5060";

#[derive(Clone, Debug, Default)]
pub(super) struct Shared(pub(super) Arc<Mutex<MapState>>, pub(super) Arc<AtomicU64>);

impl Directory for Shared {
    fn applied(&self) -> u64 {
        self.1.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn user(&self, aor: &Aor) -> Result<Option<UserRecord>, Unreadable> {
        Ok(self.0.lock().unwrap().users.get(aor).cloned())
    }

    fn call(&self, call: CallId) -> Result<Option<CallRecord>, Unreadable> {
        Ok(self.0.lock().unwrap().calls.get(&call).cloned())
    }

    fn location(&self, aor: &Aor) -> Result<Option<LocationRecord>, Unreadable> {
        Ok(self.0.lock().unwrap().locations.get(aor).cloned())
    }
}

/// What becomes of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decide {
    Commit,
    /// Committed, but the proposer never hears of it.
    CommitInSilence,
    /// Neither.
    Lose,
    /// They wait for [`World::decide_held`], and nodes for [`World::catch_up`].
    Hold,
}

pub(super) struct World {
    pub(super) now: u64,
    pub(super) index: u64,
    pub(super) state: Shared,
    /// The engine of each node; the one that owns the slot first.
    pub(super) nodes: Vec<CallEngine>,
    pub(super) owner: usize,
    pub(super) epoch: u64,
    pub(super) sent: Vec<(Hop, Message)>,
    pub(super) events: Vec<Event>,
    pub(super) held: Vec<(u64, Register)>,
    /// Requests that wait until a node has caught up.
    pub(super) behind: Vec<(usize, u64)>,
    pub(super) decide: Decide,
    pub(super) commits: usize,
}

pub(super) fn aor(user: &str) -> Aor {
    Aor::new(user, DOMAIN).unwrap()
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn routing() -> Arc<Routing> {
    let trunk = Trunk {
        name: "carrier".into(),
        tenant: "acme".into(),
        address: addr("198.51.100.1:5060").into(),
        transport: holdline_model::Transport::Udp,
        proxy: None,
        sources: Vec::new(),
        policy: Default::default(),
    };
    let route = Route { prefix: String::new(), trunks: vec!["carrier".into()], ..Route::default() };
    Arc::new(Routing::new(vec![trunk], vec![route]).unwrap())
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl Fn(&mut RegistrarOptions)) -> Self {
        let state = Shared::default();
        state.1.store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
        let mut options = RegistrarOptions {
            domains: vec![DOMAIN.to_owned()],
            nonce_life: Duration::from_secs(100),
            ..RegistrarOptions::default()
        };
        options.bounds = RegisterBounds { per_aor: 2, replace_oldest: true, total: 100 };
        change(&mut options);
        let engine = |seed| {
            CallEngine::new(Options::default(), routing(), seed).with_registrar(
                options.clone(),
                NonceKey::new([7; 32]),
                Arc::new(state.clone()),
            )
        };
        let nodes = vec![engine(1), engine(2)];
        let mut world = Self {
            now: START,
            index: 0,
            state: state.clone(),
            nodes,
            owner: 0,
            epoch: 1,
            sent: Vec::new(),
            events: Vec::new(),
            held: Vec::new(),
            behind: Vec::new(),
            decide: Decide::Commit,
            commits: 0,
        };
        world.form();
        for user in ["alice", "bob"] {
            let record = UserRecord {
                aor: aor(user),
                tenant: "acme".into(),
                ha1: ha1(user, DOMAIN, PASSWORD),
                max_bindings: None,
                changed_at: Millis(START),
            };
            world.apply(&Command::PutUser(Box::new(PutUser { record, replace: false })));
        }
        world.gain();
        world
    }

    pub(super) fn form(&mut self) {
        let members = vec![NodeId(1), NodeId(2)];
        for node in &members {
            self.apply(&Command::NodeUp(Box::new(NodeUp {
                node: *node,
                incarnation: Incarnation(node.0),
                pop: "pop".into(),
                sip: vec![addr(OURS)],
                rpc: addr("127.0.0.1:7060"),
                admin: addr("127.0.0.1:8060"),
                version: String::new(),
                at: Millis(START),
                listeners: Vec::new(),
                gossip: addr("127.0.0.1:7060"),
                role: holdline_model::NodeRole::Full,
            })));
        }
        let at = Millis(START);
        let form = FormCluster { cluster: ClusterId(1), slots: 2, members, at };
        self.apply(&Command::FormCluster(form));
    }

    pub(super) fn apply(&mut self, command: &Command) -> Reply {
        self.index += 1;
        let position = Position { index: self.index, position: 0 };
        let mut state = self.state.0.lock().unwrap();
        apply(&mut *state, position, command, &mut Vec::new()).unwrap()
    }

    pub(super) fn gain(&mut self) {
        let calls = self.state.0.lock().unwrap().calls.values().cloned().collect();
        self.input(Input::Gained { slot: SLOT, epoch: Epoch(self.epoch), calls });
    }

    /// The other node takes the slot over; this one knows nothing of it yet.
    pub(super) fn take_over(&mut self) {
        let to = NodeId(if self.owner == 0 { 2 } else { 1 });
        let moves = vec![SlotMove { slot: SLOT, expected: Epoch(self.epoch), to }];
        let (reason, at) = (TransferReason::Failure, Millis(self.now));
        self.apply(&Command::TransferSlots(TransferSlots { moves, reason, at }));
        self.owner = 1 - self.owner;
        self.epoch += 1;
        self.gain();
    }

    pub(super) fn input(&mut self, input: Input) {
        self.input_at(self.owner, input);
    }

    pub(super) fn input_at(&mut self, node: usize, input: Input) {
        self.nodes[node].handle(Millis(self.now), input);
        while let Some(output) = self.nodes[node].poll() {
            match output {
                Output::Send { hop, bytes } => {
                    self.sent.push((hop, Message::parse(bytes).unwrap()));
                }
                Output::Event(event) => self.events.push(event),
                Output::Register { ticket, command } => self.held.push((ticket, *command)),
                Output::CatchUp { ticket } => self.behind.push((node, ticket)),
                Output::Propose(command) => {
                    let (call, step) = (command.call, command.step);
                    let reply = self.apply(&Command::Call(command));
                    self.input_at(node, Input::Decided { call, step, outcome: Ok(reply) });
                }
            }
        }
        if self.decide != Decide::Hold {
            self.decide_held(node);
            self.catch_up(true);
        }
    }

    /// The nodes have applied what is committed, or do not get to it.
    pub(super) fn catch_up(&mut self, is_current: bool) {
        for (node, ticket) in std::mem::take(&mut self.behind) {
            self.input_at(node, Input::CaughtUp { ticket, is_current });
        }
    }

    pub(super) fn decide_held(&mut self, node: usize) {
        for (ticket, command) in std::mem::take(&mut self.held) {
            let outcome = match self.decide {
                Decide::Lose => Err(Undecided),
                Decide::Commit | Decide::CommitInSilence | Decide::Hold => {
                    self.commits += 1;
                    Ok(self.apply(&Command::Register(Box::new(command))))
                }
            };
            let outcome =
                if self.decide == Decide::CommitInSilence { Err(Undecided) } else { outcome };
            self.input_at(node, Input::Registered { ticket, outcome });
        }
    }

    pub(super) fn receive(&mut self, text: &str) -> Vec<Message> {
        self.receive_at(self.owner, PHONE, text)
    }

    pub(super) fn receive_at(&mut self, node: usize, peer: &str, text: &str) -> Vec<Message> {
        self.sent.clear();
        let message = Message::parse(text.to_owned().into()).unwrap();
        let hop = Hop::udp(addr(OURS), addr(peer));
        self.input_at(node, Input::Sip { hop, message, slot: SLOT });
        std::mem::take(&mut self.sent).into_iter().map(|(_, message)| message).collect()
    }

    /// The one answer to a request.
    pub(super) fn answer(&mut self, text: &str) -> Message {
        let mut answers = self.receive(text);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    pub(super) fn contacts(&self) -> Vec<String> {
        let state = self.state.0.lock().unwrap();
        let bindings = state.locations.get(&aor("alice")).map(|known| known.bindings.clone());
        bindings.unwrap_or_default().into_iter().map(|binding| binding.contact).collect()
    }
}

/// A device that registers: what tells its requests apart.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) user: &'static str,
    pub(super) password: &'static str,
    pub(super) call_id: &'static str,
    pub(super) cseq: u32,
    pub(super) branch: u32,
    pub(super) challenge: Option<Challenge>,
    pub(super) nc: u32,
    /// Header fields of its REGISTERs.
    pub(super) fields: String,
}

impl Device {
    pub(super) fn new() -> Self {
        Self {
            user: "alice",
            password: PASSWORD,
            call_id: "reg-1",
            cseq: 0,
            branch: 0,
            challenge: None,
            nc: 0,
            fields: "Contact: <sip:alice@203.0.113.5:5062>\r\nExpires: 600\r\n".to_owned(),
        }
    }

    pub(super) fn with(fields: &str) -> Self {
        Self { fields: fields.to_owned(), ..Self::new() }
    }

    pub(super) fn register(&mut self) -> String {
        self.request("REGISTER", "sip:example.com", "Authorization")
    }

    pub(super) fn invite(&mut self, uri: &str) -> String {
        self.request("INVITE", uri, "Proxy-Authorization")
    }

    pub(super) fn request(&mut self, method: &str, uri: &str, field: &str) -> String {
        self.cseq += 1;
        self.branch += 1;
        let Self { user, call_id, cseq, branch, fields, .. } = &self;
        let to = if method == "REGISTER" { "sip:alice@example.com" } else { uri };
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5:5062;branch=z9hG4bK{call_id}{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@example.com>;tag=f1\r\nTo: <{to}>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{fields}"
        );
        if let Some(challenge) = &self.challenge {
            self.nc += 1;
            let ha1 = ha1(self.user, &challenge.realm, self.password);
            let answer =
                Answer { username: self.user, ha1: &ha1, method, uri, nc: self.nc, cnonce: "c" };
            text.push_str(&format!("{field}: {}\r\n", answer.to(challenge)));
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        text
    }

    /// Takes a challenge in.
    pub(super) fn challenged(&mut self, answer: &Message) -> &Challenge {
        let values = answer
            .header_values(HeaderName::WwwAuthenticate)
            .chain(answer.header_values(HeaderName::ProxyAuthenticate));
        self.challenge = Challenge::best(values);
        self.nc = 0;
        self.challenge.as_ref().unwrap()
    }

    /// Registers as devices do: once without credentials, once with.
    pub(super) fn sign_in(&mut self, world: &mut World) -> Message {
        let text = self.register();
        let answer = world.answer(&text);
        assert_eq!(answer.status(), Some(401));
        self.challenged(&answer);
        let text = self.register();
        world.answer(&text)
    }
}
