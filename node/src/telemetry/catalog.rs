//! All metrics: names, kinds, labels and what they mean. `docs/metrics.md` is made from this list, and
//! a test holds the list against the source of all crates.
//!
//! Invariant: labels have few values; no numbers, addresses or Call-IDs, and no names but those that
//! the configuration bounds.

mod admin;
mod connections;
mod limits;
mod members;
mod process;
mod protection;
mod sockets;
mod trunks;

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// What it belongs to.
    pub section: &'static str,
    /// Its name, with the unit at the end.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram(Buckets),
}

/// The buckets of a histogram.
#[derive(Clone, Copy, Debug)]
pub enum Buckets {
    /// Commits, syncs and applies: 0.1 ms to 5 s, fine around the targets (2 ms, 10 ms).
    Commit,
    /// Takeovers: 1 ms to 30 s, fine around the targets (1 s, 2 s).
    Takeover,
    /// Setting up a call: 10 ms to 180 s.
    Setup,
    /// Counts, in powers of two.
    Count,
}

impl Buckets {
    /// The upper bounds, in seconds where the metric is a time.
    #[must_use]
    pub const fn bounds(self) -> &'static [f64] {
        match self {
            Self::Commit => &[
                0.0001, 0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015,
                0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
            ],
            Self::Takeover => &[
                0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0,
                5.0, 10.0, 30.0,
            ],
            Self::Setup => &[
                0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0,
                180.0,
            ],
            Self::Count => {
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0]
            }
        }
    }
}

/// The section of what the kernel knows; see [`super::process`].
pub const PROCESS: &str = "process";

/// Those of most sections.
const METRICS: &[Metric] = &[
    metric(
        "calls",
        Kind::Counter,
        "holdline_calls_lost_total",
        &[],
        "Calls whose record could not be rebuilt by a new owner. Anything but 0 needs a human.",
    ),
    metric(
        "calls",
        Kind::Histogram(Buckets::Takeover),
        "holdline_call_recovery_seconds",
        &[],
        "From the moment a slot became this node's to the moment it acts for all of its calls.",
    ),
    metric("calls", Kind::Gauge, "holdline_calls_up", &[], "Calls of this node that are up."),
    metric(
        "calls",
        Kind::Counter,
        "holdline_calls_recovered_total",
        &[],
        "Calls taken over from another owner and rebuilt.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_calls_admitted_total",
        &[],
        "Calls admitted, and that is committed.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_calls_answered_total",
        &[],
        "Calls answered, and that is committed.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_calls_ended_total",
        &["disposition", "by"],
        "Calls ended, by how they are billed and who ended them.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_calls_failed_over_total",
        &[],
        "Attempts of a call at its next target.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_calls_undecided_total",
        &[],
        "Proposals about calls whose outcome was unknown; they are made again.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_calls_rejected_total",
        &[],
        "Proposals refused for a reason that no correct owner meets. Anything but 0 needs a human.",
    ),
    metric(
        "calls",
        Kind::Histogram(Buckets::Setup),
        "holdline_call_setup_seconds",
        &[],
        "From admission to answer.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_cdrs_written_total",
        &[],
        "Call detail records written to this node's state.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_cdrs_indexed_total",
        &[],
        "Call detail records that this node has put into its index.",
    ),
    metric(
        "calls",
        Kind::Counter,
        "holdline_cdrs_purged_total",
        &[],
        "Call detail records whose purge this node has proposed.",
    ),
    metric(
        "calls",
        Kind::Gauge,
        "holdline_cdr_sinks",
        &[],
        "Consumers of call detail records whose cursor is kept, as the leader knows.",
    ),
    metric(
        "ownership",
        Kind::Counter,
        "holdline_ownership_changes_total",
        &["reason"],
        "Slots that became this node's, by reason.",
    ),
    metric("ownership", Kind::Gauge, "holdline_slots_owned", &[], "Slots that this node owns."),
    metric(
        "ownership",
        Kind::Gauge,
        "holdline_lease_held",
        &[],
        "1 while this node may act for its slots.",
    ),
    metric(
        "ownership",
        Kind::Counter,
        "holdline_leader_rejected_total",
        &[],
        "Decisions of this node as leader that the state refused, because it had changed meanwhile.",
    ),
    metric("SIP", Kind::Counter, "holdline_sip_requests_total", &["method"], "Requests received."),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_responses_received_total",
        &["method", "class"],
        "Answers received, by the method answered and the first digit of the status.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_responses_sent_total",
        &["method", "class"],
        "Answers sent, by the method answered and the first digit of the status.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_refused_total",
        &["reason"],
        "Requests answered with a refusal, without state.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_authentications_total",
        &["outcome"],
        "Requests whose sender was asked who it is, or said so.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_registrations_total",
        &["outcome"],
        "REGISTERs with the right password.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_catch_ups_total",
        &["outcome"],
        "Questions to the leader before a call is answered 480 or 404, a password is called wrong, or something for a device is sent to where it is no more: current, or in_vain (no majority).",
    ),
    metric("SIP", Kind::Gauge, "holdline_registrar_users", &[], "Users of the cluster."),
    metric(
        "SIP",
        Kind::Gauge,
        "holdline_registrar_bindings",
        &[],
        "Bindings of the cluster, those that have ended and are not swept yet included.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_dropped_total",
        &["reason"],
        "Messages not acted upon.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_awaited_calls_total",
        &[],
        "Messages that waited, in a takeover, until their slot's calls were read.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_malformed_total",
        &["reason"],
        "Datagrams that are not SIP messages.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_keepalives_total",
        &[],
        "Datagrams that only keep a NAT binding open.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_sip_unconfirmed_total",
        &["what"],
        "Messages that the peer never confirmed, so that they were given up.",
    ),
    metric(
        "SIP",
        Kind::Counter,
        "holdline_egress_homeless_total",
        &[],
        "Messages not sent, because no node holds the address that they should leave from.",
    ),
    metric(
        "commit",
        Kind::Histogram(Buckets::Commit),
        "holdline_commit_seconds",
        &[],
        "From the moment a command was submitted on this node to its reply.",
    ),
    metric(
        "commit",
        Kind::Histogram(Buckets::Count),
        "holdline_propose_batch_commands",
        &[],
        "Commands that one entry of the log carries.",
    ),
    metric(
        "commit",
        Kind::Counter,
        "holdline_propose_queue_full_total",
        &[],
        "Commands refused, because the queue of proposals was full.",
    ),
    metric(
        "commit",
        Kind::Counter,
        "holdline_propose_undecided_total",
        &[],
        "Commands whose outcome was still unknown when their time was over.",
    ),
    metric(
        "commit",
        Kind::Counter,
        "holdline_propose_retries_total",
        &[],
        "Commands sent again, because their outcome was unknown.",
    ),
    metric(
        "commit",
        Kind::Counter,
        "holdline_propose_forwards_total",
        &["outcome"],
        "Batches of commands sent to the leader.",
    ),
    metric(
        "commit",
        Kind::Counter,
        "holdline_propose_remote_busy_total",
        &[],
        "Batches of other nodes that this leader had no room for.",
    ),
    metric(
        "commit",
        Kind::Counter,
        "holdline_propose_reply_waits_total",
        &[],
        "Replies that waited, because their receiver's queue was full.",
    ),
    metric(
        "commit",
        Kind::Counter,
        "holdline_propose_replies_dropped_total",
        &[],
        "Replies that nobody received any more.",
    ),
    metric(
        "commit",
        Kind::Histogram(Buckets::Commit),
        "holdline_apply_seconds",
        &[],
        "Time to apply one batch of entries.",
    ),
    metric("commit", Kind::Counter, "holdline_applied_entries_total", &[], "Entries applied."),
    metric("commit", Kind::Counter, "holdline_applied_commands_total", &[], "Commands applied."),
    metric(
        "commit",
        Kind::Counter,
        "holdline_applied_undecodable_total",
        &[],
        "Commands that could not be decoded, and were rejected on every node alike.",
    ),
    metric("raft", Kind::Gauge, "holdline_raft_is_leader", &[], "1 while this node leads."),
    metric(
        "raft",
        Kind::Counter,
        "holdline_raft_leader_changes_total",
        &[],
        "Changes of the leader that this node saw.",
    ),
    metric(
        "raft",
        Kind::Counter,
        "holdline_raft_leader_followed_calls_total",
        &["outcome"],
        "Leaderships handed to the far node that most commands came from, by what came of it.",
    ),
    metric(
        "raft",
        Kind::Counter,
        "holdline_raft_appends_hurried_total",
        &[],
        "Appends to a spare follower that went at once, because a prompt one was late or gone.",
    ),
    metric(
        "raft",
        Kind::Counter,
        "holdline_lease_requests_total",
        &["outcome"],
        "Requests for this node's lease.",
    ),
    metric(
        "raft",
        Kind::Counter,
        "holdline_probes_total",
        &["outcome"],
        "Questions of this node as leader to silent nodes.",
    ),
    metric(
        "raft",
        Kind::Counter,
        "holdline_rpc_refused_total",
        &["reason"],
        "Messages refused: another cluster's, another group's, another node's, of another format, of another node than the certificate's, or without the key.",
    ),
    metric(
        "storage",
        Kind::Gauge,
        "holdline_disk_used_ratio",
        &[],
        "How full the data folder's file system is, 0 to 1.",
    ),
    metric(
        "storage",
        Kind::Gauge,
        "holdline_disk_protected",
        &[],
        "1 while new calls are answered 503 because the disk is nearly full.",
    ),
    metric(
        "storage",
        Kind::Gauge,
        "holdline_storage_set_aside",
        &[],
        "1 if a damaged store of this node lies in its data folder, set aside.",
    ),
    metric(
        "storage",
        Kind::Counter,
        "holdline_snapshots_damaged_total",
        &[],
        "Damaged snapshots that were passed over.",
    ),
    metric(
        "storage",
        Kind::Histogram(Buckets::Commit),
        "holdline_log_sync_seconds",
        &[],
        "Time to write and sync one batch of the log.",
    ),
    metric(
        "storage",
        Kind::Histogram(Buckets::Count),
        "holdline_log_batch_entries",
        &[],
        "Entries that one sync served.",
    ),
    metric(
        "storage",
        Kind::Histogram(Buckets::Count),
        "holdline_log_batch_jobs",
        &[],
        "Writes that one sync served.",
    ),
    metric(
        "storage",
        Kind::Counter,
        "holdline_log_written_bytes_total",
        &[],
        "Bytes written to the log.",
    ),
    metric(
        "storage",
        Kind::Counter,
        "holdline_log_queue_full_total",
        &[],
        "Writes that waited, because the log's queue was full.",
    ),
    metric(
        "storage",
        Kind::Counter,
        "holdline_log_failures_total",
        &[],
        "Writes to the log that failed. Anything but 0 needs a human: look at the disk.",
    ),
    metric(
        "storage",
        Kind::Counter,
        "holdline_state_written_bytes_total",
        &[],
        "Bytes written to the state.",
    ),
    metric(
        "between nodes",
        Kind::Counter,
        "holdline_forward_sent_total",
        &[],
        "Datagrams forwarded to other nodes.",
    ),
    metric(
        "between nodes",
        Kind::Counter,
        "holdline_forward_received_total",
        &[],
        "Datagrams that other nodes forwarded to this one.",
    ),
    metric(
        "between nodes",
        Kind::Counter,
        "holdline_forward_dropped_total",
        &["reason"],
        "Datagrams not forwarded.",
    ),
    metric(
        "between nodes",
        Kind::Counter,
        "holdline_forward_refused_total",
        &["reason"],
        "Forwarded datagrams or streams refused.",
    ),
    metric(
        "between nodes",
        Kind::Counter,
        "holdline_forward_streams_total",
        &["outcome"],
        "Streams opened to other nodes.",
    ),
    metric(
        "between nodes",
        Kind::Counter,
        "holdline_gossip_sent_total",
        &[],
        "Gossip datagrams sent.",
    ),
    metric(
        "between nodes",
        Kind::Counter,
        "holdline_gossip_received_total",
        &[],
        "Gossip datagrams received and opened.",
    ),
    metric(
        "between nodes",
        Kind::Counter,
        "holdline_gossip_dropped_total",
        &["reason"],
        "Gossip datagrams dropped.",
    ),
];

/// All metrics, by section.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    let more = [
        sockets::METRICS,
        admin::METRICS,
        process::METRICS,
        protection::METRICS,
        trunks::METRICS,
        limits::METRICS,
        members::METRICS,
        connections::METRICS,
    ];
    METRICS.iter().chain(more.into_iter().flatten())
}

const fn metric(
    section: &'static str,
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { section, name, kind, labels, help }
}

#[cfg(test)]
mod tests;
