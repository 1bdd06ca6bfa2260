//! RFC 3261 sections 17.2.1 and 13.3.1.4, and RFC 6026 section 7.1.

use super::*;
use InviteServerEvent as Event;
use InviteServerInput as Input;
use InviteServerState as State;

type Output = InviteServerOutput;

fn send(text: &'static str) -> Output {
    Output::Send(msg(text))
}

fn event(event: Event) -> Output {
    Output::Event(event)
}

fn success(until_ack: bool) -> Input {
    Input::Success { response: msg("200"), until_ack }
}

/// A server in each state, reached at the start of the test.
fn in_state(state: State, reliable: bool) -> InviteServer {
    let mut server = InviteServer::new(rfc(), reliable);
    match state {
        State::Proceeding => {}
        State::Completed => {
            assert_eq!(at(&mut server, 0, Input::Failure(msg("486"))), [send("486")]);
        }
        State::Confirmed => {
            assert_eq!(at(&mut server, 0, Input::Failure(msg("486"))), [send("486")]);
            assert_eq!(at(&mut server, 0, Input::Ack), []);
        }
        State::Accepted => assert_eq!(at(&mut server, 0, success(true)), [send("200")]),
        State::Terminated => {
            server = in_state(State::Confirmed, reliable);
            assert_eq!(run(&mut server, 100_000), [(5_000, event(Event::Terminated))]);
        }
    }
    assert_eq!(server.state(), state);
    server
}

/// When timer G, or the core's timer, resends.
const RESENDS_MS: [u64; 10] =
    [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

#[test]
fn is_silent_until_told() {
    let mut server = InviteServer::new(rfc(), UDP);
    assert_eq!(drain(&mut server), []);
    assert_eq!(server.next_timer(), None);
    for ms in [500, 1_500, 3_500] {
        assert_eq!(at(&mut server, ms, Input::Invite), [], "{ms}");
    }
    assert_eq!(at(&mut server, 3_600, Input::Provisional(msg("100"))), [send("100")]);
}

#[test]
fn a_repeated_invite_gets_the_last_provisional_answer() {
    let mut server = InviteServer::new(rfc(), UDP);
    assert_eq!(at(&mut server, 1, Input::Provisional(msg("100"))), [send("100")]);
    assert_eq!(at(&mut server, 500, Input::Invite), [send("100")]);
    assert_eq!(at(&mut server, 600, Input::Provisional(msg("180"))), [send("180")]);
    assert_eq!(at(&mut server, 1_500, Input::Invite), [send("180")]);
    assert_eq!(server.next_timer(), None);
}

#[test]
fn timer_g_doubles_to_t2_and_timer_h_gives_up_after_32_seconds() {
    let mut server = in_state(State::Completed, UDP);
    let mut expected: Vec<_> = RESENDS_MS.map(|ms| (ms, send("486"))).to_vec();
    expected.push((32_000, event(Event::AckMissing)));
    expected.push((32_000, event(Event::Terminated)));
    assert_eq!(run(&mut server, 100_000), expected);
}

#[test]
fn a_reliable_transport_has_timer_h_only() {
    let mut server = in_state(State::Completed, TCP);
    assert_eq!(
        run(&mut server, 100_000),
        [(32_000, event(Event::AckMissing)), (32_000, event(Event::Terminated))]
    );
}

#[test]
fn a_repeated_invite_gets_the_failure_without_moving_timer_g() {
    let mut server = in_state(State::Completed, UDP);
    assert_eq!(at(&mut server, 400, Input::Invite), [send("486")]);
    assert_eq!(server.next_timer(), Some(t(500)));
}

#[test]
fn the_ack_of_a_failure_stops_it_and_timer_i_ends_it() {
    let mut server = in_state(State::Completed, UDP);
    assert_eq!(at(&mut server, 700, Input::Ack), []);
    assert_eq!(server.state(), State::Confirmed);
    assert_eq!(at(&mut server, 800, Input::Invite), []);
    assert_eq!(at(&mut server, 900, Input::Ack), []);
    assert_eq!(run(&mut server, 100_000), [(5_700, event(Event::Terminated))]);
}

#[test]
fn on_a_reliable_transport_timer_i_is_zero() {
    let mut server = in_state(State::Completed, TCP);
    assert_eq!(at(&mut server, 700, Input::Ack), [event(Event::Terminated)]);
}

#[test]
fn resends_200_until_ack() {
    for reliable in [UDP, TCP] {
        let mut server = in_state(State::Accepted, reliable);
        assert!(server.awaits_ack());
        assert_eq!(run(&mut server, 2_000), [(500, send("200")), (1_500, send("200"))]);
        assert_eq!(at(&mut server, 2_000, Input::Ack), [event(Event::Ack)]);
        assert!(!server.awaits_ack());
        assert_eq!(at(&mut server, 2_100, Input::Ack), [event(Event::Ack)]);
        assert_eq!(run(&mut server, 100_000), [(32_000, event(Event::Terminated))]);
    }
}

#[test]
fn reports_a_missing_ack_after_32_seconds() {
    let mut server = in_state(State::Accepted, UDP);
    let mut expected: Vec<_> = RESENDS_MS.map(|ms| (ms, send("200"))).to_vec();
    expected.push((32_000, event(Event::AckMissing)));
    expected.push((32_000, event(Event::Terminated)));
    assert_eq!(run(&mut server, 100_000), expected);
}

#[test]
fn without_the_cores_resending_only_timer_l_runs() {
    let mut server = InviteServer::new(rfc(), UDP);
    assert_eq!(at(&mut server, 0, success(false)), [send("200")]);
    assert_eq!(run(&mut server, 100_000), [(32_000, event(Event::Terminated))]);
}

#[test]
fn a_repeated_invite_is_absorbed_after_a_2xx() {
    let mut server = in_state(State::Accepted, UDP);
    assert_eq!(at(&mut server, 400, Input::Invite), []);
    assert_eq!(server.next_timer(), Some(t(500)));
}

#[test]
fn a_further_2xx_of_the_user_is_sent() {
    let mut server = in_state(State::Accepted, UDP);
    let again = Input::Success { response: msg("200b"), until_ack: true };
    assert_eq!(at(&mut server, 100, again), [send("200b")]);
    assert_eq!(run(&mut server, 500), [(500, send("200b"))]);
}

#[test]
fn a_transport_error_is_told_and_changes_nothing() {
    for state in [State::Proceeding, State::Completed, State::Accepted] {
        let mut server = in_state(state, UDP);
        let due = server.next_timer();
        let outputs = at(&mut server, 10, Input::TransportError);
        assert_eq!(outputs, [event(Event::TransportError)], "{state:?}");
        assert_eq!((server.state(), server.next_timer()), (state, due));
    }
}

#[test]
fn ignores_what_has_no_meaning_in_a_state() {
    let answers = || vec![Input::Provisional(msg("180")), Input::Failure(msg("503")), Input::Timer];
    let with = |mut inputs: Vec<Input>, more: Vec<Input>| {
        inputs.extend(more);
        inputs
    };
    for (state, inputs) in [
        (State::Proceeding, vec![Input::Ack, Input::Invite, Input::Timer]),
        (State::Completed, with(answers(), vec![success(true)])),
        (
            State::Confirmed,
            with(answers(), vec![success(true), Input::Invite, Input::Ack, Input::TransportError]),
        ),
        (State::Accepted, with(answers(), vec![Input::Invite])),
        (
            State::Terminated,
            with(answers(), vec![success(true), Input::Invite, Input::Ack, Input::TransportError]),
        ),
    ] {
        for input in inputs {
            let mut server = in_state(state, UDP);
            let due = server.next_timer();
            assert_eq!(at(&mut server, 10, input.clone()), [], "{state:?} {input:?}");
            assert_eq!((server.state(), server.next_timer()), (state, due), "{input:?}");
        }
    }
}

#[test]
fn recovered_with_a_provisional_answer_says_it_once_and_to_repetitions() {
    let mut server = InviteServer::recover_with_last(T0, rfc(), UDP, msg("183"), T0);
    assert_eq!(drain(&mut server), [send("183")]);
    assert_eq!(server.next_timer(), None);
    assert_eq!(at(&mut server, 300, Input::Invite), [send("183")]);

    let mut server = InviteServer::recover_with_last(T0, rfc(), UDP, msg("183"), t(40));
    assert_eq!(drain(&mut server), []);
    assert_eq!(run(&mut server, 100_000), [(40, send("183"))]);

    let mut server = InviteServer::recover_with_last(T0, rfc(), UDP, msg("183"), t(40));
    assert_eq!(at(&mut server, 30, Input::Invite), [send("183")]);
    assert_eq!(run(&mut server, 100_000), []);
}

#[test]
fn recovered_completed_resends_the_failure_until_ack() {
    let mut server = InviteServer::recover_completed(T0, rfc(), UDP, msg("486"), t(40));
    assert_eq!(drain(&mut server), []);
    let mut expected = vec![(40, send("486"))];
    expected.extend(RESENDS_MS.map(|ms| (ms + 40, send("486"))));
    expected.push((32_040, event(Event::AckMissing)));
    expected.push((32_040, event(Event::Terminated)));
    assert_eq!(run(&mut server.clone(), 100_000), expected);

    assert_eq!(run(&mut server, 40), [(40, send("486"))]);
    assert_eq!(at(&mut server, 60, Input::Ack), []);
    assert_eq!(run(&mut server, 100_000), [(5_060, event(Event::Terminated))]);
}

#[test]
fn recovered_completed_on_a_reliable_transport_says_it_once() {
    let mut server = InviteServer::recover_completed(T0, rfc(), TCP, msg("486"), t(40));
    assert_eq!(run(&mut server, 31_000), [(40, send("486"))]);
}

#[test]
fn recovered_accepted_resends_200_until_ack() {
    let mut server = InviteServer::recover_accepted(T0, rfc(), UDP, msg("200"), T0, t(40));
    assert_eq!(drain(&mut server), []);
    let mut expected = vec![(40, send("200"))];
    expected.extend(RESENDS_MS.map(|ms| (ms + 40, send("200"))));
    expected.push((32_000, event(Event::AckMissing)));
    expected.push((32_000, event(Event::Terminated)));
    assert_eq!(run(&mut server.clone(), 100_000), expected);

    assert_eq!(run(&mut server, 600), [(40, send("200")), (540, send("200"))]);
    assert_eq!(at(&mut server, 700, Input::Ack), [event(Event::Ack)]);
    assert_eq!(run(&mut server, 100_000), [(32_000, event(Event::Terminated))]);
}

#[test]
fn a_takeover_does_not_lengthen_the_wait_for_the_ack() {
    let late = T0.plus_ms(25_000);
    let mut server = InviteServer::recover_accepted(late, rfc(), UDP, msg("200"), T0, late);
    assert_eq!(drain(&mut server), [send("200")]);
    let resends = [25_500, 26_500, 28_500].map(|ms| (ms, send("200")));
    let end = [(32_000, event(Event::AckMissing)), (32_000, event(Event::Terminated))];
    assert_eq!(run(&mut server, 100_000), [&resends[..], &end[..]].concat());
}

#[test]
fn a_takeover_after_the_wait_for_the_ack_still_asks_for_it() {
    let late = T0.plus_ms(50_000);
    let mut server = InviteServer::recover_accepted(late, rfc(), UDP, msg("200"), T0, late);
    assert_eq!(drain(&mut server), [send("200")]);
    let resends = [50_500, 51_500, 53_500].map(|ms| (ms, send("200")));
    let end = [(54_000, event(Event::AckMissing)), (54_000, event(Event::Terminated))];
    assert_eq!(run(&mut server, 100_000), [&resends[..], &end[..]].concat());
}

#[test]
fn an_ack_that_outruns_the_recovered_2xx_is_enough() {
    let mut server = InviteServer::recover_accepted(T0, rfc(), UDP, msg("200"), T0, t(40));
    assert_eq!(at(&mut server, 10, Input::Ack), [event(Event::Ack)]);
    assert_eq!(run(&mut server, 31_999), []);
}
