//! Random scripts: whatever peers, the log and the clock do, the engine's record is the replicated
//! one, no call has two proposals in flight, no timer spins, and in the end every admitted call has
//! exactly one CDR and is forgotten.

use holdline_model::Phase;
use holdline_sip::message::{Message, Method};
use proptest::prelude::*;

use super::driver::*;
use crate::Input;

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A call's INVITE, for the first time or again, to a number with this many targets.
    Invite(u8),
    Cancel(u8),
    /// Some request of ours is answered with a status.
    Answer(u8, u16, bool),
    /// The caller says something within a dialog that an answer of ours made.
    Caller(u8, u8),
    /// The callee does.
    Callee(u8, u8),
    HangUp(u8),
    Pass(u16),
    Withhold,
    Commit,
    Undecided,
    Suspend(bool),
    TakeOver,
    DieAfterCommit,
}

fn happening() -> impl Strategy<Value = Happening> {
    let status = prop::sample::select(vec![100, 180, 183, 200, 200, 302, 404, 486, 487, 503, 603]);
    prop_oneof![
        3 => (0..3_u8).prop_map(Happening::Invite),
        2 => (0..3_u8).prop_map(Happening::Cancel),
        8 => (any::<u8>(), status, any::<bool>()).prop_map(|(i, s, sdp)| Happening::Answer(i, s, sdp)),
        5 => (any::<u8>(), 0..5_u8).prop_map(|(i, m)| Happening::Caller(i, m)),
        3 => (any::<u8>(), 0..5_u8).prop_map(|(i, m)| Happening::Callee(i, m)),
        1 => any::<u8>().prop_map(Happening::HangUp),
        4 => (0..40_000_u16).prop_map(Happening::Pass),
        2 => Just(Happening::Withhold),
        2 => Just(Happening::Commit),
        1 => Just(Happening::Undecided),
        1 => any::<bool>().prop_map(Happening::Suspend),
        1 => Just(Happening::TakeOver),
        1 => Just(Happening::DieAfterCommit),
    ]
}

/// What peers have heard from us, and can refer to.
#[derive(Default)]
struct Heard {
    requests: Vec<Message>,
    answers: Vec<Message>,
}

impl Heard {
    fn listen(&mut self, world: &mut World) {
        for message in world.sent().iter().map(Sent::message) {
            if message.is_request() {
                if *message.method() != Method::Ack {
                    self.requests.push(message);
                }
            } else if *message.method() == Method::Invite && message.to().tag.is_some() {
                self.answers.push(message);
            }
        }
    }
}

fn pick(list: &[Message], index: u8) -> Option<&Message> {
    list.get(usize::from(index).checked_rem(list.len())?)
}

const METHODS: [&str; 5] = ["ACK", "BYE", "INVITE", "OPTIONS", "INFO"];

fn happen(world: &mut World, heard: &mut Heard, happening: Happening) {
    match happening {
        Happening::Invite(id) => {
            let number = if id == 0 { "+1555" } else { "+49" };
            let sdp = if id == 2 { "" } else { SDP };
            world.receive(caller(), invite_to(&id.to_string(), number, sdp));
        }
        Happening::Cancel(id) => world.receive(caller(), cancel(&id.to_string())),
        Happening::Answer(index, status, sdp) => {
            if let Some(request) = pick(&heard.requests, index) {
                let sdp = if sdp || status == 200 { SDP } else { "" };
                let tag = if index > 200 { "other" } else { "callee" };
                let answer = response_tagged(request, status, sdp, tag);
                // Our requests to a callee have a Call-ID of ours.
                if request.call_id().starts_with("hl") {
                    world.receive(target(0), answer);
                } else {
                    let answer = String::from_utf8_lossy(&answer).into_owned();
                    let (bob, alice) = (target(0).to_string(), caller().to_string());
                    world.receive(caller(), answer.replace(&bob, &alice));
                }
            }
        }
        Happening::Caller(index, method) => {
            if let Some(answer) = pick(&heard.answers, index) {
                let method = METHODS[usize::from(method)];
                let cseq = if method == "ACK" { 1 } else { 2 };
                world.receive(caller(), request_from_caller(method, cseq, answer, ""));
            }
        }
        Happening::Callee(index, method) => {
            let invites: Vec<Message> = heard
                .requests
                .iter()
                .filter(|request| *request.method() == Method::Invite && request.to().tag.is_none())
                .cloned()
                .collect();
            if let Some(invite) = pick(&invites, index) {
                let method = METHODS[usize::from(method)];
                world.receive(target(0), request_from_callee(method, 5, invite));
            }
        }
        Happening::HangUp(index) => {
            let calls: Vec<_> = world.state.calls.keys().copied().collect();
            if let Some(place) = usize::from(index).checked_rem(calls.len()) {
                world.input(Input::HangUp { call: calls[place] });
            }
        }
        Happening::Pass(ms) => world.pass(u64::from(ms)),
        Happening::Withhold => world.decide = Decide::Withhold,
        Happening::Commit => {
            world.decide = Decide::Commit;
            world.commit_held();
        }
        Happening::Undecided => world.leave_held_undecided(),
        Happening::Suspend(suspended) => world.input(Input::Suspended(suspended)),
        Happening::TakeOver => world.take_over(),
        Happening::DieAfterCommit => {
            world.commit_held_in_silence();
            world.take_over();
        }
    }
    for (index, command) in world.held.iter().enumerate() {
        let mut others = world.held.iter().take(index);
        let other = others.find(|other| other.call == command.call && *other != command);
        assert_eq!(other, None, "one proposal in flight per call, unless it is the same again");
    }
    heard.listen(world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_once_and_is_forgotten(script in prop::collection::vec(happening(), 1..60)) {
        let mut world = World::with(|options| {
            options.answer_timeout = std::time::Duration::from_secs(60);
            options.max_call_duration = Some(std::time::Duration::from_secs(90));
        });
        let mut heard = Heard::default();
        for step in script {
            happen(&mut world, &mut heard, step);
        }
        happen(&mut world, &mut heard, Happening::Suspend(false));
        happen(&mut world, &mut heard, Happening::Commit);
        world.pass(600_000);
        prop_assert_eq!(world.engine.live_calls(), 0);
        prop_assert_eq!(world.engine.tombstones(), 0);
        prop_assert_eq!(world.engine.next_timer(), None);
        prop_assert!(world.state.calls.values().all(|call| call.phase == Phase::Finished));
        prop_assert_eq!(world.state.cdrs.len(), world.state.calls.len());
    }
}
