//! Commands of one call. Only the owner of its slot proposes them, one at a time per call.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::limit::Demand;
use crate::record::{
    BranchFailure, CancelCause, Cause, Dialog, Disposition, HangupBy, SessionTimer, Target,
};
use crate::{
    Asked, CallId, Counted, Epoch, Hop, Listener, Millis, Name, Pracked, Reinvited, Reinviting,
    Step, Updated,
};

/// A change of one call, fenced by its slot's epoch and made idempotent by its step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCommand {
    /// Which call.
    pub call: CallId,
    /// The epoch in which the proposer owns the call's slot; apply refuses an older one.
    pub epoch: Epoch,
    /// One more than the last committed step; 1 for an admission.
    pub step: Step,
    /// The proposer's time.
    pub at: Millis,
    /// What changes.
    pub change: CallChange,
}

/// What changes in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallChange {
    /// The INVITE is admitted. Committed before `100 Trying` and before the outgoing INVITE.
    Admit(Box<Admit>),
    /// The next target, or the next round of them, is tried. Committed before its INVITE.
    Attempt(Box<Attempt>),
    /// A provisional answer came. Committed before it is relayed if it carries SDP.
    Early(Early),
    /// The call is given up. Committed before the 200 to the CANCEL and before the outgoing CANCEL.
    Cancel(Cancel),
    /// The callee answered. Committed before the 2xx is relayed and before the callee is ACKed.
    Answer(Box<Answer>),
    /// The caller's ACK came. Committed before the callee's ACK if it carries SDP.
    AckSeen(AckSeen),
    /// The call failed before an answer. Committed before the failure is relayed; writes the CDR.
    Fail(Box<Fail>),
    /// An answered call is over. Committed before the 200 to the BYE and before the other leg's
    /// BYE; writes the CDR.
    End(End),
    /// An INVITE within the dialogs takes long. Committed before a provisional answer to it.
    Reinviting(Box<Reinviting>),
    /// An INVITE within the dialogs has its final answer. Committed before that is relayed, and
    /// before it is ACKed.
    Reinvited(Box<Reinvited>),
    /// The ACK of that answer came. Committed before the other side's ACK if it carries SDP.
    ReinviteAcked(AckSeen),
    /// An UPDATE was answered with a 2xx. Committed before that is relayed.
    Updated(Box<Updated>),
    /// Requests went through. Committed before their numbers run too far ahead.
    Counted(Counted),
    /// A reliable provisional answer was acknowledged. Committed before the 200 to the PRACK.
    Pracked(Pracked),
    /// One of several targets that are tried together has failed. Committed before its failure is
    /// acknowledged.
    BranchOver(Box<BranchOver>),
    /// All targets that lost have been told so.
    Settled,
    /// A request of our own goes to one side within its dialog. Committed before that.
    Asked(Asked),
}

/// An INVITE is admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admit {
    /// Whose call it is.
    pub tenant: Name,
    /// The trunk it came from.
    pub trunk: Name,
    /// The caller's URI.
    pub from: String,
    /// The dialled URI.
    pub to: String,
    /// The caller's Call-ID.
    pub call_id: String,
    /// The caller's tag.
    pub from_tag: String,
    /// CSeq number of the INVITE.
    pub cseq: u32,
    /// Branch of the INVITE's top Via.
    pub branch: String,
    /// How the INVITE came: from where, and to which address of ours.
    pub hop: Hop,
    /// The INVITE as received.
    pub invite: Bytes,
    /// Where the call may go, in order; the first is tried at once. At most
    /// [`crate::limits::MAX_TARGETS`].
    pub targets: Vec<Target>,
    /// When the call is given up if nobody answers.
    pub answer_by: Millis,
    /// What else the limits have to know.
    pub demand: Demand,
    /// How its session timer is dealt with.
    pub timer: SessionTimer,
    /// Those of its home's listeners that peers reach elsewhere.
    pub advertised: Vec<Listener>,
}

/// The next target is tried, and those together with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Index of the target, the first of the round.
    pub index: u16,
    /// Targets that are new to the call, put in at that index.
    pub targets: Vec<Target>,
    /// The best failure so far, if that may be what the caller gets in the end.
    pub best: Option<Box<BranchFailure>>,
}

/// One of several targets that are tried together has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchOver {
    /// Which target.
    pub attempt: u16,
    /// Its failure, if it is better than all before.
    pub best: Option<BranchFailure>,
}

/// A provisional answer came from a target being tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Early {
    /// Which target.
    pub attempt: u16,
    /// Its status code.
    pub status: u16,
    /// The answer as received; empty when it carried no SDP.
    pub response: Bytes,
    /// Its RSeq, if it is a reliable one (RFC 3262): then the answer is here, with or without SDP.
    pub rseq: Option<u32>,
}

/// The call is given up before an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Why.
    pub cause: CancelCause,
}

/// The callee answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which target.
    pub attempt: u16,
    /// The callee's 2xx as received.
    pub response: Bytes,
    /// The dialog with the caller.
    pub caller: Dialog,
    /// The dialog with the callee.
    pub callee: Dialog,
    /// When the switch ends the call; `None` without a limit.
    pub end_by: Option<Millis>,
    /// When the session expires unless it is refreshed (RFC 4028); `None` if nobody asked for that.
    pub session_by: Option<Millis>,
}

/// The caller's ACK came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckSeen {
    /// The ACK as received if it carries SDP (late offer), else empty.
    pub ack: Bytes,
}

/// The call failed before an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fail {
    /// The target whose failure, or late answer, it was; else the present one.
    pub attempt: u16,
    /// Who ended it.
    pub by: HangupBy,
    /// Why; its status is the one that the caller gets.
    pub cause: Cause,
    /// How it is billed.
    pub disposition: Disposition,
    /// The final answer as received from the callee, or empty if the switch makes its own.
    pub response: Bytes,
    /// The callee answered a call that was already given up: it is to be ACKed and sent a BYE.
    pub late_answer: Option<Box<Dialog>>,
}

/// An answered call is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Who ended it.
    pub by: HangupBy,
    /// Why.
    pub cause: Cause,
    /// We owe the caller a BYE.
    pub bye_caller: bool,
    /// We owe the callee a BYE.
    pub bye_callee: bool,
    /// CSeq number of the BYE that was received, if one was.
    pub bye_cseq: Option<u32>,
    /// CSeq number of our BYE to the caller, if we owe it one.
    pub caller_cseq: u32,
    /// CSeq number of our BYE to the callee, if we owe it one.
    pub callee_cseq: u32,
}
