//! How fast messages are read. Not asserted: run it with
//! `cargo test -p holdline-sip speed -- --ignored --nocapture` and read the numbers.

use std::hint::black_box;

use bytes::Bytes;
use rsip::message::HeadersExt;
use rsip::prelude::ToTypedHeader;

use super::super::{Builder, Message};
use super::samples::{SIPP_INVITE, TRUNK_INVITE};

/// The best of many short batches is the time on a processor that others use, too.
const BATCHES: u32 = 200;
const ROUNDS: u32 = 1_000;

#[test]
#[ignore = "prints a time, asserts nothing about it"]
fn prints_the_time_to_read_a_message() {
    for (name, text) in [("SIPp INVITE", SIPP_INVITE), ("trunk INVITE", TRUNK_INVITE)] {
        let datagram = Bytes::copy_from_slice(text.as_bytes());
        let best = (0..BATCHES).map(|_| batch(&datagram)).min().unwrap_or_default();
        println!("{name}: {best:?} to parse {} bytes and read four fields", text.len());
    }
    let rsip = (0..BATCHES).map(|_| batch_of_rsip(SIPP_INVITE)).min().unwrap_or_default();
    println!("SIPp INVITE: rsip takes {rsip:?} for the same");
    let ours = (0..BATCHES).map(|_| rewritten(SIPP_INVITE)).min().unwrap_or_default();
    println!("SIPp INVITE: {ours:?} to parse it and to write it again, field by field");
    let rsip = (0..BATCHES).map(|_| rewritten_by_rsip(SIPP_INVITE)).min().unwrap_or_default();
    println!("SIPp INVITE: rsip takes {rsip:?} to parse it and to print it again");
}

#[expect(clippy::disallowed_methods, reason = "measures the processor's time")]
fn batch(datagram: &Bytes) -> std::time::Duration {
    let started = std::time::Instant::now();
    for _ in 0..ROUNDS {
        let message = Message::parse(black_box(datagram.clone())).unwrap();
        black_box((
            message.call_id(),
            message.cseq(),
            message.from().tag,
            message.top_via().branch,
        ));
    }
    started.elapsed() / ROUNDS
}

#[expect(clippy::disallowed_methods, reason = "measures the processor's time")]
fn batch_of_rsip(text: &str) -> std::time::Duration {
    let started = std::time::Instant::now();
    for _ in 0..ROUNDS {
        let message = rsip::SipMessage::try_from(black_box(text)).unwrap();
        black_box((
            message.call_id_header().unwrap(),
            message.cseq_header().unwrap().typed().unwrap(),
            message.from_header().unwrap().typed().unwrap(),
            message.via_header().unwrap().typed().unwrap(),
        ));
    }
    started.elapsed() / ROUNDS
}

#[expect(clippy::disallowed_methods, reason = "measures the processor's time")]
fn rewritten(text: &str) -> std::time::Duration {
    let datagram = Bytes::copy_from_slice(text.as_bytes());
    let started = std::time::Instant::now();
    for _ in 0..ROUNDS {
        let message = Message::parse(black_box(datagram.clone())).unwrap();
        let builder = Builder::request(message.method(), message.request_uri().unwrap_or_default());
        let builder = message
            .headers()
            .fold(builder, |builder, header| builder.header_named(header.raw_name, header.value));
        black_box(builder.body(message.body()));
    }
    started.elapsed() / ROUNDS
}

#[expect(clippy::disallowed_methods, reason = "measures the processor's time")]
fn rewritten_by_rsip(text: &str) -> std::time::Duration {
    let started = std::time::Instant::now();
    for _ in 0..ROUNDS {
        let message = rsip::SipMessage::try_from(black_box(text)).unwrap();
        black_box(message.to_string());
    }
    started.elapsed() / ROUNDS
}
