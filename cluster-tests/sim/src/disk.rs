//! A node's disk: the memory engine, with a witness of what becomes durable and what is applied.
//!
//! What a crash leaves is what the engine calls durable. How long a sync takes is up to the run.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use holdline_storage::engine::{
    Batch, Direction, Durability, Engine, EngineError, Fault, KeyRange, Op, Read, Visit,
};
use holdline_storage::{MemoryEngine, Table};

use crate::net::HostId;
use crate::trace::{FNV_OFFSET, fnv};

/// Hears of what nodes write, at the moment they do.
pub trait Witness: Send + Sync {
    /// An entry of the log is durable on a node.
    fn durable(&self, host: HostId, index: u64, entry: &Bytes);

    /// Entries from `from` to `to`, exclusive, are gone from a node's log; `purged` says that it
    /// was because the state holds them.
    fn gone(&self, host: HostId, from: u64, to: u64, purged: bool);

    /// A node's state is at the applied mark `mark`, and has that hash.
    fn applied(&self, host: HostId, mark: &[u8], hash: u64);
}

/// A disk. Clones are the same one.
#[derive(Clone)]
pub struct Disk {
    host: HostId,
    engine: MemoryEngine,
    witness: Arc<dyn Witness>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Of the state's tables: the sum of the hashes of their records.
    hash: u64,
    /// Written to the log since the last sync.
    buffered: Vec<Op>,
    sync_ms: u64,
    /// It says that it has synced, and has not.
    lies: bool,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new(host: HostId, witness: Arc<dyn Witness>) -> Self {
        Self { host, engine: MemoryEngine::new(), witness, shared: Arc::default() }
    }

    /// What is left when the machine loses power.
    #[must_use]
    pub fn crash(&self) -> Self {
        let engine = self.engine.crash();
        let sync_ms = self.lock().sync_ms;
        let lies = self.lock().lies;
        let shared = Shared { hash: hash(&engine), buffered: Vec::new(), sync_ms, lies };
        let witness = Arc::clone(&self.witness);
        Self { host: self.host, engine, witness, shared: Arc::new(Mutex::new(shared)) }
    }

    /// From now on it only says that it has synced: a bug that the judge must find.
    pub fn lie(&self) {
        self.lock().lies = true;
    }

    /// From now on a sync takes so long.
    pub fn set_sync(&self, ms: u64) {
        self.lock().sync_ms = ms;
    }

    /// How long a sync takes.
    #[must_use]
    pub fn sync_time(&self) -> Duration {
        Duration::from_millis(self.lock().sync_ms)
    }

    /// The hash of the replicated state.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.lock().hash
    }

    /// Lets the next write fail.
    pub fn fail(&self, fault: Fault) {
        self.engine.inject(fault);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the state's hash changes by when `op` is carried out: nothing, if it is about what a
    /// node makes for itself, such as its index of the call detail records.
    fn change(&self, op: &Op) -> u64 {
        let (Op::Put(table, ..) | Op::Delete(table, _) | Op::DeleteRange(table, ..)) = op;
        if !Table::STATE.contains(table) {
            return 0;
        }
        let held = |table, key: &[u8]| {
            let value = self.engine.get(table, key).ok().flatten();
            value.map_or(0, |value| record(table, key, &value))
        };
        match op {
            Op::Put(table, key, value) => {
                record(*table, key, value).wrapping_sub(held(*table, key))
            }
            Op::Delete(table, key) => 0_u64.wrapping_sub(held(*table, key)),
            Op::DeleteRange(table, from, to) => {
                let range = KeyRange { from, to };
                0_u64.wrapping_sub(sum(&self.engine, *table, range))
            }
        }
    }

    fn report(&self, ops: &[Op]) {
        for (place, op) in ops.iter().enumerate() {
            match op {
                Op::Put(Table::Log, key, entry) => {
                    self.witness.durable(self.host, index(key), entry);
                }
                Op::DeleteRange(Table::Log, from, to) => {
                    // A purge writes its mark right after.
                    let next = ops.get(place + 1);
                    let purged = matches!(next, Some(Op::Put(Table::Vote, key, _)) if key.last() == Some(&PURGE_MARK));
                    self.witness.gone(self.host, index(from), index(to), purged);
                }
                Op::Put(..) | Op::Delete(..) | Op::DeleteRange(..) => {}
            }
        }
    }
}

impl Read for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.engine.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), EngineError> {
        self.engine.scan(table, range, direction, visit)
    }
}

impl Engine for Disk {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        let ops = batch.ops().to_vec();
        if durability == Durability::State {
            // One after the other: later ones may be about the same keys.
            let mut mark = None;
            for op in ops {
                let change = self.change(&op);
                let mut one = Batch::new();
                match op {
                    Op::Put(table, key, value) => {
                        if table == Table::Meta && key.last() == Some(&APPLIED_MARK) {
                            mark = Some(value.clone());
                        }
                        one.put(table, key, value);
                    }
                    Op::Delete(table, key) => one.delete(table, key),
                    Op::DeleteRange(table, from, to) => one.delete_range(table, from, to),
                }
                self.engine.write(one, durability)?;
                let mut shared = self.lock();
                shared.hash = shared.hash.wrapping_add(change);
            }
            if let Some(mark) = mark {
                let hash = self.lock().hash;
                self.witness.applied(self.host, &mark, hash);
            }
            return Ok(());
        }
        let lies = self.lock().lies;
        let durability = if lies { Durability::Buffered } else { durability };
        self.engine.write(batch, durability)?;
        let mut shared = self.lock();
        shared.buffered.extend(ops);
        if durability == Durability::Synced {
            let durable = std::mem::take(&mut shared.buffered);
            drop(shared);
            self.report(&durable);
        }
        Ok(())
    }

    fn view(&self) -> Box<dyn Read + '_> {
        self.engine.view()
    }

    fn flush_state(&self) -> Result<(), EngineError> {
        self.engine.flush_state()?;
        let durable = std::mem::take(&mut self.lock().buffered);
        self.report(&durable);
        Ok(())
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("host", &self.host).finish_non_exhaustive()
    }
}

/// The hash of everything in the state's tables.
fn hash(engine: &MemoryEngine) -> u64 {
    let range = KeyRange { from: &[], to: &[0xff; 32] };
    Table::STATE.iter().fold(0, |hash, table| hash.wrapping_add(sum(engine, *table, range)))
}

fn sum(engine: &MemoryEngine, table: Table, range: KeyRange<'_>) -> u64 {
    let mut sum = 0_u64;
    // The memory engine reads without faults.
    let _read = engine.scan(table, range, Direction::Forward, &mut |key, value| {
        sum = sum.wrapping_add(record(table, key, value));
        std::ops::ControlFlow::Continue(())
    });
    sum
}

fn record(table: Table, key: &[u8], value: &[u8]) -> u64 {
    let hash = fnv(FNV_OFFSET, &[table.ordinal()]);
    fnv(fnv(fnv(hash, key), &[0xff]), value)
}

/// Keys of the log: group, index.
fn index(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |index| u64::from_be_bytes(*index))
}

/// See `storage/src/tables/meta.rs`.
const APPLIED_MARK: u8 = 0;

/// See `storage/src/log/keys.rs`.
const PURGE_MARK: u8 = 2;
