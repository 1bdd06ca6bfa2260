//! The branches of a call: the targets that are tried at the same time, and what became of each (RFC
//! 3261 section 16.7).
//!
//! While a call is not answered, its `attempt` is the first target of the present *round*: that
//! target and those after it that are tried together with it. Once it is answered, or was answered too
//! late, `attempt` is the target that did. A call that goes to one target after the other has rounds of one.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::{AnswerState, CallRecord, EarlyState, EndState, Phase};
use crate::{Answer, Attempt, BranchOver, CdrId, Early, Fail, Millis, Token};

/// What became of the branches of a call. A call that goes to one target after the other has none of
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branches {
    /// Targets of the present round whose INVITE is over.
    pub over: Vec<u16>,
    /// The best failure so far, over all rounds.
    pub best: Option<BranchFailure>,
    /// Targets that are to be told that they need not answer any more: the call is answered, or over.
    pub losers: Vec<u16>,
}

/// A failure that the caller may get in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchFailure {
    /// Which target's.
    pub attempt: u16,
    /// Its status.
    pub status: u16,
    /// As received; empty if the target said nothing.
    pub response: Bytes,
}

impl CallRecord {
    /// The targets that are tried at the same time as the present one.
    #[must_use]
    pub fn round(&self) -> Range<u16> {
        self.round_from(self.attempt)
    }

    /// The targets that are tried at the same time as this one, which is the first of them.
    #[must_use]
    pub fn round_from(&self, first: u16) -> Range<u16> {
        let rest = self.targets.iter().skip(usize::from(first));
        let together = rest.skip(1).take_while(|target| target.together).count();
        let is_there = usize::from(first) < self.targets.len();
        let count = if is_there { together.saturating_add(1) } else { 0 };
        first..first.saturating_add(u16::try_from(count).unwrap_or(u16::MAX))
    }

    /// Whether a target is, or was, tried at the same time as another one.
    #[must_use]
    pub fn is_branch(&self, attempt: u16) -> bool {
        let together = |index: usize| self.targets.get(index).is_some_and(|target| target.together);
        together(usize::from(attempt)) || together(usize::from(attempt).saturating_add(1))
    }

    /// Our tag towards the caller in the dialog with a target: each of several that are tried
    /// together has one of its own, because each makes an early dialog.
    #[must_use]
    pub fn caller_tag(&self, attempt: u16) -> String {
        if self.is_branch(attempt) {
            Token::branch_tag(self.call, attempt)
        } else {
            Token::caller_tag(self.call)
        }
    }

    /// Whether a target's INVITE is known to be over.
    #[must_use]
    pub fn is_over(&self, attempt: u16) -> bool {
        self.branches.as_ref().is_some_and(|branches| branches.over.contains(&attempt))
    }

    /// The targets of the present round whose INVITE is not over.
    pub fn pending(&self) -> impl Iterator<Item = u16> + '_ {
        self.round().filter(|attempt| !self.is_over(*attempt))
    }

    /// The last provisional answer of a target.
    #[must_use]
    pub fn early_of(&self, attempt: u16) -> Option<&EarlyState> {
        self.early.iter().find(|early| early.attempt == attempt)
    }

    /// The best failure so far.
    #[must_use]
    pub fn best(&self) -> Option<&BranchFailure> {
        self.branches.as_ref()?.best.as_ref()
    }

    /// Whether a target has refused the call for all others (a 6xx).
    #[must_use]
    pub fn is_declined(&self) -> bool {
        self.best().is_some_and(|best| best.status >= 600)
    }

    /// Targets that are to be told that they need not answer any more.
    #[must_use]
    pub fn losers(&self) -> &[u16] {
        self.branches.as_ref().map_or(&[], |branches| &branches.losers)
    }

    /// The next round begins: what was said in the last one no longer counts, but its best failure.
    pub fn attempted(&mut self, change: &Attempt) {
        let at = usize::from(change.index).min(self.targets.len());
        self.targets.splice(at..at, change.targets.iter().cloned());
        self.attempt = change.index;
        self.early.clear();
        self.forget_callee();
        let best = change.best.as_deref().cloned();
        let best = best.or_else(|| self.branches.take().and_then(|branches| branches.best));
        self.branches = best.map(|best| {
            Box::new(Branches { over: Vec::new(), best: Some(best), losers: Vec::new() })
        });
    }

    /// A provisional answer came. One without SDP never replaces one with SDP: the caller already
    /// has a session to listen to.
    pub fn early_came(&mut self, change: &Early) {
        self.reliable_came(change);
        let Early { attempt, status, response, .. } = change.clone();
        match self.early.iter_mut().find(|early| early.attempt == attempt) {
            Some(before) => {
                before.status = status;
                if !response.is_empty() {
                    before.response = response;
                }
            }
            None => self.early.push(EarlyState { attempt, status, response }),
        }
    }

    /// One branch of several is over.
    pub fn branch_over(&mut self, change: &BranchOver) {
        let branches = self.branches.get_or_insert_default();
        if !branches.over.contains(&change.attempt) {
            branches.over.push(change.attempt);
        }
        if change.best.is_some() {
            branches.best.clone_from(&change.best);
        }
        self.early.retain(|early| early.attempt != change.attempt);
    }

    /// A target has answered; the others of its round have lost.
    pub fn answered(&mut self, change: &Answer, at: Millis) {
        self.lose_all_but(change.attempt);
        self.attempt = change.attempt;
        self.phase = Phase::Answered;
        self.early.clear();
        self.answer = Some(Box::new(AnswerState {
            at,
            response: change.response.clone(),
            caller: change.caller.clone(),
            callee: change.callee.clone(),
            end_by: change.end_by,
            session_by: change.session_by,
            ack: Bytes::new(),
        }));
    }

    /// The call has ended before an answer, or by one that came too late: then the others of its round
    /// are still to be told.
    pub fn failed(&mut self, change: &Fail, at: Millis, cdr: CdrId) {
        if change.late_answer.is_some() {
            self.lose_all_but(change.attempt);
        }
        self.attempt = change.attempt;
        self.phase = Phase::Finished;
        self.early.clear();
        self.end = Some(Box::new(EndState {
            at,
            by: change.by,
            cause: change.cause.clone(),
            response: change.response.clone(),
            bye_caller: false,
            bye_callee: change.late_answer.is_some(),
            late_answer: change.late_answer.clone(),
            cdr,
        }));
    }

    /// All losers have been told.
    pub fn settled(&mut self) {
        self.branches = None;
    }

    fn lose_all_but(&mut self, attempt: u16) {
        let losers: Vec<u16> = self.pending().filter(|other| *other != attempt).collect();
        self.branches =
            (!losers.is_empty()).then(|| Box::new(Branches { losers, ..Branches::default() }));
    }
}
