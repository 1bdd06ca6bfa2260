//! RFC 3261 section 17.1.1 and RFC 6026 section 7.2.

use super::*;
use InviteClientEvent as Event;
use InviteClientInput as Input;
use InviteClientState as State;
use ResponseClass::{Failure, Provisional, Success};

type Output = InviteClientOutput;

fn send(text: &'static str) -> Output {
    Output::Send(msg(text))
}

fn event(event: Event) -> Output {
    Output::Event(event)
}

fn calling(reliable: bool) -> InviteClient {
    let mut client = InviteClient::new(T0, rfc(), reliable, msg("INVITE"));
    assert_eq!(drain(&mut client), [send("INVITE")]);
    client
}

/// A client in each state, reached over UDP at the start of the test.
fn in_state(state: State) -> InviteClient {
    let mut client = calling(UDP);
    let outputs = match state {
        State::Calling => vec![],
        State::Proceeding => at(&mut client, 0, Input::Response(Provisional)),
        State::Completed => at(&mut client, 0, Input::Response(Failure)),
        State::Accepted => at(&mut client, 0, Input::Response(Success)),
        State::Terminated => at(&mut client, 0, Input::TransportError),
    };
    assert_eq!(outputs.is_empty(), state == State::Calling);
    assert_eq!(client.state(), state);
    client
}

#[test]
fn timer_a_doubles_and_timer_b_gives_up_after_32_seconds() {
    let mut client = calling(UDP);
    assert_eq!(
        run(&mut client, 100_000),
        [
            (500, send("INVITE")),
            (1_500, send("INVITE")),
            (3_500, send("INVITE")),
            (7_500, send("INVITE")),
            (15_500, send("INVITE")),
            (31_500, send("INVITE")),
            (32_000, event(Event::Timeout)),
            (32_000, event(Event::Terminated)),
        ]
    );
    assert_eq!(client.next_timer(), None);
}

#[test]
fn a_reliable_transport_has_timer_b_only() {
    let mut client = calling(TCP);
    assert_eq!(
        run(&mut client, 100_000),
        [(32_000, event(Event::Timeout)), (32_000, event(Event::Terminated))]
    );
}

#[test]
fn a_provisional_answer_stops_timers_a_and_b() {
    let mut client = calling(UDP);
    assert_eq!(at(&mut client, 700, Input::Response(Provisional)), [event(Event::Provisional)]);
    assert_eq!(client.state(), State::Proceeding);
    assert_eq!(client.next_timer(), None);
    assert_eq!(at(&mut client, 90_000, Input::Response(Provisional)), [event(Event::Provisional)]);
}

#[test]
fn each_2xx_is_handed_to_the_user_until_timer_m() {
    let mut client = in_state(State::Proceeding);
    assert_eq!(at(&mut client, 1_000, Input::Response(Success)), [event(Event::Success)]);
    assert_eq!(client.state(), State::Accepted);
    assert_eq!(at(&mut client, 1_500, Input::Response(Success)), [event(Event::Success)]);
    assert_eq!(at(&mut client, 32_900, Input::Response(Success)), [event(Event::Success)]);
    assert_eq!(run(&mut client, 100_000), [(33_000, event(Event::Terminated))]);
}

#[test]
fn a_2xx_without_a_provisional_answer_stops_resending() {
    let mut client = calling(UDP);
    assert_eq!(at(&mut client, 100, Input::Response(Success)), [event(Event::Success)]);
    assert_eq!(run(&mut client, 100_000), [(32_100, event(Event::Terminated))]);
}

#[test]
fn a_failure_is_not_acknowledged_before_the_user_says_so() {
    let mut client = calling(UDP);
    assert_eq!(at(&mut client, 100, Input::Response(Failure)), [event(Event::Failure)]);
    assert_eq!(client.state(), State::Completed);
    assert_eq!(at(&mut client, 600, Input::Response(Failure)), []);
    assert_eq!(at(&mut client, 601, Input::Ack(msg("ACK"))), [send("ACK")]);
}

#[test]
fn each_repeated_failure_is_acknowledged_until_timer_d() {
    let mut client = in_state(State::Completed);
    assert_eq!(at(&mut client, 1, Input::Ack(msg("ACK"))), [send("ACK")]);
    for ms in [500, 1_500, 3_500, 31_500] {
        assert_eq!(at(&mut client, ms, Input::Response(Failure)), [send("ACK")], "{ms}");
    }
    assert_eq!(run(&mut client, 100_000), [(32_000, event(Event::Terminated))]);
    assert_eq!(at(&mut client, 100_001, Input::Response(Failure)), []);
}

#[test]
fn a_failure_that_nobody_decides_about_ends_with_timer_d() {
    let mut client = in_state(State::Completed);
    assert_eq!(run(&mut client, 100_000), [(32_000, event(Event::Terminated))]);
}

#[test]
fn on_a_reliable_transport_the_ack_ends_it() {
    let mut client = calling(TCP);
    assert_eq!(at(&mut client, 100, Input::Response(Failure)), [event(Event::Failure)]);
    let outputs = at(&mut client, 150, Input::Ack(msg("ACK")));
    assert_eq!(outputs, [send("ACK"), event(Event::Terminated)]);
    assert_eq!(client.next_timer(), None);
}

#[test]
fn a_cancelled_invite_is_given_up_after_64_t1() {
    let mut client = in_state(State::Proceeding);
    assert_eq!(at(&mut client, 5_000, Input::CancelSent), []);
    assert_eq!(at(&mut client, 6_000, Input::Response(Provisional)), [event(Event::Provisional)]);
    assert_eq!(
        run(&mut client, 100_000),
        [(37_000, event(Event::Timeout)), (37_000, event(Event::Terminated))]
    );
}

#[test]
fn a_cancelled_invite_may_still_end_in_either_way() {
    for (answer, told) in [(Failure, Event::Failure), (Success, Event::Success)] {
        let mut client = in_state(State::Proceeding);
        assert_eq!(at(&mut client, 5_000, Input::CancelSent), []);
        assert_eq!(at(&mut client, 5_100, Input::Response(answer)), [event(told)]);
        assert_eq!(run(&mut client, 100_000), [(37_100, event(Event::Terminated))]);
    }
}

#[test]
fn a_transport_error_ends_it_where_something_is_sent() {
    for state in [State::Calling, State::Completed] {
        let mut client = in_state(state);
        assert_eq!(
            at(&mut client, 10, Input::TransportError),
            [event(Event::TransportError), event(Event::Terminated)],
            "{state:?}"
        );
    }
}

#[test]
fn ignores_what_has_no_meaning_in_a_state() {
    for (state, inputs) in [
        (State::Calling, vec![Input::Ack(msg("ACK")), Input::CancelSent, Input::Timer]),
        (State::Proceeding, vec![Input::Ack(msg("ACK")), Input::TransportError, Input::Timer]),
        (
            State::Completed,
            vec![
                Input::Response(Provisional),
                Input::Response(Success),
                Input::CancelSent,
                Input::Timer,
            ],
        ),
        (
            State::Accepted,
            vec![
                Input::Response(Provisional),
                Input::Response(Failure),
                Input::Ack(msg("ACK")),
                Input::CancelSent,
                Input::TransportError,
                Input::Timer,
            ],
        ),
        (
            State::Terminated,
            vec![
                Input::Response(Provisional),
                Input::Response(Success),
                Input::Response(Failure),
                Input::Ack(msg("ACK")),
                Input::CancelSent,
                Input::TransportError,
                Input::Timer,
            ],
        ),
    ] {
        for input in inputs {
            let mut client = in_state(state);
            let due = client.next_timer();
            assert_eq!(at(&mut client, 10, input.clone()), [], "{state:?} {input:?}");
            assert_eq!(client.state(), state, "{input:?}");
            assert_eq!(client.next_timer(), due, "{state:?} {input:?}");
        }
    }
}

#[test]
fn a_late_timer_resends_once_and_not_in_a_burst() {
    let mut client = calling(UDP);
    assert_eq!(at(&mut client, 10_000, Input::Timer), [send("INVITE")]);
    assert_eq!(client.next_timer(), Some(t(11_000)));
    assert_eq!(
        at(&mut client, 50_000, Input::Timer),
        [event(Event::Timeout), event(Event::Terminated)]
    );
}

#[test]
fn recovered_calling_resends_at_once_or_when_told() {
    let mut client = InviteClient::recover_calling(T0, rfc(), UDP, msg("INVITE"), T0);
    assert_eq!(drain(&mut client), [send("INVITE")]);
    assert_eq!(run(&mut client, 3_499), [(500, send("INVITE")), (1_500, send("INVITE"))]);

    let mut client = InviteClient::recover_calling(T0, rfc(), UDP, msg("INVITE"), t(70));
    assert_eq!(drain(&mut client), []);
    assert_eq!(
        run(&mut client, 100_000),
        [
            (70, send("INVITE")),
            (570, send("INVITE")),
            (1_570, send("INVITE")),
            (3_570, send("INVITE")),
            (7_570, send("INVITE")),
            (15_570, send("INVITE")),
            (31_570, send("INVITE")),
            (32_070, event(Event::Timeout)),
            (32_070, event(Event::Terminated)),
        ]
    );
}

#[test]
fn recovered_calling_on_a_reliable_transport_sends_once() {
    let mut client = InviteClient::recover_calling(T0, rfc(), TCP, msg("INVITE"), t(70));
    assert_eq!(drain(&mut client), []);
    assert_eq!(
        run(&mut client, 100_000),
        [(70, send("INVITE")), (32_070, event(Event::Timeout)), (32_070, event(Event::Terminated))]
    );
}

#[test]
fn recovered_calling_takes_an_answer_before_its_first_resend() {
    let mut client = InviteClient::recover_calling(T0, rfc(), UDP, msg("INVITE"), t(70));
    assert_eq!(at(&mut client, 20, Input::Response(Provisional)), [event(Event::Provisional)]);
    assert_eq!(run(&mut client, 100_000), []);
}

#[test]
fn recovered_proceeding_is_silent_and_waits() {
    let mut client = InviteClient::recover_proceeding(rfc(), UDP);
    assert_eq!(drain(&mut client), []);
    assert_eq!(client.next_timer(), None);
    assert_eq!(at(&mut client, 1, Input::Response(Failure)), [event(Event::Failure)]);
}

#[test]
fn recovered_completed_sends_its_ack_and_repeats_it() {
    let mut client = InviteClient::recover_completed(T0, rfc(), UDP, msg("ACK"), t(30));
    assert_eq!(drain(&mut client), []);
    assert_eq!(run(&mut client, 1_000), [(30, send("ACK"))]);
    assert_eq!(at(&mut client, 2_000, Input::Response(Failure)), [send("ACK")]);
    assert_eq!(run(&mut client, 100_000), [(32_000, event(Event::Terminated))]);
}

#[test]
fn recovered_completed_does_not_send_twice_when_the_failure_comes_first() {
    let mut client = InviteClient::recover_completed(T0, rfc(), UDP, msg("ACK"), t(30));
    assert_eq!(at(&mut client, 10, Input::Response(Failure)), [send("ACK")]);
    assert_eq!(run(&mut client, 31_999), []);
}

#[test]
fn recovered_accepted_hands_on_each_2xx() {
    let mut client = InviteClient::recover_accepted(T0, rfc(), UDP);
    assert_eq!(at(&mut client, 900, Input::Response(Success)), [event(Event::Success)]);
    assert_eq!(run(&mut client, 100_000), [(32_000, event(Event::Terminated))]);
}
