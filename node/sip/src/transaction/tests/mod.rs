//! Exact outputs on virtual time: each test states inputs with their times, and everything that came
//! of them.

mod invite_client;
mod invite_server;
mod non_invite_client;
mod non_invite_server;
mod properties;

use std::fmt::Debug;

use bytes::Bytes;
use holdline_model::Millis;

use super::*;

/// What the four machines have in common, for the tests that are about all of them.
trait Machine: Clone + Debug {
    type Input: Clone + Debug;
    type Output: Clone + Debug + PartialEq;
    const TIMER: Self::Input;
    const TERMINATED: Self::Output;

    fn give(&mut self, now: Millis, input: Self::Input);
    fn take(&mut self) -> Option<Self::Output>;
    fn timer(&self) -> Option<Millis>;
}

macro_rules! machine {
    ($machine:ident, $input:ident, $output:ident, $event:ident) => {
        impl Machine for $machine {
            type Input = $input;
            type Output = $output;
            const TIMER: $input = $input::Timer;
            const TERMINATED: $output = $output::Event($event::Terminated);

            fn give(&mut self, now: Millis, input: $input) {
                self.handle(now, input);
            }

            fn take(&mut self) -> Option<$output> {
                self.poll()
            }

            fn timer(&self) -> Option<Millis> {
                self.next_timer()
            }
        }
    };
}

machine!(InviteClient, InviteClientInput, InviteClientOutput, InviteClientEvent);
machine!(InviteServer, InviteServerInput, InviteServerOutput, InviteServerEvent);
machine!(NonInviteClient, NonInviteClientInput, NonInviteClientOutput, NonInviteClientEvent);
machine!(NonInviteServer, NonInviteServerInput, NonInviteServerOutput, NonInviteServerEvent);

const T0: Millis = Millis(1_000_000);
const UDP: bool = false;
const TCP: bool = true;

/// The default timers.
fn rfc() -> TimerConfig {
    TimerConfig::default()
}

/// `ms` milliseconds into the test.
fn t(ms: u64) -> Millis {
    T0.plus_ms(ms)
}

/// A message, for the machines do not read it.
fn msg(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn drain<M: Machine>(machine: &mut M) -> Vec<M::Output> {
    std::iter::from_fn(|| machine.take()).collect()
}

/// Gives an input and returns all that came of it.
fn at<M: Machine>(machine: &mut M, ms: u64, input: M::Input) -> Vec<M::Output> {
    machine.give(t(ms), input);
    drain(machine)
}

/// Fires each timer when it is due, up to `until_ms`, and returns what came of it and when.
fn run<M: Machine>(machine: &mut M, until_ms: u64) -> Vec<(u64, M::Output)> {
    let mut seen = Vec::new();
    while let Some(due) = machine.timer().filter(|due| *due <= t(until_ms)) {
        machine.give(due, M::TIMER);
        let ms = due.since(T0);
        seen.extend(drain(machine).into_iter().map(|output| (ms, output)));
        assert!(
            machine.timer().is_none_or(|next| next > due),
            "a timer lies in the past: {machine:?}"
        );
    }
    seen
}

#[test]
fn a_transaction_is_small() {
    assert!(size_of::<InviteClient>() <= 96, "{}", size_of::<InviteClient>());
    assert!(size_of::<InviteServer>() <= 96, "{}", size_of::<InviteServer>());
    assert!(size_of::<NonInviteClient>() <= 96, "{}", size_of::<NonInviteClient>());
    assert!(size_of::<NonInviteServer>() <= 72, "{}", size_of::<NonInviteServer>());
}

#[test]
fn status_codes_have_classes() {
    for (status, class) in [
        (100, ResponseClass::Provisional),
        (183, ResponseClass::Provisional),
        (199, ResponseClass::Provisional),
        (200, ResponseClass::Success),
        (202, ResponseClass::Success),
        (299, ResponseClass::Success),
        (300, ResponseClass::Failure),
        (487, ResponseClass::Failure),
        (699, ResponseClass::Failure),
    ] {
        assert_eq!(ResponseClass::of(status), class, "{status}");
    }
}
