//! The metrics of connections. Handles are made once, so that the hot path only adds.

use holdline_model::Transport;
use metrics::{Counter, Gauge, counter, gauge};

/// What happened to connections and to the messages on them.
pub(super) struct Counters {
    pub(super) received: Counter,
    pub(super) received_bytes: Counter,
    pub(super) sent: Counter,
    pub(super) sent_bytes: Counter,
    pub(super) keepalives: Counter,
    pub(super) connections: Gauge,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            received: counter!("holdline_stream_received_total"),
            received_bytes: counter!("holdline_stream_received_bytes_total"),
            sent: counter!("holdline_stream_sent_total"),
            sent_bytes: counter!("holdline_stream_sent_bytes_total"),
            keepalives: counter!("holdline_stream_keepalives_total"),
            connections: gauge!("holdline_stream_connections"),
        }
    }

    pub(super) fn opened(transport: Transport, by: &'static str) {
        counter!("holdline_stream_opened_total", "transport" => transport.param(), "by" => by)
            .increment(1);
    }

    pub(super) fn closed(reason: &'static str) {
        counter!("holdline_stream_closed_total", "reason" => reason).increment(1);
    }

    pub(super) fn refused(reason: &'static str) {
        counter!("holdline_stream_refused_total", "reason" => reason).increment(1);
    }

    pub(super) fn unsent(reason: &'static str) {
        counter!("holdline_stream_unsent_total", "reason" => reason).increment(1);
    }
}
