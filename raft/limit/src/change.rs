//! What has to be written after a batch, so that the limits are the same after a restart.

use serde::{Deserialize, Serialize};

use crate::each::BucketKey;
use crate::lease::{Lease, LeaseKey};
use crate::refusals::{Refused, Transaction};
use crate::table::Settings;
use crate::{Bucket, Levels, LimitClock};

/// The names of the records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// [`Settings`].
    Settings,
    /// The clock and the classes' levels.
    Levels,
    /// One bucket made on demand.
    Bucket(BucketKey),
    /// One lease.
    Lease(LeaseKey),
    /// One refusal.
    Refusal(Transaction),
}

/// A stored record: one of the kinds of [`Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The configuration in force.
    Settings(Box<Settings>),
    /// The clock and the classes' levels.
    Levels(LimitClock, Levels),
    /// A bucket, and when to look whether it is full.
    Bucket(BucketKey, Bucket, u64),
    /// A lease.
    Lease(LeaseKey, Lease),
    /// A refusal.
    Refusal(Transaction, Refused),
}
