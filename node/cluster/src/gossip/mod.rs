//! Gossip: who is there, where, and how busy. The only module that names `chitchat`.
//!
//! It discovers nodes from seeds and spreads small facts about them. It takes no part in deciding
//! whether a node is dead: its detection takes seconds, and nobody votes on it. The view is for
//! discovery, for operators, and for ending reconnection pauses early.
//!
//! Every datagram is sealed (`seal`): XChaCha20-Poly1305 with a key derived from the cluster key, so
//! strangers learn nothing and change nothing. A sealed datagram that is recorded and sent again
//! within the same cluster passes; chitchat's versions and heartbeats make that harmless, because
//! an old digest or delta never replaces a newer one.
//!
//! `chitchat` starts one task of its own and keeps an unbounded queue for commands that nobody here
//! sends; both end with [`Gossip`]'s task.

mod bulletin;
mod facts;
mod key;
mod options;
mod seal;
mod service;
mod socket;
mod transport;
mod view;

pub use bulletin::{Bulletin, Heard, TOPIC_BYTES};
pub use facts::{Load, MAX_TRUNK_BYTES, MAX_TRUNKS, NodeFacts};
pub use key::{ClusterKey, InvalidKey};
pub use options::GossipOptions;
pub use service::{Gossip, GossipError};
pub use socket::{GossipNetwork, GossipSocket, OpenGossip};
pub use view::{ClusterView, Member};

#[cfg(test)]
mod tests;
