//! The examples of RFC 7616 and RFC 8760, and what must never be accepted.

use std::num::NonZeroUsize;

use holdline_model::{Epoch, Millis, SlotId};
use proptest::prelude::*;

use super::*;

/// RFC 7616 section 3.9.1, for both algorithms.
fn rfc7616(algorithm: &str, response: &str) -> String {
    format!(
        "Digest username=\"Mufasa\",\r\n realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
         algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    )
    .replace("\r\n", "")
}

const MD5: &str = "8ca523f5e9506fed4657c9700eebdbec";
const SHA256: &str = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

#[test]
fn the_examples_of_rfc_7616_are_proved() {
    let ha1 = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
    for (algorithm, response) in [("MD5", MD5), ("SHA-256", SHA256)] {
        let value = rfc7616(algorithm, response);
        let credentials = Credentials::parse(value.as_bytes()).expect("well-formed");
        assert!(credentials.prove(&ha1, "GET", "/dir/index.html"), "{algorithm}");
        assert!(!credentials.prove(&ha1, "POST", "/dir/index.html"), "another method");
        assert!(!credentials.prove(&ha1, "GET", "/dir/other.html"), "another URI");
        let other = super::ha1("Mufasa", "http-auth@example.org", "Circle of life");
        assert!(!credentials.prove(&other, "GET", "/dir/index.html"), "another password");
    }
    let without = rfc7616("MD5", MD5).replace("algorithm=MD5, ", "");
    let credentials = Credentials::parse(without.as_bytes()).expect("MD5 is meant");
    assert!(credentials.prove(&ha1, "GET", "/dir/index.html"));
    let upper = rfc7616("MD5", &MD5.to_uppercase());
    assert!(Credentials::parse(upper.as_bytes()).expect("well-formed").prove(
        &ha1,
        "GET",
        "/dir/index.html"
    ));
}

#[test]
fn the_examples_of_rfc_7616_are_what_we_would_answer() {
    let ha1 = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
    let challenge = |algorithm: &str| {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    };
    let answer = Answer {
        username: "Mufasa",
        ha1: &ha1,
        method: "GET",
        uri: "/dir/index.html",
        nc: 1,
        cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    };
    let (md5, sha256) = (challenge("MD5"), challenge("SHA-256"));
    let best = Challenge::best([md5.as_bytes(), sha256.as_bytes()].into_iter()).expect("known");
    assert_eq!(best.algorithm, Algorithm::Sha256, "whatever their order");
    assert!(answer.to(&best).contains(SHA256));
    let only = Challenge::best([md5.as_bytes()].into_iter()).expect("known");
    let value = answer.to(&only);
    assert!(value.contains(MD5) && value.contains("opaque=\"FQhe/"));
    let read = Credentials::parse(value.as_bytes()).expect("our own");
    assert!(read.prove(&ha1, "GET", "/dir/index.html"));
}

#[test]
fn a_challenge_offers_the_better_algorithm_first() {
    let [first, second] = challenges("example.com", "abc", true);
    let head = "Digest realm=\"example.com\", nonce=\"abc\", algorithm=";
    assert_eq!(first, format!("{head}SHA-256, qop=\"auth\", stale=true"));
    assert_eq!(second, format!("{head}MD5, qop=\"auth\", stale=true"));
    let read = Challenge::best([second.as_bytes(), first.as_bytes()].into_iter()).expect("ours");
    assert_eq!((read.algorithm, read.stale), (Algorithm::Sha256, true));
    assert!(!challenges("example.com", "abc", false)[0].contains("stale"));
}

#[test]
fn challenges_that_we_cannot_answer_are_passed_over() {
    for value in [
        "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
        "Digest realm=\"r\"",
        "Basic realm=\"r\"",
        "Digest realm=\"r, nonce=\"n\"",
    ] {
        assert_eq!(Challenge::best([value.as_bytes()].into_iter()), None, "{value}");
    }
    let old = Challenge::best([&b"Digest realm=\"r\", nonce=\"n\""[..]].into_iter());
    assert!(!old.expect("RFC 2069").has_qop);
}

#[test]
fn what_was_not_offered_is_not_accepted() {
    let good = rfc7616("MD5", MD5);
    for (from, to, error) in [
        ("algorithm=MD5", "algorithm=MD5-sess", CredentialsError::Algorithm),
        ("algorithm=MD5", "algorithm=SHA-512-256", CredentialsError::Algorithm),
        ("qop=auth,", "qop=auth-int,", CredentialsError::Qop),
        ("qop=auth,", "", CredentialsError::Qop),
        ("nc=00000001", "nc=00000000", CredentialsError::Malformed),
        ("nc=00000001", "nc=1", CredentialsError::Malformed),
        ("nc=00000001", "nc=+0000001", CredentialsError::Malformed),
        ("uri=\"/dir/index.html\", ", "", CredentialsError::Malformed),
        ("qop=auth,", "qop=auth, uri=\"/\",", CredentialsError::Malformed),
        ("Digest", "Basic", CredentialsError::Malformed),
        ("opaque=\"FQhe/", "opaque=\"FQhe/\"", CredentialsError::Malformed),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert_eq!(Credentials::parse(bad.as_bytes()), Err(error), "{to}");
    }
}

fn nonce(issued: u64, salt: u64) -> Nonce {
    Nonce { issued: Millis(issued), slot: SlotId(7), epoch: Epoch(3), salt }
}

#[test]
fn a_nonce_is_read_by_every_node_and_made_by_none_other() {
    let (ours, others) = (NonceKey::new([1; 32]), NonceKey::new([2; 32]));
    let text = ours.sign(&nonce(1_700_000_000_000, 9), "example.com");
    let node_b = NonceKey::new([1; 32]);
    assert_eq!(node_b.read(&text, "example.com"), Some(nonce(1_700_000_000_000, 9)));
    assert_eq!(node_b.read(&text, "example.org"), None, "another realm");
    assert_eq!(others.read(&text, "example.com"), None, "another cluster");
    for at in 0..text.len() {
        let mut bad = text.clone().into_bytes();
        bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
        let bad = String::from_utf8(bad).expect("digits");
        assert_eq!(ours.read(&bad, "example.com"), None, "changed at {at}");
    }
    for bad in ["", "00", &text[1..], &format!("{text}00")] {
        assert_eq!(ours.read(bad, "example.com"), None, "{bad}");
    }
}

#[test]
fn nobody_has_a_ha1_of_its_own() {
    let key = NonceKey::new([1; 32]);
    assert_eq!(key.nobody("a", "r"), key.nobody("a", "r"));
    assert_ne!(key.nobody("a", "r"), key.nobody("b", "r"));
    assert_ne!(key.nobody("a", "r"), NonceKey::new([2; 32]).nobody("a", "r"));
}

const LIFE_MS: u64 = 1_000;

fn replays(limit: usize) -> Replays {
    Replays::new(LIFE_MS, NonZeroUsize::new(limit).expect("positive"))
}

#[test]
fn a_count_is_accepted_once_and_its_retransmission_known() {
    let mut replays = replays(8);
    let (n, at) = (nonce(0, 1), Millis(10));
    assert_eq!(replays.note(at, &n, 1, 100), Use::First);
    assert_eq!(replays.note(at, &n, 1, 100), Use::Again);
    assert_eq!(replays.note(at, &n, 1, 101), Use::Replayed);
    assert_eq!(replays.note(at, &n, 3, 102), Use::First);
    assert_eq!(replays.note(at, &n, 2, 103), Use::First, "out of order");
    assert_eq!(replays.note(at, &n, 2, 104), Use::Replayed);
    assert_eq!(replays.note(at, &n, 200, 105), Use::First);
    assert_eq!(replays.note(at, &n, 136, 106), Use::Replayed, "too far behind to tell");
    assert_eq!(replays.note(at, &n, 137, 107), Use::First);
}

#[test]
fn a_nonce_ends_with_its_life() {
    let mut replays = replays(8);
    let n = nonce(0, 1);
    assert_eq!(replays.note(Millis(LIFE_MS - 1), &n, 1, 100), Use::First);
    assert_eq!(replays.note(Millis(LIFE_MS), &n, 2, 101), Use::Stale);
    assert_eq!(replays.note(Millis(LIFE_MS), &n, 1, 100), Use::Again, "it was accepted in time");
    assert_eq!(replays.note(Millis(0), &nonce(LIFE_MS, 2), 1, 102), Use::Stale, "of the future");
}

#[test]
fn a_full_table_forgets_the_oldest_and_accepts_it_no_more() {
    let mut replays = replays(2);
    let at = Millis(10);
    for issued in 1..=3 {
        assert_eq!(replays.note(at, &nonce(issued, issued), 1, 1), Use::First);
    }
    assert_eq!(replays.len(), 2);
    assert_eq!(replays.note(at, &nonce(1, 1), 1, 1), Use::Stale);
    assert_eq!(replays.note(at, &nonce(1, 99), 1, 1), Use::Stale, "as old as the one forgotten");
    assert_eq!(replays.note(at, &nonce(2, 2), 1, 2), Use::Replayed);
}

proptest! {
    /// Whatever comes in whatever order at whatever time: no count is accepted twice.
    #[test]
    fn no_count_is_accepted_twice(
        uses in prop::collection::vec((0u64..6, 1u32..200, 0u128..400, 0u64..40), 1..400)
    ) {
        let mut replays = replays(3);
        let mut accepted = std::collections::HashSet::new();
        let mut now = 0;
        for (salt, nc, request, later) in uses {
            now += later;
            let n = nonce(salt * 100, salt);
            if replays.note(Millis(now), &n, nc, request) == Use::First {
                prop_assert!(accepted.insert((salt, nc)), "{salt} {nc} twice");
            }
            prop_assert!(replays.len() <= 3);
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic(value: Vec<u8>) {
        let mut text = b"Digest ".to_vec();
        text.extend(value);
        let _ = Credentials::parse(&text);
        let _ = Challenge::best([&text[..]].into_iter());
    }
}
