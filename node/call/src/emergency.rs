//! Which dialled URIs are calls of emergency: those must be tried whatever is known of the trunks.
//!
//! The engine has no list of its own: the numbers are those of the limits in force, which change while
//! it runs.

use std::fmt;

/// The numbers of emergency.
pub trait Emergency: fmt::Debug + Send + Sync {
    /// Whether a Request-URI is one of them.
    fn matches(&self, request_uri: &str) -> bool;
}

/// Nothing is an emergency.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEmergency;

impl Emergency for NoEmergency {
    fn matches(&self, _request_uri: &str) -> bool {
        false
    }
}
