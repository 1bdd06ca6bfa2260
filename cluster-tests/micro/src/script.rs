//! Calls played once and written down: what the engine is given, step by step, and what it proposes.
//!
//! An engine with the same seed that is given the same inputs does the same again, so the inputs of
//! a call can be prepared although they depend on what the engine sent before.

use std::sync::Arc;

use bytes::Bytes;
use holdline_call::{CallEngine, Input, Options, Output, Route, Routing, Trunk, TrunkPolicy};
use holdline_model::{
    CallChange, CallCommand, CallRecord, CdrId, Command, Epoch, Hop, Millis, Reply, SlotId,
    Transport,
};
use holdline_sip::message::{Message, Method};

use crate::samples::{SDP, callee, caller, sipp_answer, sipp_invite, sipp_request, switch};

/// How many calls go through each step together.
pub(crate) const CALLS: u32 = 64;
/// The slot of all calls, as a cluster gets it when it is formed.
pub(crate) const SLOT: SlotId = SlotId(0);
/// Its epoch then.
pub(crate) const EPOCH: Epoch = Epoch(1);
/// When the first call comes.
pub(crate) const START: Millis = Millis(1_700_000_000_000);
const SEED: u64 = 7;

/// One step of all calls.
pub(crate) struct Step {
    /// Its name.
    pub(crate) name: &'static str,
    /// What the engine is given, in order.
    pub(crate) inputs: Vec<(Millis, Input)>,
    /// What it proposes.
    pub(crate) proposed: Vec<Command>,
}

/// Some calls, from the INVITE until nothing is left of them.
pub(crate) struct Script {
    /// The steps, in order.
    pub(crate) steps: Vec<Step>,
    /// The record of a call that is up, as long as its ACK was not noted.
    pub(crate) answered: CallRecord,
    /// The same call when its ACK was noted: what most calls are, most of the time.
    pub(crate) confirmed: CallRecord,
}

/// Both trunks, and the route to one of them.
pub(crate) fn routing() -> Routing {
    let trunk = |name: &str, address: std::net::SocketAddr| Trunk {
        name: name.into(),
        tenant: "acme".into(),
        address: address.into(),
        transport: Transport::Udp,
        proxy: None,
        sources: Vec::new(),
        policy: TrunkPolicy::default(),
    };
    let trunks = vec![trunk("pbx", caller()), trunk("carrier", callee())];
    let route =
        Route { prefix: "+1".to_owned(), trunks: vec!["carrier".into()], ..Route::default() };
    Routing::new(trunks, vec![route]).expect("the route names a trunk that exists")
}

/// An engine that owns [`SLOT`] and knows both trunks.
pub(crate) fn engine() -> CallEngine {
    let mut engine = CallEngine::new(Options::default(), Arc::new(routing()), SEED);
    engine.handle(START, Input::Gained { slot: SLOT, epoch: EPOCH, calls: Vec::new() });
    while engine.poll().is_some() {}
    engine
}

/// Gives the engine one input and throws away what it wants.
pub(crate) fn play(engine: &mut CallEngine, now: Millis, input: Input) {
    engine.handle(now, input);
    while let Some(output) = engine.poll() {
        drop(std::hint::black_box(output));
    }
}

impl Script {
    /// Plays the calls. Each rings at once, is answered after 100 ms, lasts ten seconds, and is
    /// hung up by the caller.
    pub(crate) fn record() -> Self {
        let mut recorder = Recorder::new();
        let invites = recorder.admit();
        recorder.ring(&invites);
        let answers = recorder.answer(&invites);
        let call = recorder.first_call();
        let record =
            |recorder: &Recorder| recorder.engine.record(call).expect("the call is up").clone();
        let answered = record(&recorder);
        recorder.acknowledge(&answers);
        let confirmed = record(&recorder);
        recorder.end(&answers);
        recorder.forget();
        Self { steps: recorder.steps, answered, confirmed }
    }

    /// A step by its name.
    pub(crate) fn step(&self, name: &str) -> &Step {
        self.steps.iter().find(|step| step.name == name).expect("the caller knows the steps")
    }

    /// All messages that the switch receives.
    pub(crate) fn datagrams(&self) -> Vec<Bytes> {
        let inputs = self.steps.iter().flat_map(|step| &step.inputs);
        inputs
            .filter_map(|(_, input)| match input {
                Input::Sip { message, .. } => Some(message.bytes().clone()),
                Input::Malformed { .. }
                | Input::Unsent { .. }
                | Input::Decided { .. }
                | Input::Registered { .. }
                | Input::CaughtUp { .. }
                | Input::Gained { .. }
                | Input::Lost { .. }
                | Input::HangUp { .. }
                | Input::Tick
                | Input::Trunks(_)
                | Input::Suspended(_) => None,
            })
            .collect()
    }

    /// What the owner of the calls proposes in one step.
    pub(crate) fn proposed(&self, name: &str) -> &[Command] {
        &self.step(name).proposed
    }
}

/// Plays the part of everybody but the engine.
struct Recorder {
    engine: CallEngine,
    now: Millis,
    steps: Vec<Step>,
    /// Sent since the last look.
    sent: Vec<Message>,
    /// Proposed and not yet decided.
    open: Vec<CallCommand>,
    decided: u64,
}

impl Recorder {
    fn new() -> Self {
        let (engine, steps) = (engine(), Vec::new());
        Self { engine, now: START, steps, sent: Vec::new(), open: Vec::new(), decided: 0 }
    }

    /// The calls come, and go out. Returns the INVITEs that the callee got.
    fn admit(&mut self) -> Vec<Message> {
        self.begin("admit");
        for call in 0..CALLS {
            self.receive(caller(), sipp_invite(call));
        }
        self.decide();
        let invites = self.take_sent(|sent| *sent.method() == Method::Invite && sent.is_request());
        assert_eq!(invites.len(), CALLS as usize, "every call went out");
        invites
    }

    fn ring(&mut self, invites: &[Message]) {
        self.begin("ring");
        self.pass(20);
        for (call, invite) in (0..).zip(invites) {
            self.receive(callee(), sipp_answer(call, invite, "180 Ringing", ""));
        }
        self.decide();
        self.sent.clear();
    }

    /// Returns the 200s that the caller got.
    fn answer(&mut self, invites: &[Message]) -> Vec<Message> {
        self.begin("answer");
        self.pass(80);
        for (call, invite) in (0..).zip(invites) {
            self.receive(callee(), sipp_answer(call, invite, "200 OK", SDP));
        }
        self.decide();
        let answers = self.take_sent(|sent| sent.status() == Some(200));
        assert_eq!(answers.len(), CALLS as usize, "every call was answered");
        answers
    }

    /// The ACKs come, and are noted some hundred milliseconds later.
    fn acknowledge(&mut self, answers: &[Message]) {
        self.begin("ack");
        self.pass(2);
        for (call, answer) in (0..).zip(answers) {
            self.receive(caller(), sipp_request(call, "ACK", 1, answer));
        }
        self.pass(1_000);
        self.decide();
        let is_note = |command: &Command| {
            matches!(command, Command::Call(CallCommand { change: CallChange::AckSeen(_), .. }))
        };
        let notes =
            self.steps.last().map(|step| step.proposed.iter().filter(|p| is_note(p)).count());
        assert_eq!(notes, Some(CALLS as usize), "every ACK was noted");
    }

    fn end(&mut self, answers: &[Message]) {
        self.begin("end");
        self.pass(9_000);
        self.sent.clear();
        for (call, answer) in (0..).zip(answers) {
            self.receive(caller(), sipp_request(call, "BYE", 2, answer));
        }
        self.decide();
        let byes = self.take_sent(|sent| *sent.method() == Method::Bye && sent.is_request());
        assert_eq!(byes.len(), CALLS as usize, "every callee was sent a BYE");
        for (call, bye) in (0..).zip(&byes) {
            self.receive(callee(), sipp_answer(call, bye, "200 OK", ""));
        }
    }

    fn forget(&mut self) {
        self.begin("forget");
        self.pass(60_000);
        assert_eq!(self.engine.live_calls() + self.engine.tombstones(), 0, "nothing is left");
        assert!(self.open.is_empty(), "nothing is proposed for calls that are over");
    }

    fn begin(&mut self, name: &'static str) {
        self.steps.push(Step { name, inputs: Vec::new(), proposed: Vec::new() });
    }

    fn receive(&mut self, peer: std::net::SocketAddr, bytes: Bytes) {
        let message = Message::parse(bytes).expect("the samples are valid");
        self.input(Input::Sip { hop: Hop::udp(switch(), peer), message, slot: SLOT });
    }

    /// Lets time pass, waking the engine whenever it asks for it.
    fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some(at) = self.engine.next_timer().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Tick);
            self.decide();
        }
        self.now = end;
    }

    /// Commits what is proposed.
    fn decide(&mut self) {
        for command in std::mem::take(&mut self.open) {
            self.decided += 1;
            let reply = match &command.change {
                CallChange::End(_) => Reply::Ended(CdrId { index: self.decided, position: 0 }),
                CallChange::Admit(_)
                | CallChange::Attempt(_)
                | CallChange::Early(_)
                | CallChange::Cancel(_)
                | CallChange::Answer(_)
                | CallChange::AckSeen(_)
                | CallChange::Reinviting(_)
                | CallChange::Reinvited(_)
                | CallChange::ReinviteAcked(_)
                | CallChange::Updated(_)
                | CallChange::Counted(_)
                | CallChange::Pracked(_)
                | CallChange::BranchOver(_)
                | CallChange::Settled
                | CallChange::Asked(_)
                | CallChange::Fail(_) => Reply::Done,
            };
            let (call, step) = (command.call, command.step);
            self.input(Input::Decided { call, step, outcome: Ok(reply) });
        }
    }

    fn input(&mut self, input: Input) {
        let step = self.steps.last_mut().expect("every input is part of a step");
        step.inputs.push((self.now, input.clone()));
        self.engine.handle(self.now, input);
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Send { bytes, .. } => {
                    self.sent.push(Message::parse(bytes).expect("what we send is valid"));
                }
                Output::Propose(command) => {
                    step.proposed.push(Command::Call(command.clone()));
                    self.open.push(command);
                }
                Output::Event(_) | Output::Register { .. } | Output::CatchUp { .. } => {}
            }
        }
    }

    fn take_sent(&mut self, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        std::mem::take(&mut self.sent).into_iter().filter(wanted).collect()
    }

    fn first_call(&self) -> holdline_model::CallId {
        match self.steps.first().and_then(|step| step.proposed.first()) {
            Some(Command::Call(command)) => command.call,
            Some(_) | None => unreachable!("the first proposal admits the first call"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_every_call_is_played() {
        let script = Script::record();
        let names: Vec<_> = script.steps.iter().map(|step| step.name).collect();
        assert_eq!(names, ["admit", "ring", "answer", "ack", "end", "forget"]);
        // INVITE, 180, 200, ACK, BYE, 200.
        assert_eq!(script.datagrams().len(), 6 * CALLS as usize);
    }

    #[test]
    fn the_same_inputs_lead_to_the_same_proposals() {
        let script = Script::record();
        let mut engine = engine();
        for step in &script.steps {
            let mut proposed = Vec::new();
            for (now, input) in step.inputs.clone() {
                engine.handle(now, input);
                while let Some(output) = engine.poll() {
                    if let Output::Propose(command) = output {
                        proposed.push(Command::Call(command));
                    }
                }
            }
            assert_eq!(proposed, step.proposed, "{}", step.name);
        }
    }
}
