//! The replicated records of one Raft group as keys and values of an engine.
//!
//! One file per record, with its key layout and golden bytes. Every key starts with the group's id
//! (two bytes, big endian, as all numbers in keys), so that keys sort as their ids do and groups
//! can share an engine. Values are written by [`crate::codec`].
//!
//! It is not where commands are carried out: `raft/apply` does that, through [`StateBatch`].
//!
//! Invariant: a batch and the applied mark that it brings are written as one.

mod batch;
mod binding_ends;
mod cache;
mod calls;
mod cdr_index;
mod cdrs;
mod error;
mod expiry;
mod key;
mod limits;
pub(crate) mod locations;
mod meta;
mod nodes;
mod query;
mod reader;
mod recent;
mod registrar;
mod slots;
mod store;
mod unwritten;
mod users;

pub use batch::StateBatch;
pub use calls::CallCounts;
pub(crate) use cdr_index::is_index_entry_below;
pub use cdr_index::{IndexState, Oldest};
pub use error::StateError;
pub use query::{CallPage, CdrPage, CdrQuery, LocationPage, UserPage};
pub use reader::StateReader;
pub use store::StateStore;

pub(crate) use key::{Key, group_range};
pub(crate) use meta::{applied_key, cluster_key, format_key, membership_key};

#[cfg(test)]
mod tests;
