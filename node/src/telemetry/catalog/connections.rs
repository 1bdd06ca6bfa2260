//! The metrics of connections: TCP, TLS and WebSocket.

use super::{Kind, Metric, metric};

pub(super) const METRICS: &[Metric] = &[
    metric(
        "connections",
        Kind::Counter,
        "holdline_tls_refused_total",
        &[],
        "Connections of ours on which no TLS came about: a certificate that is not good, or none that suits both.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_sip_held_total",
        &[],
        "Messages from connections that waited for a shard with a full queue; meanwhile no connection is read.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_stream_received_total",
        &[],
        "SIP messages received over connections.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_stream_received_bytes_total",
        &[],
        "Bytes of them.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_stream_sent_total",
        &[],
        "SIP messages written to connections.",
    ),
    metric("connections", Kind::Counter, "holdline_stream_sent_bytes_total", &[], "Bytes of them."),
    metric(
        "connections",
        Kind::Counter,
        "holdline_stream_unsent_total",
        &["reason"],
        "SIP messages that no connection took.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_stream_keepalives_total",
        &[],
        "Keepalives answered on connections.",
    ),
    metric(
        "connections",
        Kind::Gauge,
        "holdline_stream_connections",
        &[],
        "Connections open, of all transports.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_stream_opened_total",
        &["transport", "by"],
        "Connections opened, by the peer or by us.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_stream_closed_total",
        &["reason"],
        "Connections that ended, and why.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_stream_refused_total",
        &["reason"],
        "Connections refused for want of room, or not accepted.",
    ),
    metric(
        "connections",
        Kind::Gauge,
        "holdline_tls_certificate_expiry_seconds",
        &["trunk"],
        "When the TLS certificate expires, in seconds since 1970; `trunk`: the one to which alone it is shown, empty for ours.",
    ),
    metric(
        "connections",
        Kind::Counter,
        "holdline_tls_reloads_total",
        &["outcome"],
        "Certificates read again after their files changed.",
    ),
];
