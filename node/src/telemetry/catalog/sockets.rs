//! The metrics of SIP sockets and floating addresses.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_received_total",
        &[],
        "SIP datagrams received.",
    ),
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_received_bytes_total",
        &[],
        "Bytes of them.",
    ),
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_receive_dropped_total",
        &["reason"],
        "SIP datagrams dropped on receipt; `kernel`: it had no room until this node would read them.",
    ),
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_receive_errors_total",
        &["reason"],
        "Errors while receiving.",
    ),
    metric("sockets", Kind::Counter, "holdline_transport_sent_total", &[], "SIP datagrams sent."),
    metric("sockets", Kind::Counter, "holdline_transport_sent_bytes_total", &[], "Bytes of them."),
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_send_dropped_total",
        &["reason"],
        "SIP datagrams not sent.",
    ),
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_send_refused_total",
        &[],
        "Datagrams after which the peer's host said that nobody listens.",
    ),
    metric("sockets", Kind::Gauge, "holdline_transport_sockets", &[], "SIP sockets open."),
    metric(
        "sockets",
        Kind::Gauge,
        "holdline_transport_floating_held",
        &[],
        "Floating addresses that this node holds.",
    ),
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_floating_moves_total",
        &["action", "outcome"],
        "Floating addresses acquired and released.",
    ),
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_floating_announcements_total",
        &["outcome"],
        "Announcements of floating addresses to neighbours.",
    ),
    metric(
        "sockets",
        Kind::Counter,
        "holdline_transport_floating_bind_failures_total",
        &[],
        "Floating addresses that could not be bound at an attempt.",
    ),
];
