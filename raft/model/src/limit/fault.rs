//! What can be wrong with a configuration of limits.

use serde::{Deserialize, Serialize};

use super::{Rate, Tokens};
use crate::Name;

/// A fault of a [`super::LimitConfig`]; nothing of it takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum LimitFault {
    /// Nobody could name it.
    #[error(
        "a {what} has an empty name, or one of {len} bytes: give it one of at most {max} bytes"
    )]
    Name {
        /// A class, an `each` or a cap.
        what: Name,
        /// Bytes of its name.
        len: u32,
        /// The most.
        max: u32,
    },
    /// Two things have one name.
    #[error("the name \"{name}\" is given twice: rename one of the two")]
    DuplicateName {
        /// The name.
        name: Name,
    },
    /// A parent does not exist.
    #[error("class \"{class}\" has the parent \"{parent}\", which is not defined")]
    UnknownParent {
        /// The class.
        class: Name,
        /// The parent it names.
        parent: Name,
    },
    /// A class is its own ancestor.
    #[error(
        "class \"{class}\" is part of \"{parent}\", which is part of \"{class}\": break the circle"
    )]
    Cycle {
        /// A class of the circle.
        class: Name,
        /// Its parent.
        parent: Name,
    },
    /// More is promised than there is.
    #[error(
        "the children of class \"{class}\" are assured {children} together, but it has only {assured}: lower theirs or raise its own"
    )]
    AssuredSum {
        /// The parent.
        class: Name,
        /// Its own.
        assured: Rate,
        /// The sum of the children's.
        children: Rate,
    },
    /// More can be saved up than the parent may.
    #[error(
        "the children of class \"{class}\" have a burst of {children} together, but it has only {burst}: lower theirs or raise its own"
    )]
    BurstSum {
        /// The parent.
        class: Name,
        /// Its own.
        burst: Tokens,
        /// The sum of the children's.
        children: Tokens,
    },
    /// What is left to lend could never pay for an operation.
    #[error(
        "class \"{class}\" has a burst of {burst}, of which its children have {children}: the rest must hold the {cost} that an operation costs, or what is not assured to a child is lost"
    )]
    NoRoomToLend {
        /// The parent.
        class: Name,
        /// Its own burst.
        burst: Tokens,
        /// The sum of the children's.
        children: Tokens,
        /// The cost of the dearest operation.
        cost: Tokens,
    },
    /// A promise that may not be kept.
    #[error("class \"{class}\" has a ceiling of {ceiling}, below its assured rate of {assured}")]
    CeilingBelowAssured {
        /// The class.
        class: Name,
        /// Its ceiling.
        ceiling: Rate,
        /// Its assured rate.
        assured: Rate,
    },
    /// A ceiling under which nothing can be borrowed.
    #[error(
        "class \"{class}\" has a ceiling_burst of {ceiling_burst}, of which {burst} are its own burst: what is left must hold the {cost} that an operation costs, or it could never borrow"
    )]
    CeilingBurst {
        /// The class.
        class: Name,
        /// Its ceiling's burst.
        ceiling_burst: Tokens,
        /// Its own burst.
        burst: Tokens,
        /// The cost of the dearest operation it is for.
        cost: Tokens,
    },
    /// A bucket that can never pay for an operation.
    #[error(
        "\"{class}\" has a rate of {rate} and a burst of {burst}, but an operation costs {cost}: it would never admit one"
    )]
    Burst {
        /// The class or `each`.
        class: Name,
        /// Its rate.
        rate: Rate,
        /// Its burst, with the debt it allows.
        burst: Tokens,
        /// The cost of the dearest operation it is for.
        cost: Tokens,
    },
    /// A rate of nothing, or too much.
    #[error("\"{class}\" has a rate of {rate}: it must be more than 0/s and at most {max}")]
    RateBounds {
        /// The class or `each`.
        class: Name,
        /// Its rate.
        rate: Rate,
        /// The highest.
        max: Rate,
    },
    /// A share has nothing to be a share of.
    #[error("\"{class}\" has a rate of {share}, but no parent that it could be a share of")]
    ShareOfNothing {
        /// The class or `each`.
        class: Name,
        /// The share.
        share: Rate,
    },
    /// A weight of nothing.
    #[error("class \"{class}\" has the weight {weight}: it must be from 1 to {max}")]
    Weight {
        /// The class.
        class: Name,
        /// Its weight.
        weight: u32,
        /// The largest.
        max: u32,
    },
    /// An action that cannot be carried out.
    #[error("\"{class}\" has the action \"{action}\", {why}")]
    Action {
        /// The class or `each`.
        class: Name,
        /// The action.
        action: Name,
        /// What is missing.
        why: Name,
    },
    /// A status that says something else than "later".
    #[error("\"{class}\" refuses with status {status}: only 429 and 503 say \"later\"")]
    Status {
        /// The class, `each` or cap; `default` for the whole.
        class: Name,
        /// The status.
        status: u16,
    },
    /// A mark that is no header field.
    #[error("\"{class}\" marks with {mark:?}: write a header field, such as \"X-Limit: over\"")]
    Mark {
        /// The class or `each`.
        class: Name,
        /// The mark.
        mark: Name,
    },
    /// A source that is no block of addresses.
    #[error("\"{class}\" matches the source {source_text:?}: write a block, such as 192.0.2.0/24")]
    Source {
        /// The class, `each` or cap.
        class: Name,
        /// The text.
        source_text: Name,
    },
    /// The trunk that a call goes to, where it is not known.
    #[error("\"{class}\" looks at trunk_out, which only caps can")]
    TrunkOut {
        /// The class or `each`.
        class: Name,
    },
    /// Too many of something.
    #[error("{count} {what}: at most {max} are possible")]
    TooMany {
        /// What.
        what: Name,
        /// How many.
        count: u64,
        /// How many are possible.
        max: u64,
    },
    /// A time that leases cannot have.
    #[error("lease_ms is {lease_ms}: it must be from {min} to {max}")]
    LeaseTime {
        /// As given.
        lease_ms: u64,
        /// The shortest.
        min: u64,
        /// The longest.
        max: u64,
    },
    /// A class that is not there.
    #[error("there is no class \"{class}\"")]
    UnknownClass {
        /// The name.
        class: Name,
    },
}
