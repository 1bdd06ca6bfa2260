//! The metrics of the admin API.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric(
        "admin API",
        Kind::Counter,
        "holdline_admin_requests_total",
        &["class"],
        "Requests answered, by the first digit of the status.",
    ),
    metric(
        "admin API",
        Kind::Counter,
        "holdline_admin_errors_total",
        &["status"],
        "Requests answered with 5xx.",
    ),
    metric(
        "admin API",
        Kind::Counter,
        "holdline_admin_refused_total",
        &["reason"],
        "Requests refused before they were looked at.",
    ),
    metric(
        "admin API",
        Kind::Counter,
        "holdline_cdr_exported_total",
        &[],
        "Call detail records sent by exports.",
    ),
    metric(
        "admin API",
        Kind::Counter,
        "holdline_backup_bytes_total",
        &[],
        "Bytes streamed as backups.",
    ),
];
