//! Bounds that are part of the replicated format: every node must agree on them.

/// Slots of a new cluster, unless it is formed with another number.
pub const DEFAULT_SLOTS: u16 = 64;

/// Most slots a cluster can have.
pub const MAX_SLOTS: u16 = 4096;

/// How long a finished call keeps its last answer, in milliseconds (64 × T1, RFC 3261 timer H/J).
pub const TOMBSTONE_MS: u64 = 32_000;

/// Tombstones that one [`crate::Sweep`] removes at most.
pub const SWEEP_LIMIT: usize = 4096;

/// Past owners that a slot remembers; CDRs name the owners of a call from this list.
pub const SLOT_HISTORY: usize = 32;

/// Targets that one call may try in turn.
pub const MAX_TARGETS: usize = 16;

/// Redirections that may lead to a target, one after the other.
pub const MAX_REDIRECTS: u8 = 5;

/// Listeners of a call's home that peers reach elsewhere.
pub const MAX_ADVERTISED: usize = 32;

/// Header fields that a target may add to its INVITE, at most.
pub const MAX_TARGET_FIELDS: usize = 8;

/// Largest SIP message that may become part of an entry, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 65_535;

/// Reliable provisional answers that one call may have.
pub const MAX_RELIABLE: usize = 16;

/// How far the CSeq numbers of requests that went through may run ahead of what is committed: a new
/// owner's own requests begin above.
pub const CSEQ_AHEAD: u32 = 1_000;

/// Commands that one Raft entry carries at most.
pub const MAX_BATCH_COMMANDS: usize = 1024;

/// Encoded commands that one Raft entry carries at most, in bytes.
pub const MAX_BATCH_BYTES: usize = 4 << 20;

/// Longest address of record, in bytes.
pub const MAX_AOR_BYTES: usize = 255;

/// Bindings that one address of record can have, whatever is configured.
pub const MAX_BINDINGS_PER_AOR: usize = 32;

/// Longest contact, key, instance-id, Path value or Call-ID of a binding, in bytes.
pub const MAX_BINDING_TEXT_BYTES: usize = 1024;

/// Path values that one binding can have.
pub const MAX_PATH_VALUES: usize = 8;

/// Former contacts that an address of record remembers.
pub const MAX_FORMER_CONTACTS: usize = 16;

/// Requests that an address of record remembers, to answer them as before when they come again.
pub const MAX_REMEMBERED_REQUESTS: usize = 8;

/// Users that a cluster can have.
pub const MAX_USERS: u64 = 1_000_000;

/// Bindings that a cluster can have, whatever is configured.
pub const MAX_BINDINGS: u64 = 2_000_000;
/// Classes of limits at most.
pub const MAX_LIMIT_CLASSES: usize = 1_024;

/// Sets of buckets made on demand, at most.
pub const MAX_LIMIT_EACH: usize = 64;

/// Caps on calls that are up, at most.
pub const MAX_LIMIT_CAPS: usize = 256;

/// Items that the lists of one match have together, at most.
pub const MAX_LIMIT_MATCHES: usize = 256;

/// Bytes of a name or number that the limits look at; what is longer is told apart by these.
pub const MAX_LIMIT_TEXT: usize = 64;

/// Buckets made on demand that exist at the same time, at most. Values that come when there are as
/// many share one bucket per set: that limits them more, never less.
pub const MAX_LIMIT_BUCKETS: usize = 4_000_000;

/// Refusals that are remembered, at most; each for [`TOMBSTONE_MS`].
pub const MAX_LIMIT_REFUSALS: usize = 65_536;

/// Time that one entry may let pass for the buckets, in milliseconds: a clock that is further ahead
/// is taken for one that was set.
pub const LIMIT_STEP_MS: u64 = 5_000;

/// How often the leader lets time pass for buckets that nobody takes from, in milliseconds.
pub const LIMIT_TICK_MS: u64 = 1_000;

/// Trunks that can be disabled at the same time.
pub const MAX_DISABLED_TRUNKS: usize = 1024;

/// The longest name of a trunk, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Nodes that the cluster remembers to have joined, to be expected or to have been removed.
pub const MAX_ROSTER: usize = 256;

/// Members that a cluster can have, those without a vote included.
pub const MAX_MEMBERS: usize = 15;
/// How long call detail records are kept unless it is said otherwise, in milliseconds: 90 days.
pub const DEFAULT_CDR_KEEP_MS: u64 = 90 * 24 * 3_600 * 1_000;

/// The shortest time that call detail records can be kept, in milliseconds: one minute.
pub const MIN_CDR_KEEP_MS: u64 = 60_000;

/// Consumers of call detail records whose cursor is kept, at most.
pub const MAX_CDR_SINKS: usize = 64;

/// Call detail records that one entry purges at most.
pub const PURGE_LIMIT: usize = 16_384;
