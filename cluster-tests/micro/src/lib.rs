//! Micro-benchmarks: what one message, one step, one command costs, without network and without
//! the rest of the cluster. `make bench-micro` runs them; `docs/benchmarks.md` says how to read them.
//!
//! The cases are here, once; who measures them is a [`Meter`]: `benches/time.rs` with criterion's
//! clock, `benches/counts.rs` with an allocator that counts and, under valgrind, instructions.
//! `micro-report` puts both beside the stored baseline.
//!
//! One crate instead of a `benches/` folder in each: a case of storage needs commands, which only
//! a call engine makes, and the PURE crates stay free of it, RocksDB is linked once.
//!
//! | group | what | calibrated by |
//! |---|---|---|
//! | `sip` | reading and building messages | processor |
//! | `transaction` | a transaction machine, from its first message to its last | processor |
//! | `call` | the call engine: a whole call, and its parts | processor |
//! | `guard` | shield, bans, heavy hitters, overload gate, leased tokens | processor |
//! | `limit` | the verdict of the limits, leased tokens found and spent | processor |
//! | `codec` | bytes of commands, records, entries | processor |
//! | `apply-memory`, `apply-rocks` | a command, from bytes to the committed batch | processor |
//! | `log-memory` | an append, until it is said to be durable, without a disk | thread wake-up |
//! | `log-rocks` | the same with fsync | fsync |

mod apply;
mod calibrate;
mod call;
mod codec;
mod guard;
mod limit;
mod log;
pub mod meter;
mod samples;
mod scratch;
mod script;
mod sip;
mod transaction;

use meter::Meter;

/// Runs every case that the meter wants.
pub fn run(meter: &mut dyn Meter) {
    sip::run(meter);
    transaction::run(meter);
    call::run(meter);
    codec::run(meter);
    guard::run(meter);
    limit::run(meter);
    apply::run_on_memory(meter);
    apply::run_on_rocks(meter);
    log::run_on_memory(meter);
    log::run_on_rocks(meter);
}
