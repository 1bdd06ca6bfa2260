//! The filter in `deploy/fail2ban` against the lines that a node logs.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use holdline_guard::{Ban, BanReason, BanScope, Cause};
use holdline_model::{Cidr, Millis, NodeId};
use regex::Regex;
use tracing_subscriber::fmt;

use super::keeper;

const FILTER: &str = include_str!("../../../deploy/fail2ban/holdline.conf");

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The filter's expressions, with what fail2ban puts in for its words.
fn expressions() -> Vec<Regex> {
    let value = |key: &str| {
        let line = FILTER.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
        line.expect(key).trim().to_owned()
    };
    let (text, json) = (value("_text"), value("_json"));
    let lines = FILTER.lines().skip_while(|line| !line.starts_with("failregex"));
    let lines = lines
        .take_while(|line| !line.is_empty())
        .map(|line| line.trim_start_matches("failregex ="));
    lines
        .map(|line| {
            // Rust's expressions know no look-ahead: that part is tested by its own rule below.
            let (head, ahead) =
                line.trim().rsplit_once("(?!operator)").expect("operators' bans are left out");
            assert_eq!(ahead, "");
            let head = head.replace("%(_text)s", &text).replace("%(_json)s", &json);
            Regex::new(&head.replace("<HOST>", r"(?P<host>[0-9A-Fa-f:.]+)")).unwrap()
        })
        .collect()
}

/// What fail2ban would ban, by one line.
fn found(line: &str) -> Option<IpAddr> {
    expressions().iter().find_map(|expression| {
        let found = expression.captures(line)?;
        let rest = &line[found.get(0).unwrap().end()..];
        if rest.starts_with("operator") { None } else { found["host"].parse().ok() }
    })
}

fn logged(json: bool, source: &str, reason: BanReason) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let builder = fmt().with_writer(move || writer.clone());
    let now = Millis(1_000_000);
    let source: IpAddr = source.parse().unwrap();
    let ban = Ban {
        block: Cidr::around(source, 64),
        until: now.plus_ms(600_000),
        at: now,
        by: NodeId(2),
        reason,
        scope: BanScope::New,
        lifted: false,
    };
    let log = || keeper::log(source, &ban, now);
    if json {
        tracing::subscriber::with_default(builder.json().flatten_event(true).finish(), log);
    } else {
        tracing::subscriber::with_default(builder.with_ansi(false).finish(), log);
    }
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn the_filter_finds_the_source_in_both_formats_of_the_log() {
    for source in ["198.51.100.7", "2001:db8:1:2::7"] {
        for json in [false, true] {
            let line = logged(json, source, BanReason::Shield(Cause::AuthFailures));
            assert_eq!(found(&line), Some(source.parse().unwrap()), "{line}");
            let line = logged(json, source, BanReason::Operator);
            assert_eq!(found(&line), None, "an operator's ban may be for another reason: {line}");
        }
    }
}

#[test]
fn the_filter_leaves_other_lines_alone() {
    for line in [
        "2026-11-25T17:00:00.0Z  INFO holdline::ban: a ban is lifted block=198.51.100.7/32",
        "2026-11-25T17:00:00.0Z  WARN holdline::sip: banned source=198.51.100.7 reason=packets",
        r#"{"timestamp":"x","level":"INFO","message":"banned","source":"198.51.100.7","reason":"packets"}"#,
    ] {
        assert_eq!(found(line), None, "{line}");
    }
}
