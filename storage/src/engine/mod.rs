//! Ordered tables of bytes with atomic batches: what the rest of the crate asks of a database.
//!
//! Two implementations with the same meaning: [`RocksEngine`] for nodes, [`MemoryEngine`] for
//! simulation; one test suite runs on both. An engine knows neither records nor Raft.
//!
//! Invariant: a batch takes effect as a whole or not at all, across a crash too.
//! Invariant: [`Durability::State`] writes are lost by a crash as a whole back to the last
//! flush of the state, never in part: all state tables flush atomically.

mod batch;
mod error;
mod memory;
mod rocks;
mod rocks_floors;
mod rocks_options;
mod sealed;
mod table;

use std::fmt;
use std::ops::ControlFlow;

use holdline_model::GroupId;

pub use batch::{Batch, Op};
pub use error::{Cause, EngineError};
pub use memory::{Fault, MemoryEngine};
pub use rocks::{OnDamage, RocksEngine};
pub use rocks_options::RocksOptions;
pub use sealed::{Anew, SealedEngine};
pub use table::Table;

/// What a scan calls for each key and value, in order, until it breaks.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Reads: of the newest state through an [`Engine`], of a fixed one through its view.
pub trait Read {
    /// The value of one key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Calls `visit` for every key with `from <= key < to`, in the order of `direction`, until it
    /// breaks. One scan sees one state of the table, whatever is written meanwhile.
    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), EngineError>;
}

/// A database with the tables of [`Table`].
///
/// Every call may block on the disk. After a failed write the engine's contents are unknown until
/// it is opened again; callers stop.
pub trait Engine: Read + fmt::Debug + Send + Sync {
    /// Writes a batch.
    ///
    /// # Errors
    /// [`EngineError::WrongTable`] if the batch has a table that the durability is not for; nothing
    /// is written then. Any other error: the outcome is unknown.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError>;

    /// A consistent view of all tables as they are now. Holds back the reclaiming of what is
    /// overwritten meanwhile: do not keep it for long.
    fn view(&self) -> Box<dyn Read + '_>;

    /// Makes all state written so far durable, in one atomic step, and the log with it.
    fn flush_state(&self) -> Result<(), EngineError>;

    /// The key of the hashes in [`Table::CdrIndex`]; zeros where nothing is to be hidden.
    fn index_key(&self) -> [u8; 16] {
        [0; 16]
    }

    /// How many bytes the state has, about; 0 if that is not known.
    fn about_bytes(&self) -> u64 {
        0
    }

    /// Entries of [`Table::CdrIndex`] about records of log entries before `index` may be dropped,
    /// whenever it suits the engine.
    fn set_cdr_floor(&self, _group: GroupId, _index: u64) {}

    /// Gives back the room of what was removed from a range. Takes as long as the range is large.
    fn compact(&self, _table: Table, _range: KeyRange<'_>) -> Result<(), EngineError> {
        Ok(())
    }
}

/// How safe a written batch is when `write` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Survives a power cut, and so does everything written [`Durability::Buffered`] before. For
    /// the log's tables.
    Synced,
    /// Survives the process; survives a power cut after the next synced write. For the log's tables.
    Buffered,
    /// Survives after the next [`Engine::flush_state`]. For the state's tables.
    State,
}

/// The keys with `from <= key < to`.
#[derive(Clone, Copy, Debug)]
pub struct KeyRange<'a> {
    /// The first key.
    pub from: &'a [u8],
    /// The key after the last.
    pub to: &'a [u8],
}

/// The order of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Ascending.
    Forward,
    /// Descending.
    Backward,
}

#[cfg(test)]
mod suite;
