//! The torture messages of RFC 4475: for each, what we do with it.
//!
//! Where the RFC leaves a choice between repairing and refusing, we refuse: a switch that repairs a
//! request forwards something that its sender did not say. What is well formed but cannot be served
//! (an unknown scheme, an unknown option tag, a hop count of zero) is taken here and refused by the
//! switch.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;

use super::super::ParseErrorKind as Kind;
use super::super::{Builder, HeaderName, Message, Method};

/// What we do with a message.
enum Verdict {
    /// It is a message, of which this holds.
    Taken(fn(&Message) -> bool),
    /// It is refused and, if it is a request that can be answered, answered with this status.
    Refused(Kind, Option<u16>),
}

use Verdict::{Refused, Taken};

/// File, section of the RFC, verdict.
const TABLE: &[(&str, &str, Verdict)] = &[
    ("wsinv", "3.1.1.1", Taken(is_wsinv)),
    ("intmeth", "3.1.1.2", Taken(is_intmeth)),
    (
        "esc01",
        "3.1.1.3",
        Taken(|m| m.request_uri() == Some("sip:sips%3Auser%40example.com@example.net")),
    ),
    ("escnull", "3.1.1.4", Taken(|m| m.contact_uri() == Some("sip:%00@host5.example.com"))),
    // The method is not unescaped: it is not REGISTER.
    ("esc02", "3.1.1.5", Taken(|m| *m.method() == Method::Other("RE%47IST%45R".into()))),
    ("lwsdisp", "3.1.1.6", Taken(|m| m.from().uri == "sip:caller@example.com")),
    ("longreq", "3.1.1.7", Taken(|m| m.vias().len() == 34 && m.body().len() == 150)),
    // The second request in the datagram is ignored: Content-Length ends the first.
    ("dblreq", "3.1.1.8", Taken(|m| *m.method() == Method::Register && m.body().is_empty())),
    (
        "semiuri",
        "3.1.1.9",
        Taken(|m| m.header(HeaderName::Accept).is_some_and(|v| v.ends_with(b"message/sipfrag"))),
    ),
    ("transports", "3.1.1.10", Taken(|m| m.vias().len() == 5 && m.top_via().transport == "UDP")),
    ("mpart01", "3.1.1.11", Taken(|m| m.body().len() == 553 && !m.has_sdp())),
    ("unreason", "3.1.1.12", Taken(|m| m.status() == Some(200))),
    ("noreason", "3.1.1.13", Taken(|m| m.status() == Some(100))),
    // The Via cannot be read, so no answer would find its way.
    ("badinv01", "3.1.2.1", Refused(Kind::BadVia, None)),
    ("clerr", "3.1.2.2", Refused(Kind::BodyTruncated, Some(400))),
    ("ncl", "3.1.2.3", Refused(Kind::BadContentLength, Some(400))),
    ("scalar02", "3.1.2.4", Refused(Kind::BadCSeq, Some(400))),
    // A response is never answered.
    ("scalarlg", "3.1.2.5", Refused(Kind::BadCSeq, None)),
    ("quotbal", "3.1.2.6", Refused(Kind::BadTo, Some(400))),
    ("ltgtruri", "3.1.2.7", Refused(Kind::BadRequestUri, Some(400))),
    ("lwsruri", "3.1.2.8", Refused(Kind::BadStartLine, Some(400))),
    ("lwsstart", "3.1.2.9", Refused(Kind::BadStartLine, Some(400))),
    ("trws", "3.1.2.10", Refused(Kind::BadStartLine, Some(400))),
    ("escruri", "3.1.2.11", Refused(Kind::BadRequestUri, Some(400))),
    // We do not act on Date and pass it on.
    (
        "baddate",
        "3.1.2.12",
        Taken(|m| m.header(HeaderName::Date) == Some(b"Fri, 01 Jan 2010 16:00:00 EST")),
    ),
    ("regbadct", "3.1.2.13", Refused(Kind::BadContact, Some(400))),
    ("badaspec", "3.1.2.14", Refused(Kind::BadTo, Some(400))),
    // The archive's file lacks the empty line, which is noticed before its display names.
    ("baddn", "3.1.2.15", Refused(Kind::NoEndOfHead, Some(400))),
    ("badvers", "3.1.2.16", Refused(Kind::BadVersion, Some(505))),
    ("mismatch01", "3.1.2.17", Refused(Kind::MethodMismatch, Some(400))),
    ("mismatch02", "3.1.2.18", Refused(Kind::MethodMismatch, Some(400))),
    ("bigcode", "3.1.2.19", Refused(Kind::BadStatus, None)),
    // The branch is the cookie alone: the transaction layer matches it as RFC 2543 has it.
    ("badbranch", "3.2.1", Taken(|m| !m.top_via().has_rfc3261_branch())),
    ("insuf", "3.3.1", Refused(Kind::MissingHeader, Some(400))),
    (
        "unkscm",
        "3.3.2",
        Taken(|m| m.request_uri() == Some("nobodyKnowsThisScheme:totallyopaquecontent")),
    ),
    ("novelsc", "3.3.3", Taken(|m| m.request_uri() == Some("soap.beep://192.0.2.103:3002"))),
    (
        "unksm2",
        "3.3.4",
        Taken(|m| m.to().uri == "isbn:2983792873" && m.from().uri == "http://www.example.com"),
    ),
    (
        "bext01",
        "3.3.5",
        Taken(|m| m.require() == ["nothingSupportsThis", "nothingSupportsThisEither"]),
    ),
    ("invut", "3.3.6", Taken(|m| m.content_type() == Some("application/unknownformat"))),
    ("regaut01", "3.3.7", Taken(|m| m.header(HeaderName::Authorization).is_some())),
    ("multi01", "3.3.8", Refused(Kind::RepeatedHeader, Some(400))),
    ("mcl01", "3.3.9", Refused(Kind::RepeatedHeader, Some(400))),
    // Whose response it is, is the transport's to ask; the message is sound.
    ("bcast", "3.3.10", Taken(|m| m.vias().len() == 2)),
    ("zeromf", "3.3.11", Taken(|m| m.max_forwards() == Some(0))),
    ("cparam01", "3.3.12", Taken(|m| m.contact_uri() == Some("sip:+19725552222@gw1.example.net"))),
    (
        "cparam02",
        "3.3.13",
        Taken(|m| m.contact_uri() == Some("sip:+19725552222@gw1.example.net;unknownparam")),
    ),
    (
        "regescrt",
        "3.3.14",
        Taken(|m| m.contact_uri() == Some("sip:user@example.com?Route=%3Csip:sip.example.com%3E")),
    ),
    ("sdp01", "3.3.15", Taken(Message::has_sdp)),
    ("inv2543", "3.4.1", Taken(|m| m.from().tag.is_none() && m.top_via().branch.is_none())),
];

fn is_wsinv(message: &Message) -> bool {
    let [via1, via2, via3] = message.vias()[..] else { return false };
    message.request_uri() == Some("sip:vivekg@chair-dnrc.example.com;unknownparam")
        && message.to().tag == Some("1918181833n")
        && message.from().tag == Some("98asjd8")
        && message.from().uri == "sip:jdrosen@example.com"
        && message.max_forwards() == Some(68)
        && (message.cseq().number, message.cseq().method) == (9, &Method::Invite)
        && message.top_via().branch == Some("390skdjuw")
        && message.top_via().host == "192.0.2.2"
        && via1.ends_with("192.0.2.2;branch=390skdjuw")
        && via2.contains("spindle.example.com")
        && via3.ends_with("z9hG4bK30239")
        && message.header(HeaderName::Subject) == Some(b"")
        && message.header_named("unknownheaderwithunusualvalue") == Some(b";;,,;;,;")
        && message.routes() == ["<sip:services.example.com;lr;unknownwith=value;unknown-no-value>"]
        && message.contact_uri() == Some("sip:jdrosen@example.com")
        && message.body().len() == 150
}

fn is_intmeth(message: &Message) -> bool {
    let display = message.to().raw;
    message.method().as_str() == "!interesting-Method0123456789_*+`.%indeed'~"
        && display.starts_with(b"\"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\"")
        && message.from().tag == Some("_token~1'+`*%!-.")
        && message.call_id() == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
        && message.cseq().number == 139_122_385
        && message.max_forwards() == Some(255)
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

#[test]
fn each_torture_message_is_treated_as_the_table_says() {
    for (name, section, verdict) in TABLE {
        let datagram = std::fs::read(folder().join(format!("{name}.dat"))).unwrap();
        let parsed = Message::parse(Bytes::from(datagram.clone()));
        match (verdict, parsed) {
            (Taken(holds), Ok(message)) => {
                assert!(holds(&message), "{name} ({section}) was misread: {message:?}");
                assert!(datagram.starts_with(message.bytes()), "{name}: bytes were changed");
            }
            (Refused(kind, status), Err(error)) => {
                assert_eq!(error.kind, *kind, "{name} ({section}): {error}");
                assert_eq!(
                    error.answerable.as_ref().map(|a| a.status),
                    *status,
                    "{name} ({section})"
                );
                if let Some(status) = status {
                    let answer = Builder::answer(&error).unwrap().to_tag("x").finish();
                    assert!(answer.starts_with(format!("SIP/2.0 {status} ").as_bytes()), "{name}");
                }
            }
            (Taken(_), Err(error)) => panic!("{name} ({section}) was refused: {error}"),
            (Refused(..), Ok(_)) => panic!("{name} ({section}) was taken"),
        }
    }
}

#[test]
fn the_table_has_every_torture_message() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            Some(entry.unwrap().file_name().to_str()?.strip_suffix(".dat")?.to_owned())
        })
        .collect();
    let rows: BTreeSet<String> = TABLE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(files, rows);
    assert_eq!(rows.len(), 49);
}

#[test]
fn unquoted_commas_in_display_names_are_refused() {
    let mut datagram = std::fs::read(folder().join("baddn.dat")).unwrap();
    datagram.extend_from_slice(b"\r\n");
    assert_eq!(Message::parse(datagram.into()).unwrap_err().kind, Kind::BadFrom);
}
