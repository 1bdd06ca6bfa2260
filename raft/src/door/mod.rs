//! The door: how a node that has no data, or none that counts, comes into a cluster; and how one that
//! was removed finds out.
//!
//! | file | what |
//! |---|---|
//! | `messages` | what is asked and answered |
//! | `refusal` | why a node is turned away |
//! | `server` | answers, on every member |
//! | `ask` | asks, over addresses instead of members |
//! | `join` | a node that has never been a member asks for a number and a place |
//! | `entrance` | what a node with an empty log does: form the group with others, or come back |
//! | `watch` | a member that hears of no leader asks whether it was removed |
//!
//! A node whose log is empty keeps its Raft closed: it neither votes nor takes entries until it
//! knows that it may. A vote from a node that has forgotten what it voted for, or what it stored,
//! could undo what was committed. It may take part when a majority of the first members says that it
//! has no log either (then they form the group), or when the leader of a group that exists has taken
//! its vote away and lets it come back as a learner.
//!
//! Invariant: a node without a log takes no part in Raft before one of these two has happened.
//! Invariant: who is turned away has changed nothing.

mod ask;
mod entrance;
mod join;
mod messages;
mod refusal;
mod server;
mod watch;

pub use ask::Callers;
pub(crate) use entrance::{Entrance, Gate, enter};
pub use join::{JoinError, Joined, Joining, join};
pub(crate) use messages::{Greeted, Greeting, JoinAnswer, JoinAsk};
pub use refusal::{CLOCK_LIMIT, Refusal};
pub(crate) use server::Door;
pub(crate) use watch::{Watch, watch};

/// What `build.rs` generates.
pub(crate) mod service {
    #![allow(
        unreachable_pub,
        missing_debug_implementations,
        clippy::all,
        clippy::allow_attributes_without_reason,
        clippy::pedantic,
        clippy::use_self,
        reason = "generated code"
    )]
    include!(concat!(env!("OUT_DIR"), "/holdline.raft.v1.Door.rs"));
}
