//! The metrics of membership.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric(
        "membership",
        Kind::Counter,
        "holdline_joins_total",
        &["outcome"],
        "Nodes that asked this leader to be let in: `welcome`, or why they were turned away.",
    ),
    metric(
        "membership",
        Kind::Counter,
        "holdline_member_changes_total",
        &["outcome"],
        "Changes of the members that this leader was asked for, `made` and `refused`.",
    ),
];
