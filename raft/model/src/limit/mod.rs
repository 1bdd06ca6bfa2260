//! The words of limits: what an operator configures, what a request needs, what the verdict is.
//!
//! How buckets fill and who may take from them is in `raft/limit`; that the verdict is part of the
//! admission's reply is in `raft/apply`. Amounts are whole numbers of billionths of a token, rates
//! billionths per millisecond: there is no float and no rounding that could add up.

mod config;
mod fault;
mod lease;
mod rate;
mod request;
mod tokens;
mod verdict;

pub use config::{
    Action, Borrow, CapConfig, ClassConfig, Dimension, EachConfig, LimitConfig, Match,
};
pub use fault::LimitFault;
pub use lease::{LeaseTokens, TokenGrant};
pub use rate::{InvalidRate, Rate};
pub use request::{Demand, Operation, Request};
pub use tokens::{InvalidTokens, Tokens};
pub use verdict::{LimitRefusal, Passage, Shortage, Verdict};
