//! A batch of writes: collected in order, carried out as one.

use bytes::Bytes;

use crate::engine::{Durability, EngineError, Table};

/// Writes that take effect together, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    ops: Vec<Op>,
    bytes: usize,
}

/// One write of a batch.
#[derive(Clone, Debug)]
pub enum Op {
    /// Sets a key's value.
    Put(Table, Vec<u8>, Bytes),
    /// Removes a key.
    Delete(Table, Vec<u8>),
    /// Removes the keys from the first, inclusive, to the second, exclusive.
    DeleteRange(Table, Vec<u8>, Vec<u8>),
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for some writes.
    #[must_use]
    pub fn with_capacity(writes: usize) -> Self {
        Self { ops: Vec::with_capacity(writes), bytes: 0 }
    }

    /// Makes room for some writes more.
    pub fn reserve(&mut self, writes: usize) {
        self.ops.reserve(writes);
    }

    /// Sets a key's value.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) {
        self.push(Op::Put(table, key.into(), value.into()));
    }

    /// Removes a key; it need not exist.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.push(Op::Delete(table, key.into()));
    }

    /// Removes the keys with `from <= key < to`.
    pub fn delete_range(&mut self, table: Table, from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) {
        self.push(Op::DeleteRange(table, from.into(), to.into()));
    }

    /// The writes, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Takes the writes, in order.
    #[must_use]
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Checks that every table may be written with `durability`.
    pub(super) fn check(&self, durability: Durability) -> Result<(), EngineError> {
        let state = durability == Durability::State;
        let wrong = self.ops.iter().map(Op::table).find(|table| table.is_state() != state);
        wrong.map_or(Ok(()), |table| Err(EngineError::WrongTable { table, durability }))
    }

    fn push(&mut self, op: Op) {
        self.bytes += op.bytes();
        self.ops.push(op);
    }
}

impl Op {
    /// The table written to.
    #[must_use]
    pub const fn table(&self) -> Table {
        match self {
            Self::Put(table, ..) | Self::Delete(table, _) | Self::DeleteRange(table, ..) => *table,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put(_, key, value) => key.len() + value.len(),
            Self::DeleteRange(_, from, to) => from.len() + to.len(),
            Self::Delete(_, key) => key.len(),
        }
    }
}
