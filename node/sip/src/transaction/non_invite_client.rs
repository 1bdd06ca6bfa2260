//! The non-INVITE client transaction (RFC 3261 section 17.1.2): BYE, CANCEL, OPTIONS and the like.
//!
//! It resends the request until a final answer comes, tells what came, and absorbs repetitions.

use bytes::Bytes;
use holdline_model::Millis;

use super::pending::{EventKind, Pending};
use super::resend::Resend;
use super::{ResponseClass, TimerConfig};

/// A request other than INVITE and ACK that we sent.
#[derive(Clone, Debug)]
pub struct NonInviteClient {
    state: NonInviteClientState,
    reliable: bool,
    pending: Pending<NonInviteClientEvent>,
    timers: TimerConfig,
    /// The request; empty once it is never sent again.
    message: Bytes,
    /// Timer E; after a recovery also the first sending.
    resend: Resend,
    /// Timer F or K.
    deadline: Option<Millis>,
}

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonInviteClientState {
    /// Nothing has answered.
    Trying,
    /// A provisional answer came; the request is still resent, more slowly.
    Proceeding,
    /// A final answer came; its repetitions are absorbed.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonInviteClientInput {
    /// Time has passed.
    Timer,
    /// An answer came.
    Response(ResponseClass),
    /// The last message could not be sent.
    TransportError,
}

/// What it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonInviteClientOutput {
    /// Send these bytes to the peer.
    Send(Bytes),
    /// Take notice.
    Event(NonInviteClientEvent),
}

/// What it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonInviteClientEvent {
    /// A provisional answer came.
    Provisional,
    /// The final answer came.
    Final,
    /// No final answer within 64×T1: as if a 408 had come.
    Timeout,
    /// The request could not be sent: as if a 503 had come (8.1.3.1).
    TransportError,
    /// It is over and can be dropped.
    Terminated,
}

impl NonInviteClient {
    /// Sends a request.
    #[must_use]
    pub fn new(now: Millis, timers: TimerConfig, reliable: bool, request: Bytes) -> Self {
        let mut client = Self::trying(now, timers, reliable, request);
        client.pending.send();
        if !reliable {
            client.resend = Resend::after_sending(now, timers.t1_ms());
        }
        client
    }

    /// Goes on with a request that a predecessor may or may not have sent: it is sent at
    /// `resend_at`, at once if that is past, and resent from then on as a new one would be.
    #[must_use]
    pub fn recover_trying(
        now: Millis,
        timers: TimerConfig,
        reliable: bool,
        request: Bytes,
        resend_at: Millis,
    ) -> Self {
        let first = resend_at.max(now);
        let mut client = Self::trying(first, timers, reliable, request);
        client.resend =
            if reliable { Resend::once(first) } else { Resend::sending_at(first, timers.t1_ms()) };
        client.unanswered(now, NonInviteClientInput::Timer);
        client
    }

    /// Handles what happened at `now`; then drain [`Self::poll`].
    pub fn handle(&mut self, now: Millis, input: NonInviteClientInput) {
        match self.state {
            NonInviteClientState::Trying | NonInviteClientState::Proceeding => {
                self.unanswered(now, input);
            }
            NonInviteClientState::Completed => self.in_completed(now, input),
            // 17.1.2.2: a terminated transaction is destroyed; whatever still comes is not for it.
            NonInviteClientState::Terminated => {}
        }
    }

    /// The next thing it wants, until there is none.
    pub fn poll(&mut self) -> Option<NonInviteClientOutput> {
        if self.pending.take_send() && !self.message.is_empty() {
            return Some(NonInviteClientOutput::Send(self.message.clone()));
        }
        self.pending.take_event().map(NonInviteClientOutput::Event)
    }

    /// When [`NonInviteClientInput::Timer`] is to be given next.
    #[must_use]
    pub fn next_timer(&self) -> Option<Millis> {
        self.resend.at().into_iter().chain(self.deadline).min()
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> NonInviteClientState {
        self.state
    }

    /// In Trying and Proceeding, which differ only in how fast timer E runs.
    fn unanswered(&mut self, now: Millis, input: NonInviteClientInput) {
        match input {
            NonInviteClientInput::Timer if self.is_past_deadline(now) => {
                self.pending.event(NonInviteClientEvent::Timeout);
                self.terminate();
            }
            NonInviteClientInput::Timer => {
                if self.resend.fire(now, self.timers.t2_ms()) {
                    self.pending.send();
                    if self.state == NonInviteClientState::Proceeding && !self.reliable {
                        // 17.1.2.2: from the first firing after a provisional answer on, E is T2.
                        self.resend = Resend::after_sending(now, self.timers.t2_ms());
                    }
                }
            }
            NonInviteClientInput::Response(ResponseClass::Provisional) => {
                self.state = NonInviteClientState::Proceeding;
                self.pending.event(NonInviteClientEvent::Provisional);
            }
            NonInviteClientInput::Response(ResponseClass::Success | ResponseClass::Failure) => {
                self.pending.event(NonInviteClientEvent::Final);
                self.message = Bytes::new();
                self.resend = Resend::OFF;
                if self.reliable {
                    self.terminate();
                } else {
                    self.state = NonInviteClientState::Completed;
                    self.deadline = Some(self.timers.linger(now));
                }
            }
            NonInviteClientInput::TransportError => {
                self.pending.event(NonInviteClientEvent::TransportError);
                self.terminate();
            }
        }
    }

    fn in_completed(&mut self, now: Millis, input: NonInviteClientInput) {
        match input {
            NonInviteClientInput::Timer => {
                if self.is_past_deadline(now) {
                    self.terminate();
                }
            }
            // 17.1.2.2: this state absorbs repeated answers.
            NonInviteClientInput::Response(
                ResponseClass::Provisional | ResponseClass::Success | ResponseClass::Failure,
            ) => {}
            // 17.1.2.2: nothing is sent in this state.
            NonInviteClientInput::TransportError => {}
        }
    }

    fn terminate(&mut self) {
        self.state = NonInviteClientState::Terminated;
        self.message = Bytes::new();
        self.resend = Resend::OFF;
        self.deadline = None;
        self.pending.event(NonInviteClientEvent::Terminated);
    }

    fn is_past_deadline(&self, now: Millis) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn trying(first: Millis, timers: TimerConfig, reliable: bool, message: Bytes) -> Self {
        Self {
            state: NonInviteClientState::Trying,
            reliable,
            pending: Pending::new(),
            timers,
            message,
            resend: Resend::OFF,
            deadline: Some(timers.timeout(first)),
        }
    }
}

impl EventKind for NonInviteClientEvent {
    const ALL: &'static [Self] =
        &[Self::Provisional, Self::Final, Self::Timeout, Self::TransportError, Self::Terminated];

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}
