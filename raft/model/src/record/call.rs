//! A call, from its admission until its tombstone is swept.
//!
//! The record holds ingredients, not messages to send: each message that may have to be sent again
//! is a pure function of the record (`node/call`), its branch, tags, Call-ID and CSeq included.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::limit::{Demand, Passage};
use crate::record::{Branches, Cause, Dialog, HangupBy, SessionState, Side};
use crate::{Admit, CallId, CdrId, Epoch, Hop, Listener, Millis, Name, Step};

/// Everything that another node needs to go on with a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Which call.
    pub call: CallId,
    /// The last committed step.
    pub step: Step,
    /// The epoch of the slot when that step was committed.
    pub epoch: Epoch,
    /// The epoch of the slot when the call was admitted.
    pub admit_epoch: Epoch,
    /// How far the call has come.
    pub phase: Phase,
    /// What is known from the start and never changes.
    pub admission: Admission,
    /// The caller's INVITE as received; emptied when its ACK was seen.
    pub invite: Bytes,
    /// Where the call may go, in order.
    pub targets: Vec<Target>,
    /// Index of the target being tried, the first of those being tried together, or the one that
    /// answered.
    pub attempt: u16,
    /// When an unanswered call is given up.
    pub answer_by: Millis,
    /// The last provisional answer of each target being tried that gave one.
    pub early: Vec<EarlyState>,
    /// Set when the call is being given up before an answer.
    pub cancel: Option<CancelCause>,
    /// Set when the callee has answered.
    pub answer: Option<Box<AnswerState>>,
    /// Set when the call has ended; the record is then a tombstone.
    pub end: Option<Box<EndState>>,
    /// What changed the session; `None` if nothing did.
    pub session: Option<Box<SessionState>>,
    /// What became of targets that are tried together; `None` if nothing did.
    pub branches: Option<Box<Branches>>,
}

impl CallRecord {
    /// The trunk on a side; `None` if no target was tried.
    #[must_use]
    pub fn trunk(&self, side: Side) -> Option<&Name> {
        match side {
            Side::Caller => Some(&self.admission.trunk),
            Side::Callee => self.targets.get(usize::from(self.attempt)).map(|target| &target.trunk),
        }
    }

    /// A hop of this call as its peer sees it: with the address where the peer reaches us.
    #[must_use]
    pub fn seen(&self, hop: Hop) -> Hop {
        let is_it = |listener: &&Listener| {
            listener.transport == hop.transport && listener.addr == hop.local
        };
        let listener = self.admission.advertised.iter().find(is_it);
        let local = listener.and_then(|listener| listener.advertised).unwrap_or(hop.local);
        Hop { local, ..hop }
    }

    /// The record that an admission makes, at `step`: what apply writes, and what the owner of the
    /// call works with.
    #[must_use]
    pub fn admitted(call: CallId, step: Step, epoch: Epoch, at: Millis, admit: &Admit) -> Self {
        Self {
            call,
            step,
            epoch,
            admit_epoch: epoch,
            phase: Phase::Inviting,
            admission: Admission {
                at,
                tenant: admit.tenant.clone(),
                trunk: admit.trunk.clone(),
                from: admit.from.clone(),
                to: admit.to.clone(),
                call_id: admit.call_id.clone(),
                from_tag: admit.from_tag.clone(),
                cseq: admit.cseq,
                branch: admit.branch.clone(),
                hop: admit.hop,
                demand: admit.demand.clone(),
                passage: Passage::default(),
                timer: admit.timer,
                advertised: admit.advertised.clone(),
            },
            invite: admit.invite.clone(),
            targets: admit.targets.clone(),
            attempt: 0,
            answer_by: admit.answer_by,
            early: Vec::new(),
            cancel: None,
            answer: None,
            end: None,
            session: None,
            branches: None,
        }
    }

    /// Notes how the limits let the admission pass.
    pub fn pass(&mut self, passage: &Passage) {
        self.attempt = passage.first;
        self.admission.passage = passage.clone();
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Admitted; the callee has not answered.
    Inviting,
    /// The callee has answered; the caller's ACK was not seen yet.
    Answered,
    /// The caller's ACK was seen.
    Confirmed,
    /// Over, and billed: kept for [`crate::limits::TOMBSTONE_MS`] to answer retransmissions.
    Finished,
}

/// What a call's admission fixes for its whole life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// When.
    pub at: Millis,
    /// Whose call it is.
    pub tenant: Name,
    /// The trunk it came from.
    pub trunk: Name,
    /// The caller's URI (From).
    pub from: String,
    /// The dialled URI (Request-URI).
    pub to: String,
    /// The caller's Call-ID. With `from_tag` and `cseq` it tells a late copy of the INVITE from a new
    /// call, even when the INVITE itself is no longer kept.
    pub call_id: String,
    /// The caller's tag.
    pub from_tag: String,
    /// CSeq number of the INVITE.
    pub cseq: u32,
    /// Branch of the INVITE's top Via.
    pub branch: String,
    /// How the INVITE came: from where, which is where answers to it go, and to which address of
    /// ours.
    pub hop: Hop,
    /// What else the limits know of it: by this it counts as a call that is up.
    pub demand: Demand,
    /// How the limits let it pass.
    pub passage: Passage,
    /// How its session timer is dealt with.
    pub timer: SessionTimer,
    /// Those of its home's listeners that peers reach elsewhere: with the call, so that whoever owns it
    /// says the same, whatever is configured by then.
    pub advertised: Vec<Listener>,
}

/// How the session timer of a call is dealt with (RFC 4028).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionTimer {
    /// The peers agree upon it among themselves.
    #[default]
    Pass,
    /// There is none.
    Off,
    /// The switch asks for one, and takes the part of a peer that does not know of timers.
    Insert,
}

/// A place to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The trunk that the address belongs to.
    pub trunk: Name,
    /// How the INVITE goes: to where, and from which address of ours.
    pub hop: Hop,
    /// Its Request-URI.
    pub uri: String,
    /// It is tried at the same time as the one before it, not after that has failed.
    pub together: bool,
    /// Its Route values, each a name-addr, in order: the Path of a registered contact.
    pub routes: Vec<String>,
    /// Header fields that its INVITE has besides those that pass, each `Name: value`.
    pub fields: Vec<String>,
    /// How many redirections led to it (RFC 3261 section 8.1.3.4).
    pub redirects: u8,
}

/// A provisional answer worth keeping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyState {
    /// Which target's.
    pub attempt: u16,
    /// Its status code.
    pub status: u16,
    /// The answer as received from the callee; empty when it carried no SDP.
    pub response: Bytes,
}

/// Why a call is given up before an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CancelCause {
    /// The caller sent CANCEL.
    Caller,
    /// Nobody answered in time.
    NoAnswer,
    /// An administrator hung up.
    Admin,
}

/// What the answer fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerState {
    /// When the answer was committed: billing starts here.
    pub at: Millis,
    /// The callee's 2xx as received; emptied when the caller's ACK was seen.
    pub response: Bytes,
    /// The dialog with the caller.
    pub caller: Dialog,
    /// The dialog with the callee.
    pub callee: Dialog,
    /// When the call is ended by the switch; `None` without a limit.
    pub end_by: Option<Millis>,
    /// When the session expires unless it is refreshed (RFC 4028).
    pub session_by: Option<Millis>,
    /// The caller's ACK as received, kept only if it carries SDP (late offer).
    pub ack: Bytes,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndState {
    /// When.
    pub at: Millis,
    /// Who ended it.
    pub by: HangupBy,
    /// Why.
    pub cause: Cause,
    /// For an unanswered call: the final answer as received from the callee, or empty if it is ours.
    pub response: Bytes,
    /// We owe the caller a BYE.
    pub bye_caller: bool,
    /// We owe the callee a BYE.
    pub bye_callee: bool,
    /// Set when the callee answered a call that was already given up: it is ACKed and sent a BYE.
    pub late_answer: Option<Box<Dialog>>,
    /// The call detail record.
    pub cdr: CdrId,
}
