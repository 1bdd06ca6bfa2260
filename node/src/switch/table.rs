//! The slot table that every datagram is judged by: replaced as a whole, read without a lock.

use std::sync::Arc;

use arc_swap::ArcSwap;
use holdline_cluster::ownership::SlotTable;

/// The present [`SlotTable`]. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedTable {
    table: Arc<ArcSwap<SlotTable>>,
}

impl SharedTable {
    /// The table as it is now.
    pub(crate) fn load(&self) -> SlotTable {
        SlotTable::clone(&self.table.load())
    }

    /// Replaces it.
    pub(crate) fn publish(&self, table: SlotTable) {
        self.table.store(Arc::new(table));
    }
}
