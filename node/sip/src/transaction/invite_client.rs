//! The INVITE client transaction (RFC 3261 section 17.1.1, RFC 6026 section 7.2).
//!
//! It resends the INVITE until something answers, tells what the answer was, and acknowledges a
//! failure as often as the peer repeats it. The ACK of a 2xx is not its business: every 2xx, repeated
//! or from another fork, is handed to the user, who sends its ACK (13.2.2.4).
//!
//! Unlike the RFC's machine it does not make the ACK of a failure: the ACK stops the peer's
//! retransmission, so the user gives it when what follows from the failure is committed.

use bytes::Bytes;
use holdline_model::Millis;

use super::pending::{EventKind, Pending};
use super::resend::Resend;
use super::{ResponseClass, TimerConfig};

/// An INVITE that we sent.
#[derive(Clone, Debug)]
pub struct InviteClient {
    state: InviteClientState,
    reliable: bool,
    pending: Pending<InviteClientEvent>,
    timers: TimerConfig,
    /// Calling: the INVITE. Completed: its ACK, once given. Else empty: never sent again.
    message: Bytes,
    /// Timer A; after a recovery also the first ACK.
    resend: Resend,
    /// Timer B, D or M, or the end of waiting after a CANCEL.
    deadline: Option<Millis>,
}

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InviteClientState {
    /// Nothing has answered; the INVITE is resent.
    Calling,
    /// A provisional answer came.
    Proceeding,
    /// A failure came; its repetitions are acknowledged.
    Completed,
    /// A 2xx came; further ones are handed to the user.
    Accepted,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InviteClientInput {
    /// Time has passed.
    Timer,
    /// An answer came.
    Response(ResponseClass),
    /// The user's ACK for the failure that came.
    Ack(Bytes),
    /// The user sent a CANCEL for this INVITE: a final answer is now due within 64×T1 (9.1).
    CancelSent,
    /// The last message could not be sent.
    TransportError,
}

/// What it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InviteClientOutput {
    /// Send these bytes to the peer.
    Send(Bytes),
    /// Take notice.
    Event(InviteClientEvent),
}

/// What it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InviteClientEvent {
    /// A provisional answer came.
    Provisional,
    /// A 2xx came, the first or a further one: it is to be acknowledged by the user.
    Success,
    /// The first failure came: the user is to give its ACK.
    Failure,
    /// No answer within 64×T1, or no final one within 64×T1 of the CANCEL: as if a 408 had come.
    Timeout,
    /// The INVITE or the ACK could not be sent: as if a 503 had come (8.1.3.1).
    TransportError,
    /// It is over and can be dropped.
    Terminated,
}

impl InviteClient {
    /// Sends an INVITE.
    #[must_use]
    pub fn new(now: Millis, timers: TimerConfig, reliable: bool, invite: Bytes) -> Self {
        let mut client = Self::in_state(InviteClientState::Calling, timers, reliable, invite);
        client.pending.send();
        if !reliable {
            client.resend = Resend::after_sending(now, timers.t1_ms());
        }
        client.deadline = Some(timers.timeout(now));
        client
    }

    /// Goes on with an INVITE that a predecessor may or may not have sent, and that nothing is known
    /// to have answered: it is sent at `resend_at`, at once if that is past, and resent from then on
    /// as a new one would be.
    #[must_use]
    pub fn recover_calling(
        now: Millis,
        timers: TimerConfig,
        reliable: bool,
        invite: Bytes,
        resend_at: Millis,
    ) -> Self {
        let mut client = Self::in_state(InviteClientState::Calling, timers, reliable, invite);
        let first = resend_at.max(now);
        client.resend =
            if reliable { Resend::once(first) } else { Resend::sending_at(first, timers.t1_ms()) };
        client.deadline = Some(timers.timeout(first));
        client.in_calling(now, InviteClientInput::Timer);
        client
    }

    /// Goes on with an INVITE that a provisional answer is known to have come for. Nothing is sent:
    /// the peer has it, and repeats its final answer until it is acknowledged.
    #[must_use]
    pub fn recover_proceeding(timers: TimerConfig, reliable: bool) -> Self {
        Self::in_state(InviteClientState::Proceeding, timers, reliable, Bytes::new())
    }

    /// Goes on with an INVITE that failed: its ACK is sent at `resend_at`, at once if that is past,
    /// and again whenever the failure is repeated, until timer D, set anew, ends it.
    #[must_use]
    pub fn recover_completed(
        now: Millis,
        timers: TimerConfig,
        reliable: bool,
        ack: Bytes,
        resend_at: Millis,
    ) -> Self {
        let mut client = Self::in_state(InviteClientState::Completed, timers, reliable, ack);
        client.resend = Resend::once(resend_at.max(now));
        client.deadline = Some(timers.timer_d(now));
        client.in_completed(now, InviteClientInput::Timer);
        client
    }

    /// Goes on with an INVITE that was answered with a 2xx; timer M is set anew.
    #[must_use]
    pub fn recover_accepted(now: Millis, timers: TimerConfig, reliable: bool) -> Self {
        let mut client =
            Self::in_state(InviteClientState::Accepted, timers, reliable, Bytes::new());
        client.deadline = Some(timers.timeout(now));
        client
    }

    /// Handles what happened at `now`; then drain [`Self::poll`].
    pub fn handle(&mut self, now: Millis, input: InviteClientInput) {
        match self.state {
            InviteClientState::Calling => self.in_calling(now, input),
            InviteClientState::Proceeding => self.in_proceeding(now, input),
            InviteClientState::Completed => self.in_completed(now, input),
            InviteClientState::Accepted => self.in_accepted(now, input),
            // 17.1.1.2: a terminated transaction is destroyed; whatever still comes is not for it.
            InviteClientState::Terminated => {}
        }
    }

    /// The next thing it wants, until there is none.
    pub fn poll(&mut self) -> Option<InviteClientOutput> {
        if self.pending.take_send() && !self.message.is_empty() {
            return Some(InviteClientOutput::Send(self.message.clone()));
        }
        self.pending.take_event().map(InviteClientOutput::Event)
    }

    /// When [`InviteClientInput::Timer`] is to be given next.
    #[must_use]
    pub fn next_timer(&self) -> Option<Millis> {
        self.resend.at().into_iter().chain(self.deadline).min()
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> InviteClientState {
        self.state
    }

    fn in_calling(&mut self, now: Millis, input: InviteClientInput) {
        match input {
            InviteClientInput::Timer if self.is_past_deadline(now) => {
                self.pending.event(InviteClientEvent::Timeout);
                self.terminate();
            }
            InviteClientInput::Timer => {
                if self.resend.fire(now, u32::MAX) {
                    self.pending.send();
                }
            }
            InviteClientInput::Response(class) => self.on_first_answers(now, class),
            InviteClientInput::TransportError => {
                self.pending.event(InviteClientEvent::TransportError);
                self.terminate();
            }
            // 17.1.1.3: there is no failure yet that an ACK could answer.
            InviteClientInput::Ack(_) => {}
            // 9.1: a CANCEL waits for a provisional answer; timer B bounds this state anyway.
            InviteClientInput::CancelSent => {}
        }
    }

    fn in_proceeding(&mut self, now: Millis, input: InviteClientInput) {
        match input {
            InviteClientInput::Timer => {
                if self.is_past_deadline(now) {
                    self.pending.event(InviteClientEvent::Timeout);
                    self.terminate();
                }
            }
            InviteClientInput::Response(class) => self.on_first_answers(now, class),
            InviteClientInput::CancelSent => self.deadline = Some(self.timers.timeout(now)),
            // 17.1.1.3: there is no failure yet that an ACK could answer.
            InviteClientInput::Ack(_) => {}
            // 17.1.1.2: nothing is sent in this state, and the peer has the INVITE.
            InviteClientInput::TransportError => {}
        }
    }

    fn in_completed(&mut self, now: Millis, input: InviteClientInput) {
        match input {
            InviteClientInput::Timer if self.is_past_deadline(now) => self.terminate(),
            InviteClientInput::Timer => {
                if self.resend.fire(now, 0) {
                    self.send_ack();
                }
            }
            InviteClientInput::Response(ResponseClass::Failure) => {
                // Rule one: while what follows is not committed there is no ACK to repeat.
                if !self.message.is_empty() {
                    self.resend = Resend::OFF;
                    self.send_ack();
                }
            }
            InviteClientInput::Ack(ack) => {
                self.message = ack;
                self.send_ack();
            }
            InviteClientInput::TransportError => {
                self.pending.event(InviteClientEvent::TransportError);
                self.terminate();
            }
            // 17.1.1.2: late provisional answers say nothing new.
            InviteClientInput::Response(ResponseClass::Provisional) => {}
            // RFC 6026 section 7.2: a 2xx can only come in Calling, Proceeding and Accepted; after
            // a failure on the same branch it breaks the peer's own machine.
            InviteClientInput::Response(ResponseClass::Success) => {}
            // 9.1: a CANCEL has no effect after a final answer.
            InviteClientInput::CancelSent => {}
        }
    }

    fn in_accepted(&mut self, now: Millis, input: InviteClientInput) {
        match input {
            InviteClientInput::Timer => {
                if self.is_past_deadline(now) {
                    self.terminate();
                }
            }
            InviteClientInput::Response(ResponseClass::Success) => {
                self.pending.event(InviteClientEvent::Success);
            }
            // RFC 6026 section 7.2: only 2xx answers are passed on in this state.
            InviteClientInput::Response(ResponseClass::Provisional | ResponseClass::Failure) => {}
            // 13.2.2.4: the ACK of a 2xx is the core's, outside of this transaction.
            InviteClientInput::Ack(_) => {}
            // 9.1: a CANCEL has no effect after a final answer.
            InviteClientInput::CancelSent => {}
            // RFC 6026 section 7.2: nothing is sent in this state.
            InviteClientInput::TransportError => {}
        }
    }

    /// An answer in Calling or Proceeding.
    fn on_first_answers(&mut self, now: Millis, class: ResponseClass) {
        match class {
            ResponseClass::Provisional => {
                self.pending.event(InviteClientEvent::Provisional);
                if self.state == InviteClientState::Calling {
                    self.enter(InviteClientState::Proceeding, None);
                }
            }
            ResponseClass::Success => {
                self.pending.event(InviteClientEvent::Success);
                self.enter(InviteClientState::Accepted, Some(self.timers.timeout(now)));
            }
            ResponseClass::Failure => {
                self.pending.event(InviteClientEvent::Failure);
                self.enter(InviteClientState::Completed, Some(self.timers.timer_d(now)));
            }
        }
    }

    fn send_ack(&mut self) {
        self.pending.send();
        if self.reliable {
            // 17.1.1.2: timer D is 0, for nothing is repeated on a reliable transport.
            self.finish();
        }
    }

    fn enter(&mut self, state: InviteClientState, deadline: Option<Millis>) {
        self.state = state;
        self.message = Bytes::new();
        self.resend = Resend::OFF;
        self.deadline = deadline;
    }

    fn terminate(&mut self) {
        self.message = Bytes::new();
        self.finish();
    }

    /// Ends the transaction, leaving the message for a send that is still to be polled.
    fn finish(&mut self) {
        self.state = InviteClientState::Terminated;
        self.resend = Resend::OFF;
        self.deadline = None;
        self.pending.event(InviteClientEvent::Terminated);
    }

    fn is_past_deadline(&self, now: Millis) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn in_state(
        state: InviteClientState,
        timers: TimerConfig,
        reliable: bool,
        message: Bytes,
    ) -> Self {
        Self {
            state,
            reliable,
            pending: Pending::new(),
            timers,
            message,
            resend: Resend::OFF,
            deadline: None,
        }
    }
}

impl EventKind for InviteClientEvent {
    const ALL: &'static [Self] = &[
        Self::Provisional,
        Self::Success,
        Self::Failure,
        Self::Timeout,
        Self::TransportError,
        Self::Terminated,
    ];

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}
