//! The metrics of what a node does by itself against noisy neighbours and overload.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric(
        "protection",
        Kind::Counter,
        "holdline_shield_dropped_total",
        &["reason"],
        "Datagrams dropped before they were parsed, because their source is banned or beyond its limits.",
    ),
    metric(
        "protection",
        Kind::Counter,
        "holdline_shield_exempted_total",
        &[],
        "Datagrams beyond a limit or of a banned source that passed, because they belong to a call that is up or are an emergency call.",
    ),
    metric(
        "protection",
        Kind::Counter,
        "holdline_auth_failures_total",
        &[],
        "Requests with wrong credentials.",
    ),
    metric("protection", Kind::Gauge, "holdline_bans", &[], "Bans in force."),
    metric(
        "protection",
        Kind::Counter,
        "holdline_bans_total",
        &["reason"],
        "Bans that this node made, by whom or by what the source had too much of.",
    ),
    metric(
        "protection",
        Kind::Counter,
        "holdline_bans_dropped_total",
        &["reason"],
        "Bans that were not made, kept or told to others.",
    ),
    metric(
        "protection",
        Kind::Gauge,
        "holdline_top_share",
        &["dimension"],
        "The part that the heaviest source, tenant, caller or destination has of all at this node, from 0 to 1.",
    ),
    metric(
        "protection",
        Kind::Counter,
        "holdline_overload_refused_total",
        &[],
        "New calls answered 503 because this node is overloaded.",
    ),
    metric(
        "protection",
        Kind::Gauge,
        "holdline_overload_limited",
        &[],
        "1 while new calls are limited because this node is overloaded, else 0.",
    ),
    metric(
        "protection",
        Kind::Gauge,
        "holdline_overload_calls_per_second",
        &[],
        "New calls per second that are let in while they are limited; 0 while they are not.",
    ),
    metric(
        "protection",
        Kind::Gauge,
        "holdline_overload_queue_delay_seconds",
        &[],
        "The least time that a message waited in this node within the last interval, in the fullest of its queues.",
    ),
    metric(
        "protection",
        Kind::Gauge,
        "holdline_overload_timer_lag_seconds",
        &[],
        "The least lateness of a timer within the last interval.",
    ),
    metric(
        "protection",
        Kind::Gauge,
        "holdline_overload_commit_delay_seconds",
        &[],
        "The least time from proposing to the reply within the last interval.",
    ),
];
