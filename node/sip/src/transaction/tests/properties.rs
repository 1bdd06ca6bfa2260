//! What holds for every sequence of inputs, of every machine.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Longer than any run of inputs makes a machine live: it has ended by itself if it can.
const LONG_MS: u64 = 200_000;

/// Gives the inputs with the waits between them, then lets the timers run out. `drained`: whether the
/// user polls in between.
fn check<M: Machine>(mut machine: M, inputs: &[(u64, M::Input)], drained: bool) {
    let mut ms = 0;
    let mut over = false;
    for (wait_ms, input) in inputs {
        ms += wait_ms;
        let is_timer = format!("{input:?}") == format!("{:?}", M::TIMER);
        machine.give(t(ms), input.clone());
        if is_timer {
            assert!(machine.timer().is_none_or(|due| due > t(ms)), "{machine:?}");
        }
        if drained {
            let outputs = drain(&mut machine);
            assert!(outputs.len() <= 4, "{outputs:?}");
            assert!(!over || outputs.is_empty(), "speaks from the grave: {outputs:?}");
            over |= ended_last(&outputs, M::TERMINATED);
            assert!(!over || machine.timer().is_none(), "{machine:?}");
        }
    }
    // Without the polls, events of many inputs are left over; no more than there are kinds of them.
    assert!(drain(&mut machine).len() <= 8);
    let firings = run(&mut machine, ms + LONG_MS);
    // With T2 = T1, the fastest, a message is resent 63 times in 64×T1; and the end makes two events.
    assert!(firings.len() <= 66, "{firings:?}");
    assert_eq!(machine.timer(), None, "{machine:?}");
}

/// Whether the end was told; it must be the last thing.
fn ended_last<O: PartialEq + Debug>(outputs: &[O], terminated: O) -> bool {
    let told = outputs.iter().filter(|output| **output == terminated).count();
    assert!(told <= 1, "{outputs:?}");
    assert!(told == 0 || outputs.last() == Some(&terminated), "{outputs:?}");
    told == 1
}

/// Waits around the timers' lengths, so that inputs come just before, at and after them.
fn wait_ms() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..600_u64, 0..5_001_u64, 0..40_000_u64, Just(500), Just(32_000)]
}

fn timers() -> impl Strategy<Value = TimerConfig> {
    prop_oneof![
        Just(TimerConfig::default()),
        (1..1_000_u32, 0..4_000_u32, 1..5_000_u32).prop_map(|(t1, more, t4)| TimerConfig::new(
            t1,
            t1 + more,
            t4
        )
        .unwrap()),
    ]
}

fn response() -> impl Strategy<Value = ResponseClass> {
    prop_oneof![
        Just(ResponseClass::Provisional),
        Just(ResponseClass::Success),
        Just(ResponseClass::Failure)
    ]
}

fn invite_client_input() -> impl Strategy<Value = InviteClientInput> {
    prop_oneof![
        4 => Just(InviteClientInput::Timer),
        4 => response().prop_map(InviteClientInput::Response),
        2 => Just(InviteClientInput::Ack(msg("ACK"))),
        1 => Just(InviteClientInput::Ack(Bytes::new())),
        1 => Just(InviteClientInput::CancelSent),
        1 => Just(InviteClientInput::TransportError),
    ]
}

fn invite_server_input() -> impl Strategy<Value = InviteServerInput> {
    prop_oneof![
        4 => Just(InviteServerInput::Timer),
        4 => Just(InviteServerInput::Invite),
        2 => Just(InviteServerInput::Ack),
        2 => Just(InviteServerInput::Provisional(msg("180"))),
        1 => any::<bool>()
            .prop_map(|until_ack| InviteServerInput::Success { response: msg("200"), until_ack }),
        1 => Just(InviteServerInput::Failure(msg("486"))),
        1 => Just(InviteServerInput::TransportError),
    ]
}

fn non_invite_client_input() -> impl Strategy<Value = NonInviteClientInput> {
    prop_oneof![
        4 => Just(NonInviteClientInput::Timer),
        2 => response().prop_map(NonInviteClientInput::Response),
        1 => Just(NonInviteClientInput::TransportError),
    ]
}

fn non_invite_server_input() -> impl Strategy<Value = NonInviteServerInput> {
    prop_oneof![
        4 => Just(NonInviteServerInput::Timer),
        4 => Just(NonInviteServerInput::Request),
        1 => Just(NonInviteServerInput::Provisional(msg("100"))),
        1 => Just(NonInviteServerInput::Final(msg("200"))),
        1 => Just(NonInviteServerInput::TransportError),
    ]
}

/// The ways in which an INVITE client comes to life, by number.
fn invite_client(way: u8, timers: TimerConfig, reliable: bool, at: Millis) -> InviteClient {
    match way {
        0 => InviteClient::new(T0, timers, reliable, msg("INVITE")),
        1 => InviteClient::recover_calling(T0, timers, reliable, msg("INVITE"), at),
        2 => InviteClient::recover_proceeding(timers, reliable),
        3 => InviteClient::recover_completed(T0, timers, reliable, msg("ACK"), at),
        _ => InviteClient::recover_accepted(T0, timers, reliable),
    }
}

/// The ways in which an INVITE server comes to life, by number.
fn invite_server(way: u8, timers: TimerConfig, reliable: bool, at: Millis) -> InviteServer {
    match way {
        0 => InviteServer::new(timers, reliable),
        1 => InviteServer::recover_with_last(T0, timers, reliable, msg("183"), at),
        2 => InviteServer::recover_completed(T0, timers, reliable, msg("486"), at),
        _ => InviteServer::recover_accepted(T0, timers, reliable, msg("200"), T0, at),
    }
}

proptest! {
    #[test]
    fn invite_client_stands_any_inputs(
        (way, timers, reliable, drained) in (0..5_u8, timers(), any::<bool>(), any::<bool>()),
        at_ms in 0..400_u64,
        inputs in vec((wait_ms(), invite_client_input()), 0..30),
    ) {
        check(invite_client(way, timers, reliable, t(at_ms)), &inputs, drained);
    }

    #[test]
    fn invite_server_stands_any_inputs(
        (way, timers, reliable, drained) in (0..4_u8, timers(), any::<bool>(), any::<bool>()),
        at_ms in 0..400_u64,
        inputs in vec((wait_ms(), invite_server_input()), 0..30),
    ) {
        check(invite_server(way, timers, reliable, t(at_ms)), &inputs, drained);
    }

    #[test]
    fn non_invite_client_stands_any_inputs(
        (recovered, timers, reliable, drained) in
            (any::<bool>(), timers(), any::<bool>(), any::<bool>()),
        at_ms in 0..400_u64,
        inputs in vec((wait_ms(), non_invite_client_input()), 0..30),
    ) {
        let client = if recovered {
            NonInviteClient::recover_trying(T0, timers, reliable, msg("BYE"), t(at_ms))
        } else {
            NonInviteClient::new(T0, timers, reliable, msg("BYE"))
        };
        check(client, &inputs, drained);
    }

    #[test]
    fn non_invite_server_stands_any_inputs(
        (recovered, timers, reliable, drained) in
            (any::<bool>(), timers(), any::<bool>(), any::<bool>()),
        inputs in vec((wait_ms(), non_invite_server_input()), 0..30),
    ) {
        let server = if recovered {
            NonInviteServer::recover_completed(T0, timers, reliable, msg("200"))
        } else {
            NonInviteServer::new(timers, reliable)
        };
        check(server, &inputs, drained);
    }

    /// The number of sendings follows from T1 alone: with timer A doubling, the seventh would be
    /// the last before 64×T1, however long T1 is.
    #[test]
    fn an_unanswered_invite_is_sent_seven_times(timers in timers()) {
        let mut client = InviteClient::new(T0, timers, UDP, msg("INVITE"));
        prop_assert_eq!(drain(&mut client).len(), 1);
        let resent = run(&mut client, 64 * u64::from(timers.t1_ms()) - 1);
        prop_assert_eq!(resent.len(), 6);
        let t1_ms = u64::from(timers.t1_ms());
        for (n, (ms, _)) in resent.iter().enumerate() {
            prop_assert_eq!(*ms, t1_ms * ((1 << (n + 1)) - 1));
        }
    }
}
