//! The metrics of the sockets. Handles are made once, so that the hot path only adds.

use metrics::{Counter, Gauge, counter, gauge};

/// What happened to datagrams, over all sockets.
pub(crate) struct Counters {
    pub(crate) received: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) dropped_by_kernel: Counter,
    pub(crate) dropped_queue_full: Counter,
    pub(crate) dropped_truncated: Counter,
    pub(crate) dropped_empty: Counter,
    pub(crate) receive_refused: Counter,
    pub(crate) receive_failed: Counter,
    pub(crate) sent: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) unsent_unknown_from: Counter,
    pub(crate) unsent_buffer_full: Counter,
    pub(crate) unsent_too_long: Counter,
    pub(crate) unsent_unreachable: Counter,
    pub(crate) unsent_failed: Counter,
    pub(crate) send_refused: Counter,
    pub(crate) sockets: Gauge,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let dropped = |reason| counter!(RECEIVE_DROPPED, "reason" => reason);
        let failed = |reason| counter!(RECEIVE_ERRORS, "reason" => reason);
        let unsent = |reason| counter!(SEND_DROPPED, "reason" => reason);
        Self {
            received: counter!("holdline_transport_received_total"),
            received_bytes: counter!("holdline_transport_received_bytes_total"),
            dropped_by_kernel: dropped("kernel"),
            dropped_queue_full: dropped("queue_full"),
            dropped_truncated: dropped("truncated"),
            dropped_empty: dropped("empty"),
            receive_refused: failed("refused"),
            receive_failed: failed("other"),
            sent: counter!("holdline_transport_sent_total"),
            sent_bytes: counter!("holdline_transport_sent_bytes_total"),
            unsent_unknown_from: unsent("unknown_from"),
            unsent_buffer_full: unsent("buffer_full"),
            unsent_too_long: unsent("too_long"),
            unsent_unreachable: unsent("unreachable"),
            unsent_failed: unsent("other"),
            send_refused: counter!("holdline_transport_send_refused_total"),
            sockets: gauge!("holdline_transport_sockets"),
        }
    }
}

const RECEIVE_DROPPED: &str = "holdline_transport_receive_dropped_total";
const RECEIVE_ERRORS: &str = "holdline_transport_receive_errors_total";
const SEND_DROPPED: &str = "holdline_transport_send_dropped_total";
