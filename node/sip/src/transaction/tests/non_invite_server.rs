//! RFC 3261 section 17.2.2.

use super::*;
use NonInviteServerEvent as Event;
use NonInviteServerInput as Input;
use NonInviteServerState as State;

type Output = NonInviteServerOutput;

fn send(text: &'static str) -> Output {
    Output::Send(msg(text))
}

fn event(event: Event) -> Output {
    Output::Event(event)
}

fn completed() -> NonInviteServer {
    let mut server = NonInviteServer::new(rfc(), UDP);
    assert_eq!(at(&mut server, 0, Input::Final(msg("200"))), [send("200")]);
    assert_eq!(server.state(), State::Completed);
    server
}

#[test]
fn is_silent_until_told() {
    let mut server = NonInviteServer::new(rfc(), UDP);
    assert_eq!(drain(&mut server), []);
    assert_eq!(server.next_timer(), None);
    for ms in [500, 1_500, 3_500] {
        assert_eq!(at(&mut server, ms, Input::Request), [], "{ms}");
        assert_eq!(at(&mut server, ms, Input::Timer), [], "{ms}");
    }
    assert_eq!(server.state(), State::Trying);
    assert_eq!(at(&mut server, 3_600, Input::Final(msg("200"))), [send("200")]);
}

#[test]
fn a_repeated_request_gets_what_was_said_last() {
    let mut server = NonInviteServer::new(rfc(), UDP);
    assert_eq!(at(&mut server, 10, Input::Provisional(msg("100"))), [send("100")]);
    assert_eq!(server.state(), State::Proceeding);
    assert_eq!(at(&mut server, 500, Input::Request), [send("100")]);
    assert_eq!(at(&mut server, 600, Input::Final(msg("200"))), [send("200")]);
    assert_eq!(at(&mut server, 1_500, Input::Request), [send("200")]);
}

#[test]
fn timer_j_ends_it_after_32_seconds() {
    let mut server = completed();
    assert_eq!(at(&mut server, 31_999, Input::Request), [send("200")]);
    assert_eq!(run(&mut server, 100_000), [(32_000, event(Event::Terminated))]);
    assert_eq!(at(&mut server, 32_001, Input::Request), []);
}

#[test]
fn on_a_reliable_transport_timer_j_is_zero() {
    let mut server = NonInviteServer::new(rfc(), TCP);
    assert_eq!(
        at(&mut server, 10, Input::Final(msg("200"))),
        [send("200"), event(Event::Terminated)]
    );
    assert_eq!(server.next_timer(), None);
}

#[test]
fn answers_after_the_final_one_are_discarded() {
    let mut server = completed();
    for input in [Input::Provisional(msg("100")), Input::Final(msg("500")), Input::Timer] {
        assert_eq!(at(&mut server, 10, input), []);
    }
    assert_eq!(at(&mut server, 20, Input::Request), [send("200")]);
}

#[test]
fn a_transport_error_ends_it() {
    for mut server in [NonInviteServer::new(rfc(), UDP), completed()] {
        assert_eq!(
            at(&mut server, 10, Input::TransportError),
            [event(Event::TransportError), event(Event::Terminated)]
        );
        for input in [
            Input::Timer,
            Input::Request,
            Input::Provisional(msg("100")),
            Input::Final(msg("200")),
            Input::TransportError,
        ] {
            assert_eq!(at(&mut server, 20, input), []);
        }
        assert_eq!((server.state(), server.next_timer()), (State::Terminated, None));
    }
}

#[test]
fn recovered_completed_answers_only_repetitions() {
    let mut server = NonInviteServer::recover_completed(T0, rfc(), UDP, msg("200"));
    assert_eq!(drain(&mut server), []);
    assert_eq!(at(&mut server, 400, Input::Request), [send("200")]);
    assert_eq!(run(&mut server, 100_000), [(32_000, event(Event::Terminated))]);
}
