//! SIP as values: messages, transactions and digest authentication. PURE: no clock, no randomness, no IO.
//!
//! Bytes go in and out through [`transaction`]'s machines and the message types; who sends them, and
//! when they were received, is said by the caller. What a call does with them is in `node/call`.

#![warn(
    missing_docs,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

pub mod digest;
pub mod framing;
pub mod locate;
pub mod message;
pub mod transaction;
