//! The non-INVITE server transaction (RFC 3261 section 17.2.2): BYE, CANCEL, OPTIONS and the like.
//!
//! It answers a repeated request with what was said last. It is silent until told: a request repeated
//! before anything was said is absorbed, so that the peer goes on repeating it until what it asks
//! for is committed.

use bytes::Bytes;
use holdline_model::Millis;

use super::TimerConfig;
use super::pending::{EventKind, Pending};

/// A request other than INVITE and ACK that we received.
#[derive(Clone, Debug)]
pub struct NonInviteServer {
    state: NonInviteServerState,
    reliable: bool,
    pending: Pending<NonInviteServerEvent>,
    timers: TimerConfig,
    /// What was said last; empty before.
    message: Bytes,
    /// Timer J.
    deadline: Option<Millis>,
}

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonInviteServerState {
    /// Nothing was said.
    Trying,
    /// A provisional answer was given.
    Proceeding,
    /// The final answer was given.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonInviteServerInput {
    /// Time has passed.
    Timer,
    /// The request came again.
    Request,
    /// The user's provisional answer.
    Provisional(Bytes),
    /// The user's final answer.
    Final(Bytes),
    /// The last message could not be sent.
    TransportError,
}

/// What it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonInviteServerOutput {
    /// Send these bytes to the peer.
    Send(Bytes),
    /// Take notice.
    Event(NonInviteServerEvent),
}

/// What it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonInviteServerEvent {
    /// An answer could not be sent: the transaction is over (17.2.4).
    TransportError,
    /// It is over and can be dropped.
    Terminated,
}

impl NonInviteServer {
    /// A request came. Nothing is said until the user says it.
    #[must_use]
    pub const fn new(timers: TimerConfig, reliable: bool) -> Self {
        Self {
            state: NonInviteServerState::Trying,
            reliable,
            pending: Pending::new(),
            timers,
            message: Bytes::new(),
            deadline: None,
        }
    }

    /// Goes on with a request that was answered finally: each repetition gets the answer again until
    /// timer J, set anew, ends it. Nothing is sent unasked: a peer that missed the answer asks again.
    #[must_use]
    pub fn recover_completed(
        now: Millis,
        timers: TimerConfig,
        reliable: bool,
        response: Bytes,
    ) -> Self {
        let mut server = Self::new(timers, reliable);
        server.state = NonInviteServerState::Completed;
        server.message = response;
        server.deadline = Some(timers.timeout(now));
        server
    }

    /// Handles what happened at `now`; then drain [`Self::poll`].
    pub fn handle(&mut self, now: Millis, input: NonInviteServerInput) {
        match self.state {
            NonInviteServerState::Trying | NonInviteServerState::Proceeding => {
                self.unanswered(now, input);
            }
            NonInviteServerState::Completed => self.in_completed(now, input),
            // 17.2.2: a terminated transaction is destroyed; whatever still comes is not for it.
            NonInviteServerState::Terminated => {}
        }
    }

    /// The next thing it wants, until there is none.
    pub fn poll(&mut self) -> Option<NonInviteServerOutput> {
        if self.pending.take_send() && !self.message.is_empty() {
            return Some(NonInviteServerOutput::Send(self.message.clone()));
        }
        self.pending.take_event().map(NonInviteServerOutput::Event)
    }

    /// When [`NonInviteServerInput::Timer`] is to be given next.
    #[must_use]
    pub const fn next_timer(&self) -> Option<Millis> {
        self.deadline
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> NonInviteServerState {
        self.state
    }

    /// In Trying and Proceeding, which differ only in whether a repetition has an answer.
    fn unanswered(&mut self, now: Millis, input: NonInviteServerInput) {
        match input {
            NonInviteServerInput::Request => {
                // 17.2.2: in Trying repetitions are discarded (the message is empty).
                if !self.message.is_empty() {
                    self.pending.send();
                }
            }
            NonInviteServerInput::Provisional(response) => {
                self.state = NonInviteServerState::Proceeding;
                self.message = response;
                self.pending.send();
            }
            NonInviteServerInput::Final(response) => {
                self.message = response;
                self.pending.send();
                if self.reliable {
                    // 17.2.2: timer J is 0, for nothing is repeated on a reliable transport.
                    self.finish();
                } else {
                    self.state = NonInviteServerState::Completed;
                    self.deadline = Some(self.timers.timeout(now));
                }
            }
            NonInviteServerInput::TransportError => self.fail(),
            // 17.2.2: no timer runs before the final answer.
            NonInviteServerInput::Timer => {}
        }
    }

    fn in_completed(&mut self, now: Millis, input: NonInviteServerInput) {
        match input {
            NonInviteServerInput::Timer => {
                if self.deadline.is_some_and(|deadline| deadline <= now) {
                    self.terminate();
                }
            }
            NonInviteServerInput::Request => self.pending.send(),
            NonInviteServerInput::TransportError => self.fail(),
            // 17.2.2: answers after the final one are discarded.
            NonInviteServerInput::Provisional(_) | NonInviteServerInput::Final(_) => {}
        }
    }

    fn fail(&mut self) {
        self.pending.event(NonInviteServerEvent::TransportError);
        self.terminate();
    }

    fn terminate(&mut self) {
        self.message = Bytes::new();
        self.finish();
    }

    /// Ends the transaction, leaving the message for a send that is still to be polled.
    fn finish(&mut self) {
        self.state = NonInviteServerState::Terminated;
        self.deadline = None;
        self.pending.event(NonInviteServerEvent::Terminated);
    }
}

impl EventKind for NonInviteServerEvent {
    const ALL: &'static [Self] = &[Self::TransportError, Self::Terminated];

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}
