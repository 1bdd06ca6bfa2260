//! The back-to-back user agent: two dialogs per call, routing, and recovery of calls by another node.
//!
//! PURE: no clock, no randomness, no IO. [`CallEngine`] is a value that is fed with [`Input`]s and
//! asks for [`Output`]s; it proposes changes of calls as commands of `holdline-model` and sends
//! nothing that depends on them before they are decided (rule one: commit before you speak, see
//! docs/architecture.md). It does not find slots for messages, does not know nodes, does not open
//! sockets and reads no configuration: that is `node`.
//!
//! Invariant: no message that stops a peer's retransmission, or creates state in a peer, is output
//! before the command that lets another node continue was answered with success.
//! Invariant: every message that may have to be sent again is a function of the call's record.

#![warn(
    missing_docs,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

mod allowance;
mod behind;
mod call;
mod dialogs;
mod emergency;
mod engine;
mod event;
mod index;
mod input;
mod large;
mod listeners;
mod messages;
mod metered;
mod mirror;
mod names;
mod nonce;
mod options;
mod output;
mod outside;
mod recovery;
mod redirect;
mod refused;
mod registrar;
mod replaces;
mod routing;
mod sender;
mod session_timer;
mod shed;
mod timers;
mod transfer;
mod trunk_calls;
mod trunks;

#[cfg(test)]
mod tests;

pub use allowance::{Allowance, Allowed, Throttled, Unlimited};
pub use emergency::{Emergency, NoEmergency};
pub use engine::CallEngine;
pub use event::{Authentication, DropReason, Event, Refusal, Registration, Unconfirmed};
pub use input::{Input, Undecided};
pub use listeners::Listeners;
pub use names::{Names, NoNames, next_hop_name};
pub use options::{InvalidOptions, Options};
pub use output::Output;
pub use registrar::{Directory, NoUsers, RegistrarOptions, USERS, Unreadable};
pub use routing::{
    Alive, Cidr, GroupMember, HashOver, InvalidCidr, PeerSecret, Policy, Proof, Redirect, Route,
    Routing, RoutingError, Trunk, TrunkAddress, TrunkCredentials, TrunkGroup, TrunkPolicy,
    TrunkProxy, TrunkSecret, WhenDown,
};
pub use sender::{Certificates, NoCertificates, Sender};
pub use shed::NewCall;
pub use trunks::{
    BreakerOptions, ClusterSays, Gate, Heard, InvalidReport, ProbeId, ProbeOptions, Standing,
    Trials, TrunkEvent, TrunkHealth, TrunkInput, TrunkNews, TrunkOptions, TrunkOutput, TrunkReport,
    TrunkView, Trunks, WatchedTrunk,
};
