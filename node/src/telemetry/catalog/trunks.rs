//! The metrics of trunks. Their label `trunk` has the names of the configuration, at most 1024.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric(
        "trunks",
        Kind::Gauge,
        "holdline_trunk_usable",
        &["trunk"],
        "1 if this node sends calls to the trunk, on trial included; 0 if not.",
    ),
    metric(
        "trunks",
        Kind::Gauge,
        "holdline_trunk_standing",
        &["trunk"],
        "What probing says: 0 active, 1 probing, 2 greylisted.",
    ),
    metric(
        "trunks",
        Kind::Gauge,
        "holdline_trunk_calls",
        &["trunk"],
        "Calls to the trunk that are up or being set up, in the whole cluster as this node knows it. \
         The same at every node: do not add them up.",
    ),
    metric(
        "trunks",
        Kind::Gauge,
        "holdline_trunk_latency_seconds",
        &["trunk"],
        "Time from a request to its first answer, smoothed.",
    ),
    metric(
        "trunks",
        Kind::Gauge,
        "holdline_trunk_addresses",
        &["trunk"],
        "How many addresses the trunk's name leads to; 0: it gets no calls. Only of trunks with names.",
    ),
    metric(
        "trunks",
        Kind::Counter,
        "holdline_dns_queries_total",
        &["kind", "outcome"],
        "Questions to name servers: NAPTR, SRV or A/AAAA; answer, nothing, failed, refused (too many at once).",
    ),
    metric(
        "trunks",
        Kind::Counter,
        "holdline_dns_waits_total",
        &["outcome"],
        "Answers whose Contact or Record-Route had a name that was not known: waited, or full (went on at once).",
    ),
    metric(
        "trunks",
        Kind::Gauge,
        "holdline_dns_entries",
        &[],
        "Questions whose answers are remembered.",
    ),
    metric(
        "trunks",
        Kind::Counter,
        "holdline_trunk_probes_total",
        &["trunk", "outcome"],
        "Probes (OPTIONS) of this node that were answered, or missed.",
    ),
    metric(
        "trunks",
        Kind::Counter,
        "holdline_trunk_failures_total",
        &["trunk", "reason"],
        "Calls that failed at the trunk in a way that counts against it.",
    ),
    metric(
        "trunks",
        Kind::Counter,
        "holdline_trunk_shut_total",
        &["trunk"],
        "How often this node stopped sending calls to the trunk.",
    ),
    metric(
        "trunks",
        Kind::Counter,
        "holdline_trunk_news_dropped_total",
        &[],
        "What calls found out about trunks and nobody had time to hear.",
    ),
];
