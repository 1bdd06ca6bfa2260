//! RFC 3261 section 17.1.2.

use super::*;
use NonInviteClientEvent as Event;
use NonInviteClientInput as Input;
use NonInviteClientState as State;
use ResponseClass::{Failure, Provisional, Success};

type Output = NonInviteClientOutput;

fn send() -> Output {
    Output::Send(msg("BYE"))
}

fn event(event: Event) -> Output {
    Output::Event(event)
}

fn trying(reliable: bool) -> NonInviteClient {
    let mut client = NonInviteClient::new(T0, rfc(), reliable, msg("BYE"));
    assert_eq!(drain(&mut client), [send()]);
    client
}

fn timeout(ms: u64) -> [(u64, Output); 2] {
    [(ms, event(Event::Timeout)), (ms, event(Event::Terminated))]
}

#[test]
fn timer_e_doubles_to_t2_and_timer_f_gives_up_after_32_seconds() {
    let mut client = trying(UDP);
    let resends = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut expected: Vec<_> = resends.map(|ms| (ms, send())).to_vec();
    expected.extend(timeout(32_000));
    assert_eq!(run(&mut client, 100_000), expected);
    assert_eq!(client.state(), State::Terminated);
}

#[test]
fn a_reliable_transport_has_timer_f_only() {
    assert_eq!(run(&mut trying(TCP), 100_000), timeout(32_000));
}

#[test]
fn after_a_provisional_answer_it_resends_each_t2() {
    let mut client = trying(UDP);
    assert_eq!(at(&mut client, 100, Input::Response(Provisional)), [event(Event::Provisional)]);
    assert_eq!(client.state(), State::Proceeding);
    let resends = [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500];
    let mut expected: Vec<_> = resends.map(|ms| (ms, send())).to_vec();
    expected.extend(timeout(32_000));
    assert_eq!(run(&mut client, 100_000), expected);
}

#[test]
fn a_final_answer_stops_it_and_timer_k_absorbs_repetitions() {
    for class in [Success, Failure] {
        let mut client = trying(UDP);
        assert_eq!(at(&mut client, 600, Input::Response(class)), [event(Event::Final)]);
        assert_eq!(client.state(), State::Completed);
        for again in [Provisional, Success, Failure] {
            assert_eq!(at(&mut client, 700, Input::Response(again)), []);
        }
        assert_eq!(at(&mut client, 800, Input::TransportError), []);
        assert_eq!(run(&mut client, 100_000), [(5_600, event(Event::Terminated))]);
    }
}

#[test]
fn on_a_reliable_transport_timer_k_is_zero() {
    let mut client = trying(TCP);
    assert_eq!(
        at(&mut client, 600, Input::Response(Success)),
        [event(Event::Final), event(Event::Terminated)]
    );
    assert_eq!(client.next_timer(), None);
}

#[test]
fn a_transport_error_ends_it() {
    for provisional in [false, true] {
        let mut client = trying(UDP);
        if provisional {
            at(&mut client, 5, Input::Response(Provisional));
        }
        assert_eq!(
            at(&mut client, 10, Input::TransportError),
            [event(Event::TransportError), event(Event::Terminated)]
        );
    }
}

#[test]
fn ignores_everything_once_terminated() {
    let mut client = trying(UDP);
    at(&mut client, 10, Input::TransportError);
    for input in [
        Input::Timer,
        Input::Response(Provisional),
        Input::Response(Success),
        Input::Response(Failure),
        Input::TransportError,
    ] {
        assert_eq!(at(&mut client, 20, input), [], "{input:?}");
        assert_eq!((client.state(), client.next_timer()), (State::Terminated, None));
    }
}

#[test]
fn an_early_timer_does_nothing() {
    let mut client = trying(UDP);
    assert_eq!(at(&mut client, 499, Input::Timer), []);
    assert_eq!(client.next_timer(), Some(t(500)));
}

#[test]
fn recovered_trying_resends_at_once_or_when_told() {
    let mut client = NonInviteClient::recover_trying(T0, rfc(), UDP, msg("BYE"), T0);
    assert_eq!(drain(&mut client), [send()]);
    assert_eq!(run(&mut client, 1_500), [(500, send()), (1_500, send())]);

    let mut client = NonInviteClient::recover_trying(T0, rfc(), UDP, msg("BYE"), t(90));
    assert_eq!(drain(&mut client), []);
    assert_eq!(run(&mut client, 3_000), [(90, send()), (590, send()), (1_590, send())]);
    assert_eq!(
        run(&mut client, 100_000).into_iter().rev().nth(1),
        Some(timeout(32_090)[0].clone())
    );
}

#[test]
fn recovered_trying_on_a_reliable_transport_sends_once() {
    let mut client = NonInviteClient::recover_trying(T0, rfc(), TCP, msg("BYE"), t(90));
    let mut expected = vec![(90, send())];
    expected.extend(timeout(32_090));
    assert_eq!(run(&mut client, 100_000), expected);

    let mut client = NonInviteClient::recover_trying(T0, rfc(), TCP, msg("BYE"), t(90));
    assert_eq!(at(&mut client, 10, Input::Response(Provisional)), [event(Event::Provisional)]);
    assert_eq!(run(&mut client, 31_000), [(90, send())]);
}
