//! Who may act as owner, and who is dead (`docs/architecture.md`, section 4).
//!
//! A node acts as owner only while it holds its [`Lease`]. It asks the leader for one again and
//! again; the leader, which notes when it heard whom ([`Contacts`]), grants it while a majority
//! follows it. The leader's own lease is its majority's latest acknowledgement.
//!
//! Why a lease has always ended before its holder is declared dead. Say a lease request is sent at
//! `s`, received at `r`, and granted when a majority had last acknowledged what the leader sent at
//! `q`. The grant is for `lease - (r - q)` from `s`, so it ends before `r + lease` and also before
//! `q + lease`.
//! - Declared dead by the leader that granted it: not before `r + lease + margin`.
//! - Declared dead by a later leader, elected at `e`: not before `e + lease + margin`, its own lease or, if
//!   that is longer, that of any leader before it (`longest`). Each
//!   majority that elects has a node in common with the majority that acknowledged, and that node
//!   acknowledged before it voted, so `q < e`. This needs no assumption about when the granting
//!   leader learns that it was deposed, and holds for a leadership that was handed over, too.
//! - A leader's own lease ends at `q + election_max`, which is less than `q + lease`.
//!
//! Why a node that is heard again does not act for slots that were taken from it. The node that moves
//! slots puts up a fence first, which stands only if the other node is dead, and keeps it until
//! the move is decided: meanwhile the other gets no lease. Afterwards, and after each election, a
//! node gets one only when it has applied what the leader's log then held, moves included.
//!
//! It does not move slots: the node does, when a [`Verdict`] is `Dead`.

mod cell;
mod contacts;
mod leader;
mod longest;
mod renewal;
mod verdict;

pub use cell::Lease;
pub(crate) use contacts::Board;
pub use contacts::{Contacts, NodeContact};
pub(crate) use leader::watch_nodes;
pub(crate) use longest::{LONGEST, Longest, tidy};
pub(crate) use renewal::{grant, renew};
pub use verdict::{Contact, Probe, ProbeOutcome, Rules, Verdict, verdict};
