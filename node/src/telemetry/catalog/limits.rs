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
];
