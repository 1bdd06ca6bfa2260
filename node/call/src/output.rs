//! What an engine asks for.

use bytes::Bytes;
use holdline_model::{CallCommand, Hop, Register};

use crate::Event;

/// One output of a [`crate::CallEngine`], to be carried out in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A message to send.
    Send {
        /// How it goes. If that is a connection and it is gone, the message says where else it goes.
        hop: Hop,
        /// The message.
        bytes: Bytes,
    },
    /// A command to propose; its outcome comes back as [`crate::Input::Decided`].
    Propose(CallCommand),
    /// A REGISTER to propose; its outcome comes back as [`crate::Input::Registered`].
    Register {
        /// Tells it from others of this engine.
        ticket: u64,
        /// The command.
        command: Box<Register>,
    },
    /// A request is about to be refused by what this node knows: it is to apply everything that is committed by
    /// now, and tell so by [`crate::Input::CaughtUp`].
    CatchUp {
        /// Tells it from others of this engine.
        ticket: u64,
    },
    /// Something worth counting or logging.
    Event(Event),
}
