//! Deterministic simulation: whole clusters of the real node in one process, on virtual time, with
//! simulated callers, callees and networks, all of it decided by one seed.
//!
//! | module | what |
//! |---|---|
//! | [`os`] | time and randomness, beneath the standard library |
//! | [`random`], [`trace`] | the seed's numbers; what happened |
//! | [`net`] | links, datagrams, streams |
//! | [`disk`] | a disk with a witness |
//! | [`machine`], [`host`] | what a node stands on; a node with its clocks |
//! | [`far_end`], [`workload`] | callers and callees; what they do |
//! | [`faults`] | what goes wrong |
//! | [`judge`], [`invariants`] | what must be true |
//! | [`world`], [`run`] | all of it together; one run from its seed to its verdict |
//!
//! A failing run says its seed and the command that replays it: `cargo run -p holdline-sim -- --seed N`.
//!
//! What it does not see: more than a millisecond's order within a node, the kernel, RocksDB, TLS,
//! the admin API's HTTP; the crash-point sweep (`node/call/tests/crash_points`), the storage tests and
//! the tests on real processes look at those.

pub mod config;
pub mod disk;
pub mod far_end;
pub mod faults;
pub mod host;
pub mod invariants;
pub mod judge;
pub mod machine;
pub mod net;
pub mod os;
pub mod random;
pub mod run;
pub mod trace;
pub mod workload;
pub mod world;
