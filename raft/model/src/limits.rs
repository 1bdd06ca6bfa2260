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

/// Largest SIP message that may become part of an entry, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 65_535;

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

/// Requests that an address of record remembers, to answer them as before when they come again.
pub const MAX_REMEMBERED_REQUESTS: usize = 8;

/// Users that a cluster can have.
pub const MAX_USERS: u64 = 1_000_000;

/// Bindings that a cluster can have, whatever is configured.
pub const MAX_BINDINGS: u64 = 2_000_000;
