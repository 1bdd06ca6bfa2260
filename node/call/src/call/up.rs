//! An answered call, before and after the caller's ACK: what each event leads to (RFC 3261 sections
//! 13.2.2.4, 13.3.1.4 and 15).

use bytes::Bytes;
use holdline_model::{AckSeen, CallChange, Cause, End, HangupBy, Phase, Side};
use holdline_sip::message::Message;

use super::work::Work;
use super::{Call, Ctx};

impl Call {
    pub(super) fn work_up(&mut self, ctx: &mut Ctx<'_>, work: Work) {
        match work {
            Work::Success { attempt, message } => self.answered_again(ctx, attempt, &message),
            // A fork's failure, or a late repetition; what followed from it is committed.
            Work::Failure { attempt, message } => {
                self.ack_failure(ctx, attempt, &message);
                self.loser_over(ctx, attempt);
            }
            Work::Ack(request) => self.ack_came(ctx, request),
            Work::NoAck => self.ack_missing(ctx),
            // Section 9.2: a CANCEL has no effect on an INVITE that has its final answer.
            Work::Cancel(request) => self.reply_ok(ctx, &request),
            Work::Bye(side, request) => self.hung_up(ctx, side, Work::Bye(side, request)),
            Work::HangUp => {
                let text = "hung up by an administrator";
                self.end_both(ctx, HangupBy::Admin, 200, text, Work::HangUp);
            }
            Work::Through(side, request) => self.count(ctx, side, request),
            Work::Updated { from, number, message } => {
                self.update_answered(ctx, from, number, message);
            }
            Work::Pracked { number, message } => self.prack_answered(ctx, number, message),
            Work::ReinviteProgress { from, number, message } => {
                self.reinvite_progress(ctx, from, number, message);
            }
            Work::Reinvited { from, number, message } => {
                self.reinvite_final(ctx, from, number, message);
            }
            Work::ReinviteAck(request) => self.reinvite_ack_came(ctx, request),
            Work::ReinviteNoAck => self.reinvite_ack_missing(ctx),
            Work::Refreshed { side, message } => self.refreshed(ctx, side, &message),
            Work::Gone { side, status } => self.side_gone(ctx, side, status),
            // Section 13.2.2.4: provisional answers after the 2xx mean nothing any more.
            Work::Provisional { .. } => {}
            Work::Silent { attempt } => self.loser_over(ctx, attempt),
        }
    }

    /// A 2xx after the answer: a repetition, or another fork's.
    fn answered_again(&mut self, ctx: &mut Ctx<'_>, attempt: u16, message: &Message) {
        if self.is_the_answer(attempt, message) {
            if self.may_ack_callee() {
                self.ack_callee(ctx);
            }
        } else {
            self.hang_up_other(ctx, attempt, message);
            self.loser_over(ctx, attempt);
        }
    }

    /// The callee is acknowledged as soon as the answer is committed; with a late offer, when the
    /// caller's ACK is, which carries the SDP that the callee waits for.
    fn may_ack_callee(&self) -> bool {
        self.record.phase == Phase::Confirmed || !self.is_late_offer()
    }

    fn ack_came(&mut self, ctx: &mut Ctx<'_>, request: super::Request) {
        if self.record.phase != Phase::Answered || self.acked {
            return;
        }
        if self.is_late_offer() {
            let keep = request.message.has_sdp();
            let ack = if keep { request.message.bytes().clone() } else { Bytes::new() };
            self.propose(ctx, CallChange::AckSeen(AckSeen { ack }), Some(Work::Ack(request)));
            return;
        }
        // Nothing hangs on it: a new owner that does not know repeats the answer, and is ACKed.
        self.has_the_answer();
        self.note(ctx);
    }

    /// The caller has the answer to its INVITE: it has acknowledged it, or begun the next.
    pub(super) fn has_the_answer(&mut self) {
        if self.record.phase == Phase::Answered {
            self.acked = true;
            self.legs.caller = None;
            self.invite = None;
        }
    }

    /// That the caller has acknowledged the answer, if the record does not know it yet.
    fn ack_note(&self) -> Option<CallChange> {
        let is_new = self.acked && self.record.phase == Phase::Answered;
        is_new.then(|| CallChange::AckSeen(AckSeen { ack: Bytes::new() }))
    }

    /// What is to be noted next.
    pub(super) fn next_note(&self) -> Option<CallChange> {
        self.ack_note().or_else(|| self.reinvite_note()).or_else(|| self.settled_note())
    }

    /// Proposes what is due in an answered call; false if there is nothing.
    pub(super) fn due_up(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let end_by = self.record.answer.as_ref().and_then(|answer| answer.end_by);
        if end_by.is_some_and(|at| at <= ctx.now) {
            self.end_by_duration(ctx);
            return true;
        }
        let session_by = self.record.answer.as_ref().and_then(|answer| answer.session_by);
        if session_by.is_some_and(|at| at <= ctx.now) {
            // RFC 4028 section 10: nobody has refreshed it.
            let cause = Cause { status: 408, text: "session expired".into() };
            let end = self.end(HangupBy::Timer, cause);
            self.propose(ctx, CallChange::End(end), None);
            return true;
        }
        if self.is_note_due(ctx.now)
            && let Some(change) = self.next_note()
        {
            self.propose(ctx, change, None);
            return true;
        }
        self.note_at = self.note_at.filter(|at| ctx.now < *at);
        self.ask_if_due(ctx)
    }

    fn ack_missing(&mut self, ctx: &mut Ctx<'_>) {
        if self.record.phase == Phase::Answered {
            let text = "the caller never confirmed the answer";
            self.end_both(ctx, HangupBy::Timer, 408, text, Work::NoAck);
        }
    }

    fn hung_up(&mut self, ctx: &mut Ctx<'_>, side: Side, trigger: Work) {
        let Work::Bye(_, request) = &trigger else { return };
        let (by, text) = match side {
            Side::Caller => (HangupBy::Caller, "hung up by the caller"),
            Side::Callee => (HangupBy::Callee, "hung up by the callee"),
        };
        let number = request.message.cseq().number;
        let cause = Cause { status: 200, text: text.into() };
        let mut end = self.end(by, cause);
        end.bye_cseq = Some(number);
        // The BYE goes on with the number that it has in the other dialog.
        let passed = self.dialog(side.other()).map_or(0, |dialog| dialog.passed_cseq(number));
        match side {
            Side::Caller => {
                end.bye_caller = false;
                end.callee_cseq = end.callee_cseq.max(passed);
            }
            Side::Callee => {
                end.bye_callee = false;
                end.caller_cseq = end.caller_cseq.max(passed);
            }
        }
        self.propose(ctx, CallChange::End(end), Some(trigger));
    }

    /// How the call ends: with a BYE to both.
    fn end(&self, by: HangupBy, cause: Cause) -> End {
        End {
            by,
            cause,
            bye_caller: true,
            bye_callee: true,
            bye_cseq: None,
            caller_cseq: self.own_cseq(Side::Caller),
            callee_cseq: self.own_cseq(Side::Callee),
        }
    }

    /// The call has lasted as long as it may.
    fn end_by_duration(&mut self, ctx: &mut Ctx<'_>) {
        let cause = Cause { status: 200, text: "maximum duration reached".into() };
        let end = self.end(HangupBy::Timer, cause);
        self.propose(ctx, CallChange::End(end), None);
    }

    pub(super) fn end_both(
        &mut self,
        ctx: &mut Ctx<'_>,
        by: HangupBy,
        status: u16,
        text: &str,
        trigger: Work,
    ) {
        let cause = Cause { status, text: text.into() };
        let mut end = self.end(by, cause);
        if let Work::Gone { side, status: 481 } = &trigger {
            // It has no dialog that a BYE could end.
            match side {
                Side::Caller => end.bye_caller = false,
                Side::Callee => end.bye_callee = false,
            }
        }
        self.propose(ctx, CallChange::End(end), Some(trigger));
    }
}
