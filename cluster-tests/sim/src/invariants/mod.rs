//! What must be true, one file each.
//!
//! | file | what | when it is looked at |
//! |---|---|---|
//! | `leader` | one leader per term | every step |
//! | `owner` | one acting owner per slot and epoch, and per slot outside planned moves | every step |
//! | `committed` | what is applied is durable on a majority and stays; equal applied index, equal state | every write |
//! | `rule_one` | nothing is said before what it rests on is committed; what is said again is the same | every datagram |
//! | `sequence` | CSeq and SDP versions never go back | every datagram |
//! | `ledgers` | every call ends; one CDR per answered call; nothing acknowledged is lost | at the end |
//! | `convergence` | after healing: one leader, equal states, all slots owned, fresh calls | at the end |
//!
//! Caps and buckets have no file: the switch has no limits yet. [`LEFT_OUT`] says so in every run.

pub mod committed;
pub mod convergence;
pub mod leader;
pub mod ledgers;
pub mod owner;
pub mod rule_one;
pub mod sequence;

/// What a run does not check, and why.
pub const LEFT_OUT: &str = "LEFT OUT: caps and buckets (the switch has no limits yet); wall clocks \
    more than a second apart, unless --wild-clocks is given (the switch does not stand them)";
