//! The INVITE server transaction (RFC 3261 section 17.2.1, RFC 6026 section 7.1), with the resending
//! of a 2xx by the core (13.3.1.4) as an option of its Accepted state.
//!
//! It answers a repeated INVITE with what was said last, resends a failure until its ACK comes, and a
//! 2xx if asked to. It is silent until told: there is no automatic `100 Trying`, and an INVITE
//! repeated before anything was said is absorbed, because the peer's repetitions are the only copy
//! of the call until its admission is committed.

use bytes::Bytes;
use holdline_model::Millis;

use super::TimerConfig;
use super::pending::{EventKind, Pending};
use super::resend::Resend;

/// An INVITE that we received.
#[derive(Clone, Debug)]
pub struct InviteServer {
    state: InviteServerState,
    reliable: bool,
    /// Accepted: the core's resending is ours, and no ACK has come.
    awaits_ack: bool,
    pending: Pending<InviteServerEvent>,
    timers: TimerConfig,
    /// What was said last; empty before, and when it is never said again.
    message: Bytes,
    /// Timer G, or the core's timer for a 2xx; after a recovery also the first sending.
    resend: Resend,
    /// Timer H, I or L.
    deadline: Option<Millis>,
}

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InviteServerState {
    /// No final answer was given.
    Proceeding,
    /// A failure was given; its ACK has not come.
    Completed,
    /// The failure's ACK has come; its repetitions are absorbed.
    Confirmed,
    /// A 2xx was given.
    Accepted,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InviteServerInput {
    /// Time has passed.
    Timer,
    /// The INVITE came again.
    Invite,
    /// An ACK came: for a failure on the INVITE's branch, for a 2xx within the dialog.
    Ack,
    /// The user's provisional answer.
    Provisional(Bytes),
    /// The user's 2xx.
    Success {
        /// The answer.
        response: Bytes,
        /// Resend it with intervals from T1 doubling to T2 until an ACK comes, at most for 64×T1
        /// (13.3.1.4), also on a reliable transport. A user agent's core wants this, a proxy not.
        until_ack: bool,
    },
    /// The user's failure, 300 to 699.
    Failure(Bytes),
    /// The last message could not be sent.
    TransportError,
}

/// What it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InviteServerOutput {
    /// Send these bytes to the peer.
    Send(Bytes),
    /// Take notice.
    Event(InviteServerEvent),
}

/// What it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InviteServerEvent {
    /// An ACK of the 2xx came, the first or a repeated one.
    Ack,
    /// No ACK within 64×T1. After a 2xx the dialog is to be ended with a BYE (13.3.1.4).
    AckMissing,
    /// An answer could not be sent. The transaction goes on: the peer may repeat its INVITE.
    TransportError,
    /// It is over and can be dropped.
    Terminated,
}

impl InviteServer {
    /// An INVITE came. Nothing is said until the user says it.
    #[must_use]
    pub const fn new(timers: TimerConfig, reliable: bool) -> Self {
        Self::in_state(InviteServerState::Proceeding, timers, reliable, Bytes::new())
    }

    /// Goes on with an INVITE that was answered provisionally last: the answer is sent at
    /// `resend_at`, at once if that is past, and whenever the INVITE is repeated.
    #[must_use]
    pub fn recover_with_last(
        now: Millis,
        timers: TimerConfig,
        reliable: bool,
        provisional: Bytes,
        resend_at: Millis,
    ) -> Self {
        let mut server =
            Self::in_state(InviteServerState::Proceeding, timers, reliable, provisional);
        server.resend = Resend::once(resend_at.max(now));
        server.in_proceeding(now, InviteServerInput::Timer);
        server
    }

    /// Goes on with an INVITE that failed and whose ACK is not known to have come: the failure is
    /// sent at `resend_at`, at once if that is past, and resent from then on as a new one would be.
    #[must_use]
    pub fn recover_completed(
        now: Millis,
        timers: TimerConfig,
        reliable: bool,
        failure: Bytes,
        resend_at: Millis,
    ) -> Self {
        let mut server = Self::in_state(InviteServerState::Completed, timers, reliable, failure);
        let first = resend_at.max(now);
        server.resend =
            if reliable { Resend::once(first) } else { Resend::sending_at(first, timers.t1_ms()) };
        server.deadline = Some(timers.timeout(first));
        server.in_completed(now, InviteServerInput::Timer);
        server
    }

    /// Goes on with an INVITE that was answered with a 2xx and whose ACK is not known to have come:
    /// the 2xx is sent at `resend_at`, at once if that is past, and resent until an ACK comes.
    ///
    /// `answered_at` is when the 2xx was first given: a takeover does not lengthen the 64×T1 that the
    /// peer has for its ACK, but leaves it at least T2 from the first resend on.
    #[must_use]
    pub fn recover_accepted(
        now: Millis,
        timers: TimerConfig,
        reliable: bool,
        success: Bytes,
        answered_at: Millis,
        resend_at: Millis,
    ) -> Self {
        let mut server = Self::in_state(InviteServerState::Accepted, timers, reliable, success);
        let first = resend_at.max(now);
        server.awaits_ack = true;
        server.resend = Resend::sending_at(first, timers.t1_ms());
        let at_least = first.plus_ms(u64::from(timers.t2_ms()));
        server.deadline = Some(timers.timeout(answered_at).max(at_least));
        server.in_accepted(now, InviteServerInput::Timer);
        server
    }

    /// Handles what happened at `now`; then drain [`Self::poll`].
    pub fn handle(&mut self, now: Millis, input: InviteServerInput) {
        match self.state {
            InviteServerState::Proceeding => self.in_proceeding(now, input),
            InviteServerState::Completed => self.in_completed(now, input),
            InviteServerState::Confirmed => self.in_confirmed(now, input),
            InviteServerState::Accepted => self.in_accepted(now, input),
            // 17.2.1: a terminated transaction is destroyed; whatever still comes is not for it.
            InviteServerState::Terminated => {}
        }
    }

    /// The next thing it wants, until there is none.
    pub fn poll(&mut self) -> Option<InviteServerOutput> {
        if self.pending.take_send() && !self.message.is_empty() {
            return Some(InviteServerOutput::Send(self.message.clone()));
        }
        self.pending.take_event().map(InviteServerOutput::Event)
    }

    /// When [`InviteServerInput::Timer`] is to be given next.
    #[must_use]
    pub fn next_timer(&self) -> Option<Millis> {
        self.resend.at().into_iter().chain(self.deadline).min()
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> InviteServerState {
        self.state
    }

    /// Whether a 2xx is being resent, for want of an ACK.
    #[must_use]
    pub const fn awaits_ack(&self) -> bool {
        self.awaits_ack
    }

    fn in_proceeding(&mut self, now: Millis, input: InviteServerInput) {
        match input {
            InviteServerInput::Timer => {
                if self.resend.fire(now, 0) {
                    self.pending.send();
                }
            }
            InviteServerInput::Invite => {
                // Rule one: before the admission is committed, silence keeps the peer repeating.
                if !self.message.is_empty() {
                    self.resend = Resend::OFF;
                    self.pending.send();
                }
            }
            InviteServerInput::Provisional(response) => {
                self.resend = Resend::OFF;
                self.message = response;
                self.pending.send();
            }
            InviteServerInput::Success { response, until_ack } => {
                self.state = InviteServerState::Accepted;
                self.awaits_ack = until_ack;
                self.message = response;
                self.pending.send();
                self.resend = if until_ack {
                    Resend::after_sending(now, self.timers.t1_ms())
                } else {
                    Resend::OFF
                };
                self.deadline = Some(self.timers.timeout(now));
            }
            InviteServerInput::Failure(response) => {
                self.state = InviteServerState::Completed;
                self.message = response;
                self.pending.send();
                self.resend = if self.reliable {
                    Resend::OFF
                } else {
                    Resend::after_sending(now, self.timers.t1_ms())
                };
                self.deadline = Some(self.timers.timeout(now));
            }
            // RFC 6026 section 7.1: told to the user, who decides; the state stays.
            InviteServerInput::TransportError => {
                self.pending.event(InviteServerEvent::TransportError);
            }
            // 17.2.1: there is no final answer yet that an ACK could be for.
            InviteServerInput::Ack => {}
        }
    }

    fn in_completed(&mut self, now: Millis, input: InviteServerInput) {
        match input {
            InviteServerInput::Timer if self.is_past_deadline(now) => {
                self.pending.event(InviteServerEvent::AckMissing);
                self.terminate();
            }
            InviteServerInput::Timer => {
                if self.resend.fire(now, self.timers.t2_ms()) {
                    self.pending.send();
                }
            }
            InviteServerInput::Invite => self.pending.send(),
            InviteServerInput::Ack if self.reliable => self.terminate(),
            InviteServerInput::Ack => {
                self.state = InviteServerState::Confirmed;
                self.message = Bytes::new();
                self.resend = Resend::OFF;
                self.deadline = Some(self.timers.linger(now));
            }
            // RFC 6026 section 7.1: told to the user; timers G and H go on.
            InviteServerInput::TransportError => {
                self.pending.event(InviteServerEvent::TransportError);
            }
            // 17.2.1: answers after the final one are discarded.
            InviteServerInput::Provisional(_)
            | InviteServerInput::Success { .. }
            | InviteServerInput::Failure(_) => {}
        }
    }

    fn in_confirmed(&mut self, now: Millis, input: InviteServerInput) {
        match input {
            InviteServerInput::Timer => {
                if self.is_past_deadline(now) {
                    self.terminate();
                }
            }
            // 17.2.1: this state absorbs what the ACK overtook, and its repetitions.
            InviteServerInput::Invite | InviteServerInput::Ack => {}
            // 17.2.1: answers after the final one are discarded.
            InviteServerInput::Provisional(_)
            | InviteServerInput::Success { .. }
            | InviteServerInput::Failure(_) => {}
            // 17.2.1: nothing is sent in this state.
            InviteServerInput::TransportError => {}
        }
    }

    fn in_accepted(&mut self, now: Millis, input: InviteServerInput) {
        match input {
            InviteServerInput::Timer if self.is_past_deadline(now) => {
                if self.awaits_ack {
                    self.pending.event(InviteServerEvent::AckMissing);
                }
                self.terminate();
            }
            InviteServerInput::Timer => {
                if self.resend.fire(now, self.timers.t2_ms()) {
                    self.pending.send();
                }
            }
            InviteServerInput::Ack => {
                self.awaits_ack = false;
                self.resend = Resend::OFF;
                self.message = Bytes::new();
                self.pending.event(InviteServerEvent::Ack);
            }
            // RFC 6026 section 7.1: further 2xx of the user are sent; the state and timer L stay.
            InviteServerInput::Success { response, until_ack: _ } => {
                self.message = response;
                self.pending.send();
            }
            // RFC 6026 section 7.1: told to the user; timer L goes on.
            InviteServerInput::TransportError => {
                self.pending.event(InviteServerEvent::TransportError);
            }
            // RFC 6026 section 7.1: repeated INVITEs are absorbed; the core resends the 2xx.
            InviteServerInput::Invite => {}
            // RFC 6026 section 7.1: only 2xx answers can follow a 2xx.
            InviteServerInput::Provisional(_) | InviteServerInput::Failure(_) => {}
        }
    }

    fn terminate(&mut self) {
        self.state = InviteServerState::Terminated;
        self.awaits_ack = false;
        self.message = Bytes::new();
        self.resend = Resend::OFF;
        self.deadline = None;
        self.pending.event(InviteServerEvent::Terminated);
    }

    fn is_past_deadline(&self, now: Millis) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    const fn in_state(
        state: InviteServerState,
        timers: TimerConfig,
        reliable: bool,
        message: Bytes,
    ) -> Self {
        Self {
            state,
            reliable,
            awaits_ack: false,
            pending: Pending::new(),
            timers,
            message,
            resend: Resend::OFF,
            deadline: None,
        }
    }
}

impl EventKind for InviteServerEvent {
    const ALL: &'static [Self] =
        &[Self::Ack, Self::AckMissing, Self::TransportError, Self::Terminated];

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}
