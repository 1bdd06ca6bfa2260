//! Limits: trees of token buckets, buckets made on demand, caps on calls that are up.
//!
//! A [`LimitTable`] is the replicated state of all limits. `raft/apply` asks it within the entry
//! that admits a call, so every replica computes the same verdict from the same log; `storage` keeps
//! its [`Change`]s; `holdline limit simulate` asks the very same code offline.
//!
//! **How tokens flow.** Tokens are made at the roots of the trees only, at each root's assured rate.
//! A class hands its children their assured rates and keeps the rest; what does not fit into a full
//! bucket rises to the parent's. So all that a tree holds is at most its root's burst, and whatever
//! happens beneath, what a root admits over any window is at most rate × time + burst: there is no
//! second count that could disagree. A class takes from its own bucket, then from its parent's, as far
//! as it may borrow; a ceiling is a bucket besides, that all it borrows must pass.
//! What a bucket has to lend is set aside, as it comes, for those of its children that ask (in the
//! last second), the highest priority first, in proportion to their weights: a deficit round robin
//! whose rounds are the moments at which time passes. What one of them leaves unused goes to the
//! others, and after a second of silence all that was set aside for it.
//!
//! This crate is PURE: time comes from entries ([`LimitClock`] says how), amounts are whole numbers,
//! and nothing is iterated in the order of a hash.
//!
//! A ceiling counts what is borrowed, at the ceiling less the assured rate, so that borrowing can never
//! be in the way of what is assured.
//!
//! Invariant: over any window of the limits' clock, what a class admits is at most its ceiling × time +
//! ceiling burst (+ debts beneath), and what a tree admits its root's rate × time + burst (+ debts).
//! Invariant: a class that asks gets its assured rate, whatever others do.
//! Invariant: a refused request has taken nothing.

#![warn(
    missing_docs,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

mod bucket;
mod calls;
mod change;
mod clock;
mod each;
mod lease;
mod plan;
mod refusals;
mod state;
mod table;
mod tree;
mod view;

#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Shape};
pub use calls::UpCall;
pub use change::{Change, Record};
pub use clock::LimitClock;
pub use each::BucketKey;
pub use lease::{Lease, LeaseKey};
pub use plan::{Lending, Plan, check};
pub use refusals::{Refused, Transaction};
pub use state::LimitState;
pub use table::{Ask, LimitTable, Settings};
pub use tree::Levels;
pub use view::{CapView, ClassView, EachView, LimitView};
