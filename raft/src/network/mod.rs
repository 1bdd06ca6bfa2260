//! How the nodes of a group talk: gRPC over HTTP/2, with messages in Holdline's own encoding.
//!
//! | file | what |
//! |---|---|
//! | `wire` | the messages |
//! | `codec` | their encoding, as tonic wants it |
//! | `token` | the shared secret that every call carries |
//! | `connect` | how a channel connects |
//! | `peers` | channels to the other nodes |
//! | `client` | what openraft sends |
//! | `append_stream` | replication to one follower |
//! | `exchange` | questions and answers on a stream that stays open |
//! | `snapshot_stream` | a snapshot on its way, in chunks |
//! | `server` | what is answered |
//!
//! It decides nothing: it carries what openraft, the batcher and the lease want to say.
//!
//! Invariant: no message is looked at before its token was found right, and none is acted on unless
//! it names this cluster, this group and this node.

mod append_stream;
pub(crate) mod client;
pub(crate) mod codec;
mod connect;
pub(crate) mod exchange;
pub(crate) mod peers;
pub(crate) mod server;
mod snapshot_stream;
mod spare;
pub(crate) mod token;
pub(crate) mod wire;

pub use connect::Connect;
pub use token::{ClusterToken, InvalidToken};

/// What `build.rs` generates.
pub(crate) mod service {
    #![allow(
        unreachable_pub,
        missing_debug_implementations,
        clippy::all,
        clippy::allow_attributes_without_reason,
        clippy::pedantic,
        clippy::use_self,
        reason = "generated code"
    )]
    include!(concat!(env!("OUT_DIR"), "/holdline.raft.v1.Raft.rs"));
}
