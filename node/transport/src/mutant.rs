//! A known bug, to prove the harness by: see `holdline_model::mutant`, which this crate does not know.

/// Whether this known bug is in force.
#[cfg(feature = "mutants")]
pub(crate) fn is(name: &str) -> bool {
    std::env::var("HOLDLINE_MUTANT").is_ok_and(|mutant| mutant == name)
}

/// Never: there are no known bugs without the feature.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_name: &str) -> bool {
    false
}
