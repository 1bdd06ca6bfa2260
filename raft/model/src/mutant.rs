//! Known bugs, to prove the harness by: it must find each of them (`jepsen mutants`).
//!
//! They exist only in the feature `mutants`, which only the binary `holdline-mutant` has; there the
//! variable `HOLDLINE_MUTANT` names the one that is in force. Without the feature [`is`] is a
//! constant, and nothing of them is compiled.

/// Whether this known bug is in force.
#[cfg(feature = "mutants")]
#[must_use]
pub fn is(name: &str) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::env::var("HOLDLINE_MUTANT").ok()).as_deref() == Some(name)
}

/// The node that this process is, for bugs that make nodes differ.
#[cfg(feature = "mutants")]
#[must_use]
pub fn node() -> Option<u64> {
    static NODE: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();
    *NODE.get_or_init(|| std::env::var("HOLDLINE_MUTANT_NODE").ok()?.parse().ok())
}

/// Never: there are no known bugs without the feature.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is(_name: &str) -> bool {
    false
}

/// Nobody asks without the feature.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn node() -> Option<u64> {
    None
}
