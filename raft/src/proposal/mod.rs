//! Proposals: from a command to its reply, whoever leads meanwhile.
//!
//! [`Proposals`] is a queue, and behind it a writer, which begins a write as soon as something waits,
//! but no sooner than an [`interval`] of up to `propose_interval` after the one before; all that queued
//! up meanwhile goes into it. At few commands per second nobody waits; at many, an entry carries many,
//! and each entry costs a sync on every node. Writes overlap, up to `propose_writes`, so that a long round trip
//! costs time, not throughput.
//!
//! Commands that are in flight at the same time have no order: whoever needs one waits for the first
//! outcome before the second proposal. A call does, and so do the leader's duties.
//!
//! An outcome that is unknown (the leader died, or was deposed, or does not answer) is no outcome:
//! the write is sent again, to the new leader if there is one, until `propose_timeout`. That is
//! sound because apply answers a repeated command with its first reply.
//!
//! On the leader, the batches of other nodes are put into the same queue, and so share entries with
//! its own. Those are not sent on when leadership is lost: their sender does that.

mod decider;
mod here;
mod interval;
mod queue;
mod remote;
mod reply;
mod there;
mod writer;

pub(crate) use queue::Proposals;
pub(crate) use remote::answer;
pub use reply::{Decided, ProposeError, ReplyTo, SubmitError, Undecided};
