//! Who is a member, who votes: changes of it, one at a time, by joint consensus.
//!
//! | file | what |
//! |---|---|
//! | `tolerance` | how many may fail, before and after a change; PURE |
//! | `change` | what can be changed, and why not |
//! | `lead` | carries a change out on the leader |
//! | `follow` | finds the leader and asks it |
//!
//! A change is refused before anything is written if it would lose the majority: that of the voters
//! before and that of the voters after it both have to be alive, since joint consensus needs both.
//! A node that is removed or demoted gives its slots away first.
//!
//! Invariant: one change at a time.
//! Invariant: a node's number is taken from the roster, which never gives one twice
//! (`raft/apply/src/admit_node.rs`).

mod change;
mod follow;
mod lead;
mod tolerance;

pub use change::{ChangeError, Changed, MemberChange};
pub(crate) use lead::{admit, ready};
pub use tolerance::{Tolerance, Votes};
