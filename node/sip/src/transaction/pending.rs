//! What a machine has to say and was not asked for yet.
//!
//! One handled input makes at most one message and a few events, so this is a flag and a set
//! instead of a queue: it needs two bytes, and cannot grow when its user forgets to drain it. The
//! message comes first, then the events in the order of their enum, which is the order of time.

use std::marker::PhantomData;

/// An event without fields, with a place in its enum.
pub(super) trait EventKind: Copy + 'static {
    /// All events in the order in which they are handed out; at most 8.
    const ALL: &'static [Self];
    /// The bit that stands for this event, different for each.
    fn bit(self) -> u8;
}

/// The message (stored in the machine) and the events that `poll` is to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending<E> {
    send: bool,
    events: u8,
    kind: PhantomData<E>,
}

impl<E: EventKind> Pending<E> {
    /// Nothing.
    pub(super) const fn new() -> Self {
        Self { send: false, events: 0, kind: PhantomData }
    }

    /// The stored message is to be sent.
    pub(super) const fn send(&mut self) {
        self.send = true;
    }

    /// An event is to be handed out.
    pub(super) fn event(&mut self, event: E) {
        self.events |= event.bit();
    }

    /// Whether the stored message is to be sent; asks once.
    pub(super) const fn take_send(&mut self) -> bool {
        std::mem::replace(&mut self.send, false)
    }

    /// The next event.
    pub(super) fn take_event(&mut self) -> Option<E> {
        let event = E::ALL.iter().copied().find(|event| self.events & event.bit() != 0)?;
        self.events &= !event.bit();
        Some(event)
    }
}
