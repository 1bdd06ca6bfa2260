//! Proposals: from a command to its reply, whoever leads meanwhile.
//!
//! [`Proposals`] deals commands out to a few writers. Each writer has one write in flight, and puts
//! all that queued up meanwhile into the next one; nobody lingers. Commands about one call, and all
//! commands about no call, are in one writer each, which finishes a write, however often it has to
//! be sent again, before it begins the next: so the order of one call's commands is kept.
//!
//! An outcome that is unknown (the leader died, or was deposed, or does not answer) is no outcome:
//! the write is sent again, to the new leader if there is one, until `propose_timeout`. That is
//! sound because apply answers a repeated command with its first reply.
//!
//! On the leader, batches of other nodes are dealt out in the same way, and so share entries with
//! its own. Those are not sent on when leadership is lost: their sender does that.

mod here;
mod queue;
mod remote;
mod reply;
mod there;
mod writer;

pub(crate) use queue::Proposals;
pub(crate) use remote::answer;
pub use reply::{Decided, ProposeError, ReplyTo, SubmitError, Undecided};
