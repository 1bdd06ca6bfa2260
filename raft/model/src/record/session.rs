//! What a call's two dialogs have agreed upon since they were made: changes of the session, and the
//! numbers of the requests that went through. A call that nobody changes has none of it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::{CallRecord, Shift, Side};
use crate::{Asked, Early, End, Hop, Millis, NewTarget, Reinvited, Updated};

/// Changes of a call's session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// The last INVITE within the dialogs that something was committed of.
    pub reinvite: Option<Reinvite>,
    /// The one before, whose answer may be repeated for want of an ACK that was lost.
    pub before: Option<Reinvite>,
    /// Where the caller wants its requests since an UPDATE before the answer; afterwards its dialog
    /// says it.
    pub caller_target: Option<NewTarget>,
    /// The same for the callee.
    pub callee_target: Option<NewTarget>,
    /// The reliable provisional answers in the order in which they were committed: our RSeq of the
    /// first is 1. At most [`crate::limits::MAX_RELIABLE`].
    pub reliable: Vec<Reliable>,
}

/// A reliable provisional answer (RFC 3262).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reliable {
    /// Index of the target that gave it.
    pub attempt: u16,
    /// RSeq that it came with.
    pub rseq: u32,
    /// As received.
    pub response: Bytes,
    /// The caller has acknowledged it.
    pub acked: bool,
}

/// An INVITE within the dialogs: from one side through us to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reinvite {
    /// Who sent it.
    pub from: Side,
    /// CSeq number that it came with; that of our own follows from the dialog.
    pub cseq: u32,
    /// How it came.
    pub hop: Hop,
    /// As received; emptied when the ACK of its answer was seen.
    pub request: Bytes,
    /// Status of its final answer; 0 while there is none.
    pub status: u16,
    /// The final answer as received; emptied when its ACK was seen.
    pub response: Bytes,
    /// When the final answer was committed.
    pub answered_at: Millis,
    /// Its answer's ACK was seen.
    pub acked: bool,
    /// That ACK as received, if it carries SDP (late offer), else empty.
    pub ack: Bytes,
}

impl Reinvite {
    /// Whether it is still without a final answer.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.status == 0
    }

    /// Whether it changed the session.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

impl CallRecord {
    /// An INVITE within the dialogs was passed on, and is not answered yet.
    pub fn reinviting(&mut self, from: Side, cseq: u32, hop: Hop, request: &Bytes) {
        self.count(from, cseq);
        let state = self.session.get_or_insert_default();
        let last = state.reinvite.take().filter(|last| !last.is_pending());
        if let Some(mut last) = last.filter(|last| last.from != from || last.cseq != cseq) {
            last.request = Bytes::new();
            last.response = Bytes::new();
            state.before = Some(last);
        }
        state.reinvite = Some(Reinvite {
            from,
            cseq,
            hop,
            request: request.clone(),
            status: 0,
            response: Bytes::new(),
            answered_at: Millis::default(),
            acked: false,
            ack: Bytes::new(),
        });
    }

    /// It has its final answer. A failure leaves the session as it was.
    pub fn reinvited(&mut self, change: &Reinvited, at: Millis) {
        self.reinviting(change.from, change.cseq, change.hop, &change.request);
        if let Some(reinvite) = self.session.as_mut().and_then(|state| state.reinvite.as_mut()) {
            reinvite.status = change.status;
            reinvite.response = change.response.clone();
            reinvite.answered_at = at;
        }
        self.retarget(change.caller_target.as_ref(), change.callee_target.as_ref());
        if let Some(answer) = self.answer.as_mut().filter(|_| change.status < 300) {
            answer.session_by = change.session_by;
        }
    }

    /// The ACK of that answer came.
    pub fn reinvite_acked(&mut self, ack: &Bytes) {
        if let Some(reinvite) = self.session.as_mut().and_then(|state| state.reinvite.as_mut()) {
            reinvite.request = Bytes::new();
            reinvite.response = Bytes::new();
            reinvite.acked = true;
            reinvite.ack = ack.clone();
        }
    }

    /// An UPDATE was answered with a 2xx.
    pub fn updated(&mut self, change: &Updated) {
        self.count(change.from, change.cseq);
        self.retarget(change.caller_target.as_ref(), change.callee_target.as_ref());
        if let Some(answer) = &mut self.answer {
            answer.session_by = change.session_by;
        }
    }

    /// A provisional answer came: a reliable one is remembered.
    pub fn reliable_came(&mut self, early: &Early) {
        let Some(rseq) = early.rseq else { return };
        let (attempt, response) = (early.attempt, early.response.clone());
        let state = self.session.get_or_insert_default();
        state.reliable.push(Reliable { attempt, rseq, response, acked: false });
    }

    /// The caller has acknowledged one.
    pub fn pracked(&mut self, rseq: u32) {
        let index = usize::try_from(rseq).unwrap_or(usize::MAX).wrapping_sub(1);
        if let Some(state) = &mut self.session
            && let Some(reliable) = state.reliable.get_mut(index)
        {
            reliable.acked = true;
        }
    }

    /// A provisional answer, if it is a reliable one that is remembered, and our RSeq of it.
    #[must_use]
    pub fn reliable(&self, response: &[u8]) -> Option<(u32, &Reliable)> {
        let state = self.session.as_ref()?;
        (1..).zip(&state.reliable).find(|(_, reliable)| reliable.response == response)
    }

    /// Another target is tried: what the last one wanted no longer counts.
    pub fn forget_callee(&mut self) {
        if let Some(state) = &mut self.session {
            state.callee_target = None;
        }
    }

    /// An answered call ends: our BYEs are the dialogs' next requests, and an INVITE within the
    /// dialogs is over. What acknowledges it stays.
    pub fn ending(&mut self, end: &End) {
        if let Some(answer) = &mut self.answer {
            if end.bye_caller {
                answer.caller.local_cseq = end.caller_cseq.saturating_sub(1);
            }
            if end.bye_callee {
                answer.callee.local_cseq = end.callee_cseq.saturating_sub(1);
            }
        }
        if let Some(reinvite) = self.session.as_mut().and_then(|state| state.reinvite.as_mut()) {
            reinvite.request = Bytes::new();
            reinvite.response = Bytes::new();
        }
    }

    /// A request of one side with this CSeq number went through, or is about to: those of the
    /// other dialog are counted on.
    pub fn count(&mut self, from: Side, cseq: u32) {
        let Some(answer) = &mut self.answer else { return };
        let (source, sink) = match from {
            Side::Caller => (&mut answer.caller, &mut answer.callee),
            Side::Callee => (&mut answer.callee, &mut answer.caller),
        };
        source.remote_cseq = source.remote_cseq.max(cseq);
        sink.local_cseq = sink.local_cseq.max(sink.passed_cseq(cseq));
    }

    /// A request of our own goes to one side: those of the other side that come from now on go out with
    /// higher numbers.
    pub fn asked(&mut self, change: &Asked) {
        let Some(answer) = &mut self.answer else { return };
        let dialog = match change.to {
            Side::Caller => &mut answer.caller,
            Side::Callee => &mut answer.callee,
        };
        dialog.local_cseq = dialog.local_cseq.max(change.cseq);
        let least = i64::from(change.cseq) - i64::from(change.seen);
        let Shift { after, .. } = dialog.shift;
        dialog.shift = Shift { before: after, pivot: change.seen, after: after.max(least) };
    }

    /// The dialogs' peers may have new targets (RFC 3261 section 12.2.1.2).
    fn retarget(&mut self, caller: Option<&NewTarget>, callee: Option<&NewTarget>) {
        if let Some(answer) = &mut self.answer {
            for (dialog, target) in [(&mut answer.caller, caller), (&mut answer.callee, callee)] {
                if let Some(target) = target {
                    dialog.remote_target.clone_from(&target.uri);
                    dialog.hop = target.hop;
                }
            }
            return;
        }
        if caller.is_none() && callee.is_none() {
            return;
        }
        let state = self.session.get_or_insert_default();
        state.caller_target = caller.cloned().or(state.caller_target.take());
        state.callee_target = callee.cloned().or(state.callee_target.take());
    }
}
