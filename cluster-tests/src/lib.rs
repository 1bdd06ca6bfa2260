//! Tests of Holdline on real processes: a cluster harness and user agents of our own.
//!
//! The crate shares no code with the switch. It starts `holdline` processes, talks SIP and HTTP to
//! them as any outsider would, kills them, and compares what three independent witnesses say:
//! the caller's ledger, the callee's ledger, and the call detail records.
//!
//! The binaries `demo` and `bench` and the tests in `tests/` are built on it.

/// Tests unwrap: errors are to be read in words there, too.
macro_rules! debug_in_words {
    ($($error:ty),+) => {$(
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )+};
}

pub mod cluster;
pub mod limited;
pub mod peers;
pub mod phone;
pub mod reconcile;
pub mod relay;
pub mod sipp;
pub mod stage;
pub mod ua;
