//! Who should own which slot, and which slot a new call gets. PURE: values in, values out.
//!
//! [`plan`] is asked by the Raft leader; what it answers becomes `TransferSlots` entries. The table
//! that counts is the replicated one: [`SlotTable`] is a snapshot of it for the hot path.
//!
//! Nothing here detects a death or waits for a lease: the verdicts come from the caller.
#![warn(
    missing_docs,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

mod balance;
mod node_state;
mod plan;
mod slot_of;
mod slot_table;

pub use balance::balance;
pub use node_state::{NodeState, Verdict};
pub use plan::{PlanOptions, plan};
pub use slot_of::slot_of;
pub use slot_table::{Ownership, SlotTable};
