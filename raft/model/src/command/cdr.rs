//! Commands about call detail records: how long they are kept, how far their consumers have come,
//! which of them go.

use serde::{Deserialize, Serialize};

use crate::{CdrId, Millis, Name};

/// A change of how call detail records are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CdrCommand {
    /// Sets how long they are kept.
    Retain(RetainCdrs),
    /// A consumer has come so far, or there is no such consumer any more.
    Cursor(CdrCursor),
    /// Removes the oldest.
    Purge(PurgeCdrs),
}

/// Sets how long call detail records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainCdrs {
    /// Only if this is the version in force; `None`: whatever is.
    pub expected: Option<u64>,
    /// How long after a call's end, in milliseconds; 0: for ever.
    pub keep_ms: u64,
    /// The proposer's time.
    pub at: Millis,
}

/// How far a consumer of call detail records has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrCursor {
    /// Its name; at most [`crate::limits::MAX_NAME_BYTES`].
    pub sink: Name,
    /// It has dealt with this record and all before it; `None`: it is no more.
    pub cursor: Option<CdrId>,
    /// The proposer's time.
    pub at: Millis,
}

/// Removes the records before one. The proposer has looked at their ages; what it was decided by is
/// named, so that it does nothing if that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeCdrs {
    /// The first record that stays; of an entry before this one.
    pub before: CdrId,
    /// How many records go: at most [`crate::limits::PURGE_LIMIT`].
    pub records: u32,
    /// The first record that is still there, as the proposer saw it.
    pub floor: CdrId,
    /// The version of [`crate::CdrKeeping`] that it was decided by.
    pub version: u64,
    /// Whatever consumers have not come so far yet.
    pub forced: bool,
    /// The proposer's time.
    pub at: Millis,
}
