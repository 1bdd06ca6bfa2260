//! The metrics of the process.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric("process", Kind::Gauge, "process_resident_memory_bytes", &[], "Memory in use."),
    metric(
        "process",
        Kind::Counter,
        "process_cpu_seconds_total",
        &[],
        "User and system time used.",
    ),
    metric("process", Kind::Gauge, "process_open_fds", &[], "File descriptors open."),
    metric("process", Kind::Gauge, "process_max_fds", &[], "File descriptors that may be open."),
];
