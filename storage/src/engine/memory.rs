//! The engine for simulation: maps in memory that know what a crash would leave.
//!
//! Not for production: it keeps everything twice. Same meaning as [`crate::engine::RocksEngine`],
//! except that a crash loses *all* that is not yet durable, which a real one need not.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::engine::batch::{Batch, Op};
use crate::engine::{Direction, Durability, Engine, EngineError, KeyRange, Read, Table, Visit};

/// Tables in memory. Clones share one database.
#[derive(Clone, Default)]
pub struct MemoryEngine {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    live: Tables,
    durable: Tables,
    /// Written to the log's tables since the last sync, in order.
    unsynced: Vec<Op>,
    syncs: u64,
    fault: Option<Fault>,
    failed: bool,
}

/// A disk fault to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next write finds no room.
    DiskFull,
    /// The next write fails.
    Io,
}

type Map = BTreeMap<Vec<u8>, Bytes>;

/// One map per table; a view shares the maps, and the first write after it copies them.
#[derive(Clone, Default)]
struct Tables([Arc<Map>; Table::ALL.len()]);

impl MemoryEngine {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is left after a power cut: another database that holds only what was durable. This
    /// one refuses writes from now on, as a dead process would make none.
    #[must_use]
    pub fn crash(&self) -> Self {
        let mut shared = self.lock();
        shared.failed = true;
        let tables = shared.durable.clone();
        let left = Shared { live: tables.clone(), durable: tables, ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(left)) }
    }

    /// Lets the next write fail.
    pub fn inject(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// How many synced writes there were.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for MemoryEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.lock().live.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), EngineError> {
        // The visitor runs without the lock: it may read other tables.
        let tables = self.lock().live.clone();
        tables.scan(table, range, direction, visit)
    }
}

impl Engine for MemoryEngine {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        batch.check(durability)?;
        let mut shared = self.lock();
        shared.check_fault()?;
        for op in batch.ops() {
            shared.live.apply(op);
        }
        if durability != Durability::State {
            shared.unsynced.extend(batch.into_ops());
        }
        if durability == Durability::Synced {
            shared.sync();
        }
        Ok(())
    }

    fn view(&self) -> Box<dyn Read + '_> {
        Box::new(self.lock().live.clone())
    }

    fn flush_state(&self) -> Result<(), EngineError> {
        let mut shared = self.lock();
        shared.check_fault()?;
        shared.sync();
        shared.durable = shared.live.clone();
        Ok(())
    }
}

impl Shared {
    fn sync(&mut self) {
        self.syncs += 1;
        for op in std::mem::take(&mut self.unsynced) {
            self.durable.apply(&op);
        }
    }

    fn check_fault(&mut self) -> Result<(), EngineError> {
        let path = PathBuf::from("(memory)");
        if self.failed {
            return Err(EngineError::Failed { path });
        }
        let Some(fault) = self.fault.take() else { return Ok(()) };
        self.failed = true;
        let kind = match fault {
            Fault::DiskFull => std::io::ErrorKind::StorageFull,
            Fault::Io => std::io::ErrorKind::Other,
        };
        let cause = Arc::new(std::io::Error::from(kind));
        Err(match fault {
            Fault::DiskFull => EngineError::DiskFull { path, cause },
            Fault::Io => EngineError::Io { path, cause },
        })
    }
}

impl Tables {
    fn map(&self, table: Table) -> &Map {
        &self.0[usize::from(table.ordinal())]
    }

    fn apply(&mut self, op: &Op) {
        let map = Arc::make_mut(&mut self.0[usize::from(op.table().ordinal())]);
        match op {
            Op::Put(_, key, value) => {
                map.insert(key.clone(), value.clone());
            }
            Op::Delete(_, key) => {
                map.remove(key);
            }
            Op::DeleteRange(_, from, to) if from < to => {
                let mut tail = map.split_off(from);
                map.append(&mut tail.split_off(to));
            }
            Op::DeleteRange(..) => {}
        }
    }
}

impl Read for Tables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.map(table).get(key).map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), EngineError> {
        if range.from >= range.to {
            return Ok(());
        }
        let bounds = (Bound::Included(range.from), Bound::Excluded(range.to));
        let mut entries = self.map(table).range::<[u8], _>(bounds);
        let next = || match direction {
            Direction::Forward => entries.next(),
            Direction::Backward => entries.next_back(),
        };
        for (key, value) in std::iter::from_fn(next) {
            if visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEngine").finish_non_exhaustive()
    }
}
