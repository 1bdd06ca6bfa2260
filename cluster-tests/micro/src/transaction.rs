//! The transaction machines, each from its first message to its last.

use std::hint::black_box;

use bytes::Bytes;
use holdline_model::Millis;
use holdline_sip::transaction::{
    InviteClient, InviteClientInput, InviteServer, InviteServerInput, NonInviteClient,
    NonInviteClientInput, NonInviteServer, NonInviteServerInput, ResponseClass, TimerConfig,
};

use crate::calibrate;
use crate::meter::{Group, Meter, Pace, repeat};

const GROUP: Group = Group { name: "transaction", pace: Pace::Processor };
/// What is sent does not matter here: the machines never look at it.
const MESSAGE: Bytes = Bytes::from_static(b"SIP/2.0 200 OK");
const START: Millis = Millis(1_000);
/// Beyond all timers.
const LATER: Millis = Millis(100_000);

pub(crate) fn run(meter: &mut dyn Meter) {
    if !meter.wants(&GROUP) {
        return;
    }
    calibrate::run(meter, &GROUP);
    let timers = TimerConfig::default();
    repeat(meter, &GROUP, "invite_server", || invite_server(timers));
    repeat(meter, &GROUP, "invite_client", || invite_client(timers));
    repeat(meter, &GROUP, "non_invite_server", || non_invite_server(timers));
    repeat(meter, &GROUP, "non_invite_client", || non_invite_client(timers));
}

/// 100, 180, 200 until its ACK, over.
fn invite_server(timers: TimerConfig) -> InviteServer {
    let mut server = InviteServer::new(timers, false);
    for input in [
        InviteServerInput::Provisional(MESSAGE),
        InviteServerInput::Provisional(MESSAGE),
        InviteServerInput::Success { response: MESSAGE, until_ack: true },
        InviteServerInput::Ack,
    ] {
        server.handle(START, input);
        while let Some(output) = server.poll() {
            black_box(output);
        }
        black_box(server.next_timer());
    }
    server.handle(LATER, InviteServerInput::Timer);
    while let Some(output) = server.poll() {
        black_box(output);
    }
    server
}

/// The INVITE, 180, 200, over.
fn invite_client(timers: TimerConfig) -> InviteClient {
    let mut client = InviteClient::new(START, timers, false, MESSAGE);
    for (now, input) in [
        (START, InviteClientInput::Response(ResponseClass::Provisional)),
        (START, InviteClientInput::Response(ResponseClass::Success)),
        (LATER, InviteClientInput::Timer),
    ] {
        while let Some(output) = client.poll() {
            black_box(output);
        }
        black_box(client.next_timer());
        client.handle(now, input);
    }
    while let Some(output) = client.poll() {
        black_box(output);
    }
    client
}

/// 200, over.
fn non_invite_server(timers: TimerConfig) -> NonInviteServer {
    let mut server = NonInviteServer::new(timers, false);
    for (now, input) in
        [(START, NonInviteServerInput::Final(MESSAGE)), (LATER, NonInviteServerInput::Timer)]
    {
        server.handle(now, input);
        while let Some(output) = server.poll() {
            black_box(output);
        }
        black_box(server.next_timer());
    }
    server
}

/// The request, 200, over.
fn non_invite_client(timers: TimerConfig) -> NonInviteClient {
    let mut client = NonInviteClient::new(START, timers, false, MESSAGE);
    for (now, input) in [
        (START, NonInviteClientInput::Response(ResponseClass::Success)),
        (LATER, NonInviteClientInput::Timer),
    ] {
        while let Some(output) = client.poll() {
            black_box(output);
        }
        black_box(client.next_timer());
        client.handle(now, input);
    }
    while let Some(output) = client.poll() {
        black_box(output);
    }
    client
}
