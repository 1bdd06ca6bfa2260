//! The list against the source, the document and the exposition format.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::telemetry::metrics::builder;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names in the source of all crates that the binary is made of, tests aside.
fn names_in_source() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders: Vec<_> = ["raft", "storage", "node"].map(|name| workspace().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["tests", "target", "catalog"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") && !["tests.rs", "catalog.rs"].contains(&name.as_str())
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let source = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                names.extend(quoted(source));
            }
        }
    }
    names
}

fn quoted(source: &str) -> impl Iterator<Item = String> + '_ {
    let words = source.split('"').filter(|word| {
        (word.starts_with("holdline_") || word.starts_with("process_"))
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    });
    // Names of crates stand in log filters.
    words.filter(|word| !["holdline_raft"].contains(word)).map(str::to_owned)
}

fn document() -> String {
    let mut text =
        "# Metrics\n\nWhat `GET /metrics` has. Made from `node/src/telemetry/catalog.rs` by \
                    `HOLDLINE_WRITE_DOCS=1 cargo test -p holdline metrics_document`.\n"
            .to_owned();
    let mut section = "";
    for metric in all() {
        if metric.section != section {
            section = metric.section;
            let title = section[..1].to_uppercase() + &section[1..];
            write!(text, "\n## {title}\n\n| name | kind | labels | meaning |\n|---|---|---|---|\n")
                .unwrap();
        }
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let Metric { name, labels, help, .. } = metric;
        writeln!(text, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    text
}

#[test]
fn every_metric_in_the_source_is_listed_and_every_listed_one_is_in_the_source() {
    let listed: BTreeSet<_> = all().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(listed.len(), all().count(), "a name stands twice");
    let source = names_in_source();
    let unlisted: Vec<_> = source.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&source).collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "not listed: {unlisted:?}; not in the source: {gone:?}"
    );
}

#[test]
fn the_metrics_document_is_made_from_the_list() {
    let path = workspace().join("docs/metrics.md");
    if std::env::var_os("HOLDLINE_WRITE_DOCS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), document());
}

#[test]
fn names_follow_prometheus_conventions() {
    for metric in all() {
        let Metric { name, kind, help, .. } = metric;
        let total = name.ends_with("_total");
        match kind {
            Kind::Counter => assert!(total, "{name} is a counter"),
            Kind::Gauge => assert!(!total, "{name} is a gauge"),
            Kind::Histogram(buckets) => {
                let unit = ["_seconds", "_commands", "_entries", "_jobs"];
                assert!(unit.iter().any(|unit| name.ends_with(unit)), "{name} has no unit");
                assert!(buckets.bounds().is_sorted());
            }
        }
        assert!(help.ends_with('.'), "{name}: {help}");
    }
}

#[test]
fn the_exposition_has_help_type_and_buckets() {
    let recorder = builder().unwrap().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        crate::telemetry::metrics::describe_all();
        metrics::histogram!("holdline_commit_seconds").record(0.0018);
        metrics::counter!("holdline_ownership_changes_total", "reason" => "failure").increment(3);
    });
    let text = handle.render();
    for line in [
        "# HELP holdline_commit_seconds From the moment a command was submitted on this node to its reply.",
        "# TYPE holdline_commit_seconds histogram",
        "holdline_commit_seconds_bucket{le=\"0.0015\"} 0",
        "holdline_commit_seconds_bucket{le=\"0.002\"} 1",
        "holdline_commit_seconds_count 1",
        "# TYPE holdline_ownership_changes_total counter",
        "holdline_ownership_changes_total{reason=\"failure\"} 3",
        "holdline_calls_lost_total 0",
    ] {
        assert!(text.lines().any(|has| has == line), "{line:?} is not in\n{text}");
    }
}
