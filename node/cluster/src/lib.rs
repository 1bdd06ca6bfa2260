//! What a node knows of the other nodes, and how it reaches them: gossip, the planning of slot
//! ownership, and the forwarding of datagrams to whom they belong.
//!
//! This crate decides nothing about a call, and no death: gossip discovers and informs; the Raft
//! leader detects and decides, with the help of [`ownership`].

pub mod forward;
pub mod gossip;
pub mod ownership;
