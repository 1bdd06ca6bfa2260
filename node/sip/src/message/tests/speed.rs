//! How fast messages are read. Not asserted: run it with
//! `cargo test -p holdline-sip speed -- --ignored --nocapture` and read the numbers.

use std::hint::black_box;

use bytes::Bytes;
use rsip::message::HeadersExt;
use rsip::prelude::ToTypedHeader;

use super::super::Message;
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
