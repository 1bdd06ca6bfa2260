//! The engine for nodes: one RocksDB, one column family per table. The only file that names it.
//!
//! - `atomic_flush`: all column families flush together, so what survives a crash is one state of
//!   all tables with its applied mark. Log and vote are in the write-ahead log besides.
//! - The write-ahead log is *not* recycled, since RocksDB refuses writes without it otherwise.
//! - Recovery stops at the first damaged record (point in time): what follows was never synced.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdline_model::{GroupId, mutant};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRawIterator, DBRecoveryMode, ErrorKind, FlushOptions, LogLevel, Options, ReadOptions,
    Snapshot, WriteBatch, WriteOptions,
};

use crate::engine::batch::{Batch, Op};
use crate::engine::rocks_floors::CdrFloors;
use crate::engine::{
    Direction, Durability, Engine, EngineError, KeyRange, Read, RocksOptions, Table, Visit,
};

/// A RocksDB database.
pub struct RocksEngine {
    /// Before the others, because it is to be closed when `told` is dropped.
    db: DB,
    path: PathBuf,
    /// Set by the first failed write. RocksDB may come back from some failures by itself, but
    /// what a failed sync has left on disk is unknown until the log is read again.
    failed: AtomicBool,
    floors: Arc<CdrFloors>,
    /// Is told, once, what is damaged.
    told: Option<OnDamage>,
    damaged: AtomicBool,
}

/// Is told what is damaged, in the words of the database, which name the file. It must not use the
/// database.
pub type OnDamage = Box<dyn Fn(&str) + Send + Sync>;

impl RocksEngine {
    /// Opens the database in the folder `path`, or makes it.
    ///
    /// # Errors
    /// [`EngineError::InUse`] if another process has it open, [`EngineError::Corrupt`] if it is
    /// damaged, else [`EngineError::DiskFull`] or [`EngineError::Io`].
    pub fn open(path: &Path, options: &RocksOptions) -> Result<Self, EngineError> {
        let cache = Cache::new_lru_cache(options.block_cache_bytes);
        let floors = Arc::new(CdrFloors::default());
        let tables = Table::ALL.map(|table| {
            let mut of_table = table_options(table, options, &cache);
            if table == Table::CdrIndex {
                CdrFloors::drop_below(&floors, &mut of_table);
            }
            ColumnFamilyDescriptor::new(table.as_str(), of_table)
        });
        let db = DB::open_cf_descriptors(&database_options(options), path, tables)
            .map_err(|cause| describe(path, cause))?;
        let (failed, damaged) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { db, path: path.to_owned(), failed, floors, told: None, damaged })
    }

    /// Has `told` called, once, when stored bytes are found not to be what was written: nothing is
    /// written any more then. It is dropped when the database is closed.
    #[must_use]
    pub fn telling(mut self, told: OnDamage) -> Self {
        self.told = Some(told);
        self
    }

    /// Turns RocksDB's text into a fact, and tells of damage.
    fn describe(&self, cause: rocksdb::Error) -> EngineError {
        let error = describe(&self.path, cause);
        if let EngineError::Corrupt { cause, .. } = &error
            && !self.damaged.swap(true, Ordering::AcqRel)
        {
            self.failed.store(true, Ordering::Release);
            if let Some(told) = &self.told {
                told(&cause.to_string());
            }
        }
        error
    }

    fn table(&self, table: Table) -> Result<&ColumnFamily, EngineError> {
        self.db.cf_handle(table.as_str()).ok_or_else(|| EngineError::Corrupt {
            path: self.path.clone(),
            cause: Arc::new(MissingTable(table)),
        })
    }

    fn fill(&self, batch: &Batch) -> Result<WriteBatch, EngineError> {
        let mut out = WriteBatch::with_capacity_bytes(batch.bytes() + 32 * batch.ops().len() + 16);
        for op in batch.ops() {
            let table = self.table(op.table())?;
            match op {
                Op::Put(_, key, value) => out.put_cf(table, key, value),
                Op::Delete(_, key) => out.delete_cf(table, key),
                // RocksDB takes an inverted range for an error of the whole batch.
                Op::DeleteRange(_, from, to) if from < to => out.delete_range_cf(table, from, to),
                Op::DeleteRange(..) => {}
            }
        }
        Ok(out)
    }

    fn check(&self) -> Result<(), EngineError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(EngineError::Failed { path: self.path.clone() });
        }
        Ok(())
    }

    fn fail(&self, cause: rocksdb::Error) -> EngineError {
        self.failed.store(true, Ordering::Release);
        self.describe(cause)
    }
}

impl Read for RocksEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.db.get_cf(self.table(table)?, key).map_err(|cause| self.describe(cause))
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), EngineError> {
        let iterator = self.db.raw_iterator_cf_opt(self.table(table)?, read_options(range));
        walk(self, iterator, range, direction, visit)
    }
}

impl Engine for RocksEngine {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        batch.check(durability)?;
        self.check()?;
        let batch = self.fill(&batch)?;
        let mut options = WriteOptions::default();
        options.disable_wal(durability == Durability::State);
        self.db.write_opt(batch, &options).map_err(|cause| self.fail(cause))?;
        if durability == Durability::Synced && !mutant::is("ack-before-sync") {
            // Not `set_sync`: that syncs at the head of the one queue of all writers, and apply's
            // writes, which need no sync, would wait there for the log's.
            self.db.flush_wal(true).map_err(|cause| self.fail(cause))?;
        }
        Ok(())
    }

    fn view(&self) -> Box<dyn Read + '_> {
        Box::new(RocksView { engine: self, snapshot: self.db.snapshot() })
    }

    fn flush_state(&self) -> Result<(), EngineError> {
        self.check()?;
        let tables =
            Table::ALL.into_iter().map(|table| self.table(table)).collect::<Result<Vec<_>, _>>()?;
        let mut options = FlushOptions::default();
        options.set_wait(true);
        // An atomic flush covers the families with data; the unsynced tail of the write-ahead
        // log matters only for those without any, and so for nothing. It is synced all the same:
        // "durable" then has one meaning.
        self.db.flush_cfs_opt(&tables, &options).map_err(|cause| self.fail(cause))?;
        self.db.flush_wal(true).map_err(|cause| self.fail(cause))
    }

    fn about_bytes(&self) -> u64 {
        let of = |table: &Table| {
            let table = self.table(*table).ok()?;
            let files = self.db.property_int_value_cf(table, LIVE_BYTES).ok()??;
            let memory = self.db.property_int_value_cf(table, MEMORY_BYTES).ok()??;
            Some(files.saturating_mul(COMPRESSION).saturating_add(memory))
        };
        Table::STATE.iter().filter_map(of).sum()
    }

    fn set_cdr_floor(&self, group: GroupId, index: u64) {
        self.floors.raise(group, index);
    }

    fn compact(&self, table: Table, range: KeyRange<'_>) -> Result<(), EngineError> {
        self.check()?;
        self.db.compact_range_cf(self.table(table)?, Some(range.from), Some(range.to));
        Ok(())
    }
}

/// A RocksDB snapshot.
struct RocksView<'a> {
    engine: &'a RocksEngine,
    snapshot: Snapshot<'a>,
}

impl Read for RocksView<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let table = self.engine.table(table)?;
        self.snapshot.get_cf(table, key).map_err(|cause| self.engine.describe(cause))
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), EngineError> {
        let table = self.engine.table(table)?;
        let mut options = read_options(range);
        // A view reads whole tables once: that must not push the hot blocks out of the cache.
        options.fill_cache(false);
        let iterator = self.snapshot.raw_iterator_cf_opt(table, options);
        walk(self.engine, iterator, range, direction, visit)
    }
}

impl fmt::Debug for RocksEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksEngine").field("path", &self.path).finish_non_exhaustive()
    }
}

fn walk(
    engine: &RocksEngine,
    mut iterator: DBRawIterator<'_>,
    range: KeyRange<'_>,
    direction: Direction,
    visit: Visit<'_>,
) -> Result<(), EngineError> {
    if range.from >= range.to {
        return Ok(());
    }
    match direction {
        Direction::Forward => iterator.seek_to_first(),
        Direction::Backward => iterator.seek_to_last(),
    }
    while let Some((key, value)) = iterator.item() {
        if visit(key, value) == ControlFlow::Break(()) {
            return Ok(());
        }
        match direction {
            Direction::Forward => iterator.next(),
            Direction::Backward => iterator.prev(),
        }
    }
    // An iterator also becomes invalid when a block cannot be read.
    iterator.status().map_err(|cause| engine.describe(cause))
}

fn read_options(range: KeyRange<'_>) -> ReadOptions {
    let mut options = ReadOptions::default();
    if range.from < range.to {
        options.set_iterate_lower_bound(range.from);
        options.set_iterate_upper_bound(range.to);
    }
    options
}

fn database_options(options: &RocksOptions) -> Options {
    let mut out = Options::default();
    out.create_if_missing(true);
    out.create_missing_column_families(true);
    out.set_atomic_flush(true);
    out.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    out.set_paranoid_checks(true);
    out.set_db_write_buffer_size(options.write_buffer_bytes);
    out.set_max_total_wal_size(options.max_wal_bytes);
    out.set_max_open_files(options.max_open_files);
    out.set_max_background_jobs(options.background_jobs);
    // Spreads the writing back of flushes and compactions, which would otherwise delay a sync.
    out.set_bytes_per_sync(1 << 20);
    out.set_keep_log_file_num(4);
    out.set_max_log_file_size(4 << 20);
    out.set_log_level(LogLevel::Warn);
    out.set_stats_dump_period_sec(0);
    out.set_stats_persist_period_sec(0);
    out
}

fn table_options(table: Table, options: &RocksOptions, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(16 << 10);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_format_version(5);
    if matches!(table, Table::Cdrs | Table::CdrIndex) {
        // Written once, read seldom, and most of what is on disk.
        blocks.set_block_size(32 << 10);
    }
    if table == Table::Calls {
        // Each admission asks for a call that does not exist.
        blocks.set_bloom_filter(10.0, false);
    }
    let mut out = Options::default();
    if table == Table::Calls {
        // The same for what is not in a file yet. A call takes some KiB of the memtable, and some ten bits of this.
        out.set_memtable_whole_key_filtering(true);
        out.set_memtable_prefix_bloom_ratio(0.005);
    }
    out.set_block_based_table_factory(&blocks);
    out.set_write_buffer_size(options.table_write_buffer_bytes);
    out.set_max_write_buffer_number(4);
    let is_kept_long = matches!(table, Table::Cdrs | Table::CdrIndex);
    let compression = if is_kept_long { DBCompressionType::Zstd } else { DBCompressionType::Lz4 };
    out.set_compression_type(compression);
    out.set_level_compaction_dynamic_level_bytes(true);
    // Writes slow down and stop far later than by default: a stall stops the whole node.
    out.set_level_zero_slowdown_writes_trigger(40);
    out.set_level_zero_stop_writes_trigger(80);
    out
}

/// Turns RocksDB's text into a fact. It has no code for a full disk or a taken lock.
fn describe(path: &Path, error: rocksdb::Error) -> EngineError {
    let path = path.to_owned();
    let text: &str = error.as_ref();
    let full = text.contains("No space left") || text.contains("Disk quota exceeded");
    let locked = text.contains("lock hold by current process") || text.contains("While lock file");
    let kind = error.kind();
    let cause = Arc::new(error);
    if full {
        EngineError::DiskFull { path, cause }
    } else if locked {
        EngineError::InUse { path, cause }
    } else if kind == ErrorKind::Corruption {
        EngineError::Corrupt { path, cause }
    } else {
        EngineError::Io { path, cause }
    }
}

/// A column family is not there although the database was opened with it.
#[derive(Debug, thiserror::Error)]
#[error("there is no table {0:?}")]
struct MissingTable(Table);

const LIVE_BYTES: &str = "rocksdb.estimate-live-data-size";
const MEMORY_BYTES: &str = "rocksdb.cur-size-all-mem-tables";

/// How much longer records are than what is on disk, about.
const COMPRESSION: u64 = 2;
