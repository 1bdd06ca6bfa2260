//! The words of the replicated state: ids, time, commands, persisted records and limits.
//!
//! This crate is PURE: no clock, no randomness, no IO. Everything here either travels in a Raft
//! entry ([`Command`]), lies in a replicated table ([`CallRecord`], [`SlotRecord`], [`NodeRecord`],
//! [`ClusterRecord`], [`Cdr`]) or names a bound ([`limits`]). It does not say how any of it is
//! encoded (that is `storage/codec`) nor what a command does to the tables (that is `raft/apply`).
//!
//! Invariant: the order of fields and of enum variants is the persisted format. New variants go to
//! the end; a changed field is a new format version with an upgrade file in `storage`.

mod aor;
mod certified;
mod cidr;
pub mod command;
mod format;
mod hop;
mod ids;
pub mod limit;
pub mod limits;
pub mod mutant;
mod name;
pub mod record;
mod state;
mod time;
mod token;

pub use aor::{Aor, InvalidAor};
pub use certified::Certified;
pub use cidr::{Cidr, InvalidCidr};
pub use command::{
    AckSeen, Admit, AdmitNode, Answer, Asked, Attempt, BindingChange, BranchOver, CallChange,
    CallCommand, Cancel, CdrCommand, CdrCursor, Command, Counted, Early, End, Fail, FormCluster,
    HoldNode, LimitTick, NewTarget, NodeUp, Pracked, PurgeCdrs, PutUser, Register, RegisterBounds,
    Reinvited, Reinviting, Rejection, RemoveBindings, RemoveNode, RemoveUser, Reply, ResetLimits,
    RetainCdrs, SetDraining, SetFormat, SetHomes, SetLimits, SetTrunk, SlotHome, SlotMove, Sweep,
    SweepBindings, TransferSlots, Updated,
};
pub use format::Format;
pub use hop::{Hop, Transport};
pub use ids::{CallId, CdrId, ClusterId, Epoch, GroupId, Incarnation, NodeId, SlotId, Step};
pub use name::Name;
pub use record::{
    Admission, AnswerState, Binding, BranchFailure, Branches, CallRecord, CancelCause, Cause, Cdr,
    CdrKeeping, CdrSink, ClusterRecord, Dialog, DisabledTrunk, DisabledTrunks, Disposition,
    EarlyState, EndState, FormerContact, Ha1, HangupBy, InvalidPattern, Listener, LocationRecord,
    NodeRecord, NodeRole, NumberPattern, OwnerSpan, Phase, RegistrarTotals, Reinvite, Reliable,
    Removal, Roster, RosterEntry, SessionState, SessionTimer, Shift, Side, SlotRecord, Standing,
    Target, TransferReason, UserRecord,
};
pub use state::State;
pub use time::Millis;
pub use token::{Token, TokenKind};
