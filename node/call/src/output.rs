//! What an engine asks for.

use std::net::SocketAddr;

use bytes::Bytes;
use holdline_model::CallCommand;

use crate::Event;

/// One output of a [`crate::CallEngine`], to be carried out in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A datagram to send.
    Send {
        /// The address of ours that it leaves from.
        from: SocketAddr,
        /// Where it goes.
        to: SocketAddr,
        /// The message.
        bytes: Bytes,
    },
    /// A command to propose; its outcome comes back as [`crate::Input::Decided`].
    Propose(CallCommand),
    /// Something worth counting or logging.
    Event(Event),
}
