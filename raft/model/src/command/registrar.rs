//! Commands about users and where they are.

use serde::{Deserialize, Serialize};

use crate::record::{Binding, UserRecord};
use crate::{Aor, Epoch, Millis, SlotId};

/// Adds or replaces a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutUser {
    /// The user.
    pub record: UserRecord,
    /// Whether a user of that name may be replaced; if not, the command is rejected.
    pub replace: bool,
}

/// Removes a user, and with it its bindings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveUser {
    /// Which.
    pub aor: Aor,
}

/// A REGISTER that changes something. Only the owner of the address's slot proposes it. All of its
/// changes are carried out, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// The address of record.
    pub aor: Aor,
    /// Its slot.
    pub slot: SlotId,
    /// The epoch in which the proposer owns the slot; apply refuses an older one.
    pub epoch: Epoch,
    /// The proposer's time.
    pub at: Millis,
    /// Tells the request from others: the same one again is answered as before.
    pub request: u128,
    /// The request's Call-ID.
    pub call_id: String,
    /// The request's CSeq number.
    pub cseq: u32,
    /// What changes, in order. At most [`crate::limits::MAX_BINDINGS_PER_AOR`].
    pub changes: Vec<BindingChange>,
    /// The bounds as the proposer is configured.
    pub bounds: RegisterBounds,
}

/// A change of one binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingChange {
    /// It is made or replaced.
    Put(Box<Binding>),
    /// It ends.
    Remove {
        /// Its key.
        key: String,
    },
    /// All of the address end.
    RemoveAll,
}

/// How many bindings there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterBounds {
    /// Bindings of the address, unless its user's record says otherwise.
    pub per_aor: u16,
    /// Whether one more than that replaces the one that was changed the longest ago, instead of
    /// being refused.
    pub replace_oldest: bool,
    /// Bindings in total.
    pub total: u64,
}

/// Ends bindings for an administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveBindings {
    /// Whose.
    pub aor: Aor,
    /// Which; `None` for all.
    pub key: Option<String>,
}

/// Removes bindings that ended at `up_to` or before, of at most [`crate::limits::SWEEP_LIMIT`]
/// addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepBindings {
    /// Bindings that ended by then go.
    pub up_to: Millis,
}
