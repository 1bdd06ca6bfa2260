//! Patterns and records against configurations: exact numbers, on virtual time.

use holdline_model::limit::LimitConfig;

use super::cdrs::CdrsError;
use super::pattern::{Pattern, PatternError};
use super::*;
use crate::admin::fake;
use crate::admin::view::{CSV_HEADER, CdrView};

fn config(text: &str) -> LimitConfig {
    toml::from_str(text).unwrap()
}

fn tried(limits: &str, pattern: &str) -> Outcome {
    let pattern = Pattern::from_line(pattern).unwrap();
    simulate(&config(limits), pattern.span_ms(), pattern.offers()).unwrap()
}

fn class<'a>(outcome: &'a Outcome, name: &str) -> &'a ClassTally {
    outcome.classes.iter().find(|class| class.class == Name::from(name)).unwrap()
}

const ALL: &str = "[[class]]\nname = \"all\"\nassured = \"10/s\"\nburst = 5\n";

#[test]
fn three_times_the_rate_is_admitted_up_to_rate_times_time_plus_burst() {
    let outcome = tried(ALL, "rate=30/s for=60s");
    assert_eq!((outcome.offered, outcome.span_ms), (1_800, 60_000));
    assert!((600..=605).contains(&outcome.admitted), "{}", outcome.admitted);
    assert_eq!(outcome.refused, outcome.offered - outcome.admitted);
    let bins = |count: fn(&tally::Bin) -> u64| outcome.bins.iter().map(count).sum::<u64>();
    assert_eq!(bins(|bin| bin.offered), outcome.offered);
    assert_eq!(bins(|bin| bin.refused), outcome.refused);
    let first = outcome.first_refused.unwrap();
    assert!((160..=300).contains(&first.at_ms), "the burst is gone: {first:?}");
    assert_eq!((first.by.as_str(), first.shortage, first.status), ("all", "tokens", 503));
}

#[test]
fn below_the_rate_nobody_is_refused_even_after_hours_of_silence() {
    let outcome = tried(ALL, "rate=9/s for=60s, rate=5/s from=30h for=1min");
    assert_eq!((outcome.admitted, outcome.refused), (540 + 300, 0));
    assert_eq!(outcome.first_refused, None);
}

#[test]
fn a_tenant_keeps_its_share_and_the_greedy_one_is_named() {
    let limits = "
        [[class]]\nname = \"all\"\nassured = \"20/s\"\nburst = 20
        [[class]]\nname = \"good\"\nparent = \"all\"\nmatch = { tenant = [\"good\"] }\nassured = \"50%\"\nburst = 5
        [[class]]\nname = \"bad\"\nparent = \"all\"\nmatch = { tenant = [\"bad\"] }\nassured = \"50%\"\nburst = 5";
    let outcome =
        tried(limits, "tenant=good rate=9/s for=60s, tenant=bad trunk=pbx rate=100/s for=60s");
    let (good, bad) = (class(&outcome, "good"), class(&outcome, "bad"));
    assert_eq!((good.offered, good.refused), (540, 0));
    assert!(bad.refused > 5_000 && bad.admitted >= 600, "{bad:?}");
    assert_eq!(class(&outcome, "all").offered, 540 + 6_000);
    let worst = &outcome.most_refused[0];
    assert_eq!((worst.tenant.as_str(), worst.trunk.as_str()), ("bad", "pbx"));
    assert_eq!(outcome.most_refused.len(), 1);
}

#[test]
fn what_is_held_back_or_marked_is_counted() {
    let limits = "[[class]]\nname = \"all\"\nassured = \"10/s\"\nburst = 1\naction = \"delay\"\nmax_wait_ms = 500";
    let outcome = tried(limits, "rate=20/s for=10s");
    let all = class(&outcome, "all");
    assert!(all.delayed >= 90 && all.longest_delay_ms <= 500 && all.refused > 0, "{all:?}");
    let outcome = tried(&format!("{ALL}action = \"mark\""), "rate=30/s for=10s");
    let all = class(&outcome, "all");
    assert_eq!((all.refused, all.admitted), (0, 300));
    assert!((190..=200).contains(&all.marked), "{all:?}");
}

#[test]
fn a_cap_counts_calls_that_are_up_and_an_emergency_passes() {
    let limits = "emergency = [\"112\"]\n[[cap]]\nname = \"lines\"\nby = \"trunk_out\"\ncalls = 10";
    let outcome = tried(
        limits,
        "trunk_out=c rate=1/s for=60s hold=20s, trunk_out=c called=112 rate=1/s from=30s for=5s hold=1s",
    );
    // Ten of every twenty seconds' calls find a line.
    assert_eq!((outcome.offered, outcome.refused), (65, outcome.refused_by[&Name::from("lines")]));
    assert!((28..=32).contains(&outcome.refused), "{}", outcome.refused);
    let first = outcome.first_refused.unwrap();
    assert_eq!((first.at_ms, first.shortage), (10_000, "calls"));
}

#[test]
fn sources_are_spread_and_each_has_its_bucket() {
    let limits =
        "[[each]]\nname = \"per-source\"\nby = \"source\"\nrate = \"1/s\"\nburst = 1\nstatus = 429";
    let one = tried(limits, "source=192.0.2.1 rate=10/s for=10s");
    let ten = tried(limits, "source=192.0.2.1 sources=10 rate=10/s for=10s");
    assert_eq!((one.admitted, ten.admitted), (10, 100));
    assert_eq!(one.first_refused.unwrap().status, 429);
}

#[test]
fn other_operations_cost_what_they_cost() {
    let limits = format!("cost = {{ register = \"0.5\" }}\n{ALL}");
    let outcome = tried(&limits, "operation=register rate=100/s for=10s");
    assert!((200..=210).contains(&outcome.admitted), "{}", outcome.admitted);
    assert_eq!(outcome.first_refused.unwrap().operation, "register");
}

#[test]
fn a_pattern_is_the_same_as_its_file() {
    let line = "tenant=acme rate=100/min from=1500ms for=2min hold=30s, operation=options source=10.0.0.1 sources=3 rate=7/s for=1h";
    let file = "
        [[flow]]\ntenant = \"acme\"\nrate = \"100/min\"\nfrom = \"1500ms\"\nfor = \"2min\"\nhold = \"30s\"
        [[flow]]\noperation = \"options\"\nsource = \"10.0.0.1\"\nsources = 3\nrate = \"7/s\"\nfor = \"1h\"";
    let (line, file) = (Pattern::from_line(line).unwrap(), Pattern::from_toml(file).unwrap());
    assert_eq!(line, file);
    assert_eq!(line.span_ms(), 3_600_000);
    assert!(line.offers().map(|offer| offer.at_ms).is_sorted());
    assert_eq!(line.offers().count(), 200 + 25_200);
}

#[test]
fn what_is_wrong_with_a_pattern_is_named() {
    for (line, part) in [
        ("", "no flow"),
        ("rate=10/s", "flow 1: missing field `for`"),
        ("rate=10/s for=1s, tenant", "flow 2: \"tenant\" is no key=value"),
        ("rate=10/s for=1s tennant=a", "unknown field `tennant`"),
        ("rate=10 for=1d", "for is \"1d\""),
        ("rate=10/y for=1s", "is not a rate"),
        ("rate=25% for=1s", "is a share"),
        ("rate=0/s for=1s", "no request"),
        ("rate=1000000/s for=1h", "at most 50000000"),
        ("rate=1/s for=1s sources=0", "sources is 0"),
        ("rate=1/s for=1s operation=dance", "unknown variant"),
    ] {
        let error = Pattern::from_line(line).unwrap_err().to_string();
        assert!(error.contains(part), "{line}: {error}");
    }
    let error = Pattern::from_toml("[[flows]]").unwrap_err();
    assert!(matches!(&error, PatternError::Toml(text) if text.contains("flows")), "{error}");
}

fn records() -> Vec<CdrView> {
    (0..3)
        .map(|n| {
            let mut view = CdrView::from(&fake::cdr(n));
            view.cause = "Smith, \"Bob\"".to_owned();
            view.tenant = "=acme".to_owned();
            view
        })
        .collect()
}

#[test]
fn csv_and_json_lines_tell_of_the_same_calls() {
    let records = records();
    let json: String =
        records.iter().rev().map(|view| serde_json::to_string(view).unwrap() + "\n").collect();
    let lines: String = records.iter().map(|view| view.csv() + "\n").collect();
    let read = |text: &str| cdrs::read(text.as_bytes()).unwrap();
    let calls = read(&json);
    assert_eq!(read(&lines), calls, "without a header");
    assert_eq!(read(&format!("{CSV_HEADER}{lines}")), calls);
    assert_eq!((calls.began_ms, calls.span_ms), (fake::START.0, 120_001));
    let first = &calls.offers[0];
    assert_eq!((first.at_ms, first.hold_ms), (0, 60_000));
    assert_eq!((first.tenant.as_str(), first.trunk.as_str()), ("=acme", "office"));
    assert_eq!((first.called.as_str(), first.caller.as_str()), ("49690", "alice"));
    assert_eq!(first.trunk_out.as_ref().unwrap().as_str(), "carrier-a");
}

#[test]
fn what_is_wrong_with_records_is_named_with_its_line() {
    for (text, part) in [
        ("", "no call detail record"),
        ("id,tenant\n", "line 1: the column trunk_in is missing"),
        ("a,b\n", "line 1: 2 columns, expected 20"),
        ("\n{\"tenant\": 1}\n", "line 2: "),
        ("\"open\n", "a quote is not closed"),
    ] {
        let error = cdrs::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    let mut view = CdrView::from(&fake::cdr(0));
    view.started_at = "yesterday".to_owned();
    let error = cdrs::read(view.csv().as_bytes()).unwrap_err();
    assert!(
        matches!(&error, CdrsError::Line { line: 1, why } if why.contains("yesterday")),
        "{error}"
    );
}

#[test]
fn records_are_put_to_caps_and_buckets() {
    let calls =
        cdrs::read(records().iter().map(|view| view.csv() + "\n").collect::<String>().as_bytes())
            .unwrap();
    let limits = config("[[cap]]\nname = \"one\"\ncalls = 0");
    let outcome = simulate(&limits, calls.span_ms, calls.offers.into_iter()).unwrap();
    assert_eq!((outcome.offered, outcome.refused), (3, 3));
}

#[test]
fn a_faulty_configuration_is_refused() {
    let pattern = Pattern::from_line("rate=1/s for=1s").unwrap();
    let limits = config("[[class]]\nname = \"all\"\nassured = \"10/s\"\nburst = 0");
    assert!(simulate(&limits, 1_000, pattern.offers()).is_err());
}

/// The first block of TOML in docs/limits.md, and the file that ships.
#[test]
fn the_examples_are_the_same_and_can_be_simulated() {
    let document = include_str!("../../../docs/limits.md");
    let shipped = include_str!("../../../deploy/limits.toml");
    let block = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = config(block.unwrap());
    assert_eq!(config(shipped), example);
    assert_eq!((example.class.len(), example.each.len(), example.cap.len()), (3, 1, 1));
    let pattern = Pattern::from_line(
        "tenant=acme rate=40/s for=5min hold=90s, tenant=trial rate=100/s from=1min for=2min",
    )
    .unwrap();
    let outcome = simulate(&example, pattern.span_ms(), pattern.offers()).unwrap();
    assert!(class(&outcome, "trial").refused > 0, "{outcome:?}");
}
