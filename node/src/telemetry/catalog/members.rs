//! The metrics of membership.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric(
        "membership",
        Kind::Gauge,
        "holdline_format",
        &[],
        "The cluster's format as this node has applied it; docs/upgrade.md.",
    ),
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
    metric(
        "membership",
        Kind::Counter,
        "holdline_peer_refused_total",
        &["reason"],
        "Connections refused between nodes: no certificate of the cluster, or one of a removed node.",
    ),
    metric(
        "membership",
        Kind::Gauge,
        "holdline_cluster_certificate_expiry_seconds",
        &["trunk"],
        "When this node's certificate for other nodes expires, in seconds since 1970.",
    ),
];
