//! The persisted records, one file each. Their key layout and encoding are in `storage`.

mod branches;
mod call;
mod cdr;
mod cdr_keeping;
mod cluster;
mod dialog;
mod location;
mod node;
mod roster;
mod session;
mod slot;
mod trunk;
mod user;

pub use branches::{BranchFailure, Branches};
pub use call::{
    Admission, AnswerState, CallRecord, CancelCause, EarlyState, EndState, Phase, SessionTimer,
    Target,
};
pub use cdr::{Cause, Cdr, Disposition, HangupBy, InvalidPattern, NumberPattern};
pub use cdr_keeping::{CdrKeeping, CdrSink};
pub use cluster::ClusterRecord;
pub use dialog::{Dialog, Shift, Side};
pub use location::{Binding, FormerContact, LocationRecord, RegistrarTotals};
pub use node::{Listener, NodeRecord, NodeRole, Removal};
pub use roster::{Roster, RosterEntry, Standing};
pub use session::{Reinvite, Reliable, SessionState};
pub use slot::{OwnerSpan, SlotRecord, TransferReason};
pub use trunk::{DisabledTrunk, DisabledTrunks};
pub use user::{Ha1, UserRecord};
