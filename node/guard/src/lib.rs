//! What a node does by itself, before and beside consensus, so that neither a noisy neighbour nor
//! its own success takes it down.
//!
//! | part | what |
//! |---|---|
//! | [`Top`] | heavy hitters: a count-min sketch with a bounded set of candidates |
//! | [`Shield`] | limits per source address, before any state is made |
//! | [`Bans`] | blocks of addresses that are turned away, with expiry, merged between nodes |
//! | [`Overload`], [`Gate`] | how many new calls per second a saturated node lets in |
//! | [`Purse`], [`Lender`] | tokens leased from the cluster, spent here in nanoseconds |
//!
//! PURE: no clock, no randomness, no IO; time and seeds are arguments. Times are nanoseconds of the
//! node's monotonic clock (`now_ns`), or, where nodes must agree, [`holdline_model::Millis`]. Nothing here is
//! replicated state: what the whole cluster must agree on is evaluated in apply.
//!
//! Invariant: every table is bounded when it is made, and never grows.

#![warn(
    missing_docs,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

mod bans;
mod blocks;
mod emergency;
mod gate;
mod hash;
mod lease;
mod meter;
mod overload;
mod shield;
mod sketch;
mod tokens;
mod top;

pub use bans::{Ban, BanError, BanReason, BanScope, Bans};
pub use blocks::Blocks;
pub use emergency::EmergencyNumbers;
pub use gate::{Gate, GateCounts, Shut};
pub use hash::Seed;
pub use lease::{Ask, Lender, LenderOptions, Purse, PurseCounts, Take};
pub use meter::{Meter, Rate};
pub use overload::{Load, Overload, OverloadOptions, OverloadState};
pub use shield::{Cause, Shield, ShieldOptions, ShieldVerdict, Traffic};
pub use sketch::CountMin;
pub use tokens::Tokens;
pub use top::{Heavy, Top, TopOptions, merge};
