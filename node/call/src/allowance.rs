//! What is let in although it rides on no admission: REGISTER, OPTIONS, MESSAGE, SUBSCRIBE. It spends
//! tokens that the node has leased from the cluster's limits; whoever runs the engine knows of them.

use std::fmt;

use holdline_model::Name;
use holdline_model::limit::Request;

/// The tokens that this node has leased.
pub trait Allowance: fmt::Debug + Send + Sync {
    /// Spends what a request costs, if it is there. At once: nothing is asked for and waited for.
    /// `again`: the request was told to wait before, and is no new demand.
    fn take(&self, request: &Request<'_>, again: bool) -> Allowed;
}

/// Whether a request is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It is.
    Pass,
    /// There may be tokens in a moment: they are being asked for.
    Wait(Throttled),
    /// It is not: the cluster has no tokens for it.
    Refused(Throttled),
}

/// Who has no tokens, and what that is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// The class.
    pub class: Name,
    /// 429 or 503.
    pub status: u16,
    /// When there will be some, in milliseconds; at least 1.
    pub retry_after_ms: u64,
}

/// An allowance without end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Allowance for Unlimited {
    fn take(&self, _request: &Request<'_>, _again: bool) -> Allowed {
        Allowed::Pass
    }
}
