//! The transactions that a call runs. Each is there only while it has something to send or to wait
//! for, so that a confirmed call keeps none.

use holdline_model::{Dialog, Millis};
use holdline_sip::transaction::{InviteServer, NonInviteClient};

use super::alive::Watch;
use super::branch::Branch;
use super::reinvite::InviteThrough;
use super::through::Exchange;

/// The running transactions of one call.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    /// The caller's INVITE.
    pub(crate) caller: Option<Box<InviteServer>>,
    /// The targets that are tried, and those that are to be told that they have lost.
    pub(crate) branches: Vec<Branch>,
    /// Our BYE to the caller.
    pub(crate) bye_caller: Option<Box<NonInviteClient>>,
    /// Our BYE to the callee.
    pub(crate) bye_callee: Option<Box<NonInviteClient>>,
    /// Answers of other forks that are being hung up.
    pub(crate) forks: Vec<Fork>,
    /// An INVITE that goes through from one side to the other.
    pub(crate) reinvite: Option<Box<InviteThrough>>,
    /// Whether the caller and the callee are still there.
    pub(crate) watches: [Option<Box<Watch>>; 2],
    /// Other requests that go through.
    pub(crate) through: Vec<Exchange>,
}

/// A 2xx that came after the call was decided otherwise: it is acknowledged and hung up.
#[derive(Debug)]
pub(crate) struct Fork {
    /// The dialog that it made.
    pub(crate) dialog: Box<Dialog>,
    /// The target that it came from.
    pub(crate) attempt: u16,
    /// Our BYE.
    pub(crate) bye: NonInviteClient,
}

impl Legs {
    /// The earliest time at which one of them wants to be looked at.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        let byes = [&self.bye_caller, &self.bye_callee].into_iter().flatten();
        let invites = [
            self.caller.as_ref().and_then(|leg| leg.next_timer()),
            self.reinvite.as_ref().and_then(|leg| leg.next_timer()),
        ];
        let forks = self.forks.iter().filter_map(|fork| fork.bye.next_timer());
        byes.filter_map(|leg| leg.next_timer())
            .chain(invites.into_iter().flatten())
            .chain(forks)
            .chain(self.watches.iter().flatten().filter_map(|watch| watch.next_timer()))
            .chain(self.branches.iter().filter_map(Branch::next_timer))
            .chain(self.through.iter().filter_map(Exchange::next_timer))
            .min()
    }

    /// Whether a request of ours still waits for its answer.
    pub(crate) fn has_pending_requests(&self) -> bool {
        self.bye_caller.is_some() || self.bye_callee.is_some() || !self.forks.is_empty()
    }
}
