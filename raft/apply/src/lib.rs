//! What each command does to the replicated tables: `apply(state, position, command)`.
//!
//! This crate is PURE, and deterministic: the outcome depends on nothing but the tables and the
//! command. Time is what the proposer stamped; there is no clock, no randomness, no hash order, no
//! float, and no SIP parser (a poisoned entry would crash every replica, for ever).
//!
//! An error of the tables is fatal to the node. Everything else is a [`Reply`], the same on every
//! replica; a [`Reply::Rejected`] command has changed nothing.
//!
//! Invariant: a call command that names another epoch than its slot's changes nothing.
//! Invariant: a repeated command (same call, same step) changes nothing and gets its first reply.
//! Invariant: the command that ends a call writes its CDR, and no other command writes one.

#![warn(
    missing_docs,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type
)]

mod ack_seen;
mod admit;
mod admit_node;
mod answer;
mod attempt;
mod branch_over;
mod call;
mod cancel;
mod cdr;
mod cdrs;
mod early;
mod end;
mod fail;
mod form_cluster;
mod hold_node;
mod limits;
mod location;
mod node_up;
mod put_user;
mod register;
mod remove_bindings;
mod remove_node;
mod remove_user;
mod session;
mod set_draining;
mod set_format;
mod set_homes;
mod set_trunk;
mod sweep;
mod sweep_bindings;
mod transfer_slots;

#[cfg(test)]
mod tests;

use holdline_limit::LimitState;
use holdline_model::{
    CdrId, Command, Disposition, Epoch, NodeId, Rejection, Reply, SlotId, TransferReason,
};

/// The place of a command in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Index of its entry.
    pub index: u64,
    /// Its place within the entry.
    pub position: u32,
}

/// What a command changed that the node itself has to act on, in log order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A slot has a new owner, or the same owner in a new epoch.
    SlotMoved {
        /// Which slot.
        slot: SlotId,
        /// Who owned it before; `None` when the cluster was formed.
        from: Option<NodeId>,
        /// Who owns it now.
        to: NodeId,
        /// In which epoch.
        epoch: Epoch,
        /// Why.
        reason: TransferReason,
    },
    /// A node announced itself, or its drain began or ended.
    NodeChanged(NodeId),
    /// The cluster was formed.
    Formed,
    /// A call ended, and how.
    CallEnded(CdrId, Disposition),
    /// The limits were replaced; this is their version now.
    LimitsChanged(u64),
    /// Slots have other homes.
    HomesChanged,
}

/// Applies one command; `actions` are appended to.
///
/// # Errors
/// Whatever error the tables return: the node must stop, and apply the entry again after a restart.
pub fn apply<S: LimitState>(
    state: &mut S,
    position: Position,
    command: &Command,
    actions: &mut Vec<Action>,
) -> Result<Reply, S::Error> {
    let outcome = match command {
        Command::Call(command) => call::apply(state, position, command, actions)?,
        Command::TransferSlots(command) => transfer_slots::apply(state, command, actions)?,
        Command::NodeUp(command) => node_up::apply(state, command, actions)?,
        Command::SetDraining(command) => set_draining::apply(state, position, *command, actions)?,
        Command::FormCluster(command) => form_cluster::apply(state, command, actions)?,
        Command::Sweep(command) => sweep::apply(state, *command)?,
        Command::PutUser(command) => put_user::apply(state, position, command)?,
        Command::RemoveUser(command) => remove_user::apply(state, position, command)?,
        Command::Register(command) => register::apply(state, position, command)?,
        Command::RemoveBindings(command) => remove_bindings::apply(state, command)?,
        Command::SweepBindings(command) => sweep_bindings::apply(state, *command)?,
        Command::SetLimits(command) => limits::set(state, position, command, actions)?,
        Command::ResetLimits(command) => limits::reset(state, position, command)?,
        Command::LeaseTokens(command) => limits::lease(state, command)?,
        Command::LimitTick(command) => limits::tick(state, *command)?,
        Command::SetTrunk(command) => set_trunk::apply(state, position, command)?,
        Command::AdmitNode(command) => admit_node::apply(state, command)?,
        Command::RemoveNode(command) => remove_node::apply(state, position, *command, actions)?,
        Command::SetHomes(command) => set_homes::apply(state, command, actions)?,
        Command::HoldNode(command) => hold_node::apply(state, position, *command)?,
        Command::Cdr(command) => cdrs::apply(state, position, command)?,
        Command::SetFormat(command) => set_format::apply(state, position, *command)?,
    };
    Ok(outcome.unwrap_or_else(Reply::Rejected))
}

/// The outcome of a command: its reply, or why it changed nothing.
type Outcome = Result<Reply, Rejection>;
