//! The persisted records, one file each. Their key layout and encoding are in `storage`.

mod call;
mod cdr;
mod cluster;
mod dialog;
mod node;
mod slot;

pub use call::{
    Admission, AnswerState, CallRecord, CancelCause, EarlyState, EndState, Phase, Target,
};
pub use cdr::{Cause, Cdr, Disposition, HangupBy};
pub use cluster::ClusterRecord;
pub use dialog::{Dialog, Side};
pub use node::NodeRecord;
pub use slot::{OwnerSpan, SlotRecord, TransferReason};
