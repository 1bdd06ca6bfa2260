//! Tests of the crate as a whole: openraft's storage suite on both engines, and clusters of nodes
//! in this process, each with a runtime of its own, talking over real sockets on 127.0.0.1.
//!
//! They are in the crate because they cut links between nodes (`network/peers.rs`), which nothing
//! outside may.

mod access;
mod calls;
mod cluster;
mod latency;
mod leases;
mod overlap;
mod placement;
mod proposing;
mod reads;
mod restart;
mod snapshots;
mod suite;
