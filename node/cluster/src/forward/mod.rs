//! Forwarding between nodes: a datagram that reached the wrong node goes to the one that owns its
//! slot, and the answer comes back to leave from the address that the peer used. Unicast, for every
//! method.
//!
//! Each node opens one stream to each node that it has something to say to, and sends batches on
//! it. The answering half of the stream says hello and then only tells that the stream is alive, so
//! a pair of nodes that talk both ways has two streams, and none of them has to know of the other.
//!
//! What is forwarded is still a datagram: it may be lost, and is never sent twice. The SIP peer
//! retransmits. So every queue drops the newest when it is full, and nothing waits.
//!
//! | file | what |
//! |---|---|
//! | `wire`, `codec` | the messages and their encoding |
//! | `token` | the shared secret that every call carries |
//! | `connect` | how a channel connects |
//! | `forwarder` | what the node calls |
//! | `link` | the task that keeps the stream to one peer |
//! | `server` | what other nodes call |
//!
//! Invariant: no message is looked at before its token was found right, and none is acted on unless
//! it names this cluster and this node.
//! Invariant: a datagram makes at most [`MAX_HOPS`] hops, whatever the nodes believe about slots.

mod codec;
mod connect;
mod forwarder;
mod link;
mod options;
mod server;
mod token;
mod wire;

pub use connect::Connect;
pub use forwarder::{AskError, ForwardOutcome, Forwarder, Peer, PeerLink};
pub use options::ForwardOptions;
pub use server::{ForwardService, Refusal, Requests, service};
pub use token::{InvalidToken, Token};
pub use wire::{Direction, Forwarded, HangUpOutcome, Received};

/// How often a datagram may be forwarded: to the owner, and once more if the slot has just moved.
pub const MAX_HOPS: u8 = 2;

/// What `build.rs` generates.
mod generated {
    #![allow(
        unreachable_pub,
        missing_debug_implementations,
        clippy::all,
        clippy::pedantic,
        clippy::use_self,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    include!(concat!(env!("OUT_DIR"), "/holdline.forward.v1.Forward.rs"));
}

#[cfg(test)]
mod tests;
