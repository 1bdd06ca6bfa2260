//! The metrics of limits.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric(
        "limits",
        Kind::Counter,
        "holdline_limit_refused_total",
        &["shortage", "status"],
        "Calls, or attempts at a target, that a limit refused: for want of tokens, because of a ceiling, of calls up, or of a full queue.",
    ),
    metric(
        "limits",
        Kind::Counter,
        "holdline_limit_marked_total",
        &[],
        "Calls admitted over a limit that marks.",
    ),
    metric(
        "limits",
        Kind::Counter,
        "holdline_limit_throttled_total",
        &["operation", "status"],
        "Requests outside of dialogs that are no calls, and requests of the management API, refused because the cluster had no tokens for them.",
    ),
    metric(
        "limits",
        Kind::Counter,
        "holdline_limit_tokens_leased_total",
        &[],
        "Tokens that this node has leased, for what rides on no admission.",
    ),
    metric(
        "limits",
        Kind::Counter,
        "holdline_limit_tokens_spent_total",
        &[],
        "Of the leased tokens, those that were spent.",
    ),
    metric(
        "limits",
        Kind::Counter,
        "holdline_limit_tokens_returned_total",
        &[],
        "Of the leased tokens, those that were given back unused: the under-use.",
    ),
    metric(
        "limits",
        Kind::Gauge,
        "holdline_limit_tokens_held",
        &[],
        "Leased tokens that are neither spent nor given back.",
    ),
];
