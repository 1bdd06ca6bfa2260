//! Seeded fuzzing of the parser, its views and the builder: messages made from the grammar, with the
//! generator as the oracle, and mutations of them and of a corpus.
//!
//! Deterministic: the same seeds on every run, so that a failure is one everywhere. `HOLDLINE_FUZZ=60`
//! runs sixty times as long, `HOLDLINE_FUZZ_SECONDS=15` at least so long, `HOLDLINE_FUZZ_SEED` begins elsewhere. What failed once lies in `corpus/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod dice;
mod grammar;
mod mutation;

use std::path::Path;

use bytes::Bytes;
use dice::{Case, Dice, seeds};
use grammar::Made;
use holdline_sip::message::{Address, Builder, HeaderName, Message, Start, Uri, Via};
use rsip::message::HeadersExt as _;
use rsip::prelude::{ToTypedHeader as _, UntypedHeader as _};

/// The torture messages, and what failed once.
fn corpus() -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths: Vec<_> = ["torture", "fuzz/corpus"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(tests.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn sound_messages_are_read_as_they_were_written() {
    for seed in seeds(60_000) {
        let made = grammar::message(&mut Dice::new(seed));
        let _case = Case { seed, bytes: made.text.as_bytes() };
        let message = Message::parse(Bytes::copy_from_slice(made.text.as_bytes()));
        let message = message.unwrap_or_else(|error| panic!("refused: {error}"));
        assert_says(&message, &made);
        assert_survives(&message);
        if made.is_plain {
            assert_second_opinion(&message, &made.text);
        }
    }
}

fn assert_says(message: &Message, made: &Made) {
    match message.start() {
        Start::Request { method, uri } => {
            assert_eq!((method.as_str(), uri), (made.method.as_str(), made.uri.as_str()));
        }
        Start::Response { status, .. } => assert_eq!(Some(status), made.status),
    }
    assert_eq!(message.vias().len(), made.vias);
    assert_eq!(message.top_via().branch, Some(made.branch.as_str()));
    assert_eq!(message.call_id(), made.call_id);
    assert_eq!(message.cseq().number, made.cseq);
    assert_eq!(message.cseq().method.as_str(), made.method);
    assert_eq!((message.from().uri, message.from().tag), (&*made.from_uri, Some(&*made.from_tag)));
    assert_eq!((message.to().uri, message.to().tag), (&*made.to_uri, made.to_tag.as_deref()));
    assert_eq!(message.contact_uri(), made.contact.as_deref());
    assert_eq!(message.routes().len(), made.routes);
    assert_eq!(message.max_forwards(), Some(made.max_forwards));
    assert_eq!(message.body(), made.body.as_bytes());
}

/// What rsip makes of a message in the plain dress, which it can read.
fn assert_second_opinion(message: &Message, text: &str) {
    let Ok(other) = rsip::SipMessage::try_from(text) else { return };
    assert_eq!(message.call_id(), other.call_id_header().unwrap().value());
    assert_eq!(message.from().raw, other.from_header().unwrap().value().as_bytes());
    assert_eq!(message.to().raw, other.to_header().unwrap().value().as_bytes());
    assert_eq!(message.top_via().raw, other.via_header().unwrap().value());
    if let Ok(cseq) = other.cseq_header().unwrap().typed() {
        assert_eq!(message.cseq().number, cseq.seq);
    }
    if let Ok(via) = other.via_header().unwrap().typed() {
        let branch = via.branch().map(|branch| branch.value().to_owned());
        assert_eq!(message.top_via().branch.map(str::to_owned), branch);
    }
}

/// parse(serialise(parse(m))) = parse(m), by bytes and by building it again from its views.
fn assert_survives(message: &Message) {
    let again = Message::parse(message.bytes().clone()).unwrap();
    assert_eq!(again, *message, "reading again gives the same");
    let mut builder = match message.start() {
        Start::Request { method, uri } => Builder::request(method, uri),
        Start::Response { status, reason: "" } => Builder::response(status, " "),
        Start::Response { status, reason } => Builder::response(status, reason),
    };
    for header in message.headers() {
        builder = builder.header_named(header.raw_name, header.value);
    }
    let built = Message::parse(builder.body(message.body())).unwrap();
    assert_eq!(built.request_uri(), message.request_uri());
    assert_eq!(built.status(), message.status());
    assert_eq!(built.vias(), message.vias());
    assert_eq!(built.call_id(), message.call_id());
    assert_eq!(built.cseq(), message.cseq());
    assert_eq!((built.from(), built.to()), (message.from(), message.to()));
    assert_eq!(built.contact_uri(), message.contact_uri());
    assert_eq!(built.routes(), message.routes());
    assert_eq!(built.body(), message.body());
    let twice = Message::parse(built.bytes().clone()).unwrap();
    assert_eq!(twice, built);
}

#[test]
fn whatever_arrives_is_read_or_refused_and_never_panics() {
    let corpus = corpus();
    for bytes in &corpus {
        poke(0, bytes);
    }
    for seed in seeds(60_000) {
        let mut dice = Dice::new(seed);
        let mut bytes = if dice.once_in(2) {
            grammar::message(&mut dice).text.into_bytes()
        } else {
            corpus[dice.below(corpus.len())].clone()
        };
        mutation::mutate(&mut dice, &mut bytes, &corpus);
        poke(seed, &bytes);
    }
}

fn poke(seed: u64, bytes: &[u8]) {
    let _case = Case { seed, bytes };
    let source = "[2001:db8::1]:5060".parse().unwrap();
    match Message::parse(Bytes::copy_from_slice(bytes)) {
        Ok(message) => {
            assert!(!message.vias().is_empty() && !message.call_id().is_empty());
            let length = message.content_length().and_then(|length| usize::try_from(length).ok());
            assert!(length.is_none_or(|length| length == message.body().len()));
            for name in [HeaderName::Require, HeaderName::Supported, HeaderName::Allow] {
                let _views = message.list(name);
            }
            let _views =
                (message.record_routes(), message.expires(), message.rseq(), message.rack());
            assert_survives(&message);
            let answer = Builder::response_to(&message, 200, "").with_source(source).to_tag("x");
            let answer = Message::parse(answer.finish()).unwrap();
            assert_eq!(answer.call_id(), message.call_id());
            assert_eq!(answer.top_via().branch, message.top_via().branch);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let Some(answer) = Builder::answer(&error) {
                let answer = answer.with_source(source).to_tag("x").finish();
                let ends = answer.windows(4).filter(|part| part == b"\r\n\r\n").count();
                assert_eq!(ends, 1, "an answer is one message");
            }
        }
    }
}

#[test]
fn pieces_of_messages_are_read_or_refused_and_never_panic() {
    for seed in seeds(100_000) {
        let mut dice = Dice::new(seed);
        let mut bytes = match dice.below(3) {
            0 => grammar::uri(&mut dice, false).into_bytes(),
            1 => format!("SIP/2.0/UDP [::1]:5060;branch=z9hG4bK{seed};rport").into_bytes(),
            _ => {
                format!("\"A, \\\"B\" <{}>;tag={seed}", grammar::uri(&mut dice, false)).into_bytes()
            }
        };
        mutation::mutate(&mut dice, &mut bytes, &[]);
        let _case = Case { seed, bytes: &bytes };
        let _via = Via::parse(&bytes).map(|via| (via.host_ip(), via.has_rfc3261_branch()));
        let _address = Address::parse(&bytes).map(|address| address.param("tag").is_some());
        if let Ok(text) = std::str::from_utf8(&bytes)
            && let Ok(uri) = Uri::parse(text)
        {
            let _views = (uri.host_ip(), uri.param("lr"), uri.is_loose_router());
        }
    }
}
