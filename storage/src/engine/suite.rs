//! One suite for all engines, and the engines against each other.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::engine::{
    Batch, Direction, Durability, Engine, EngineError, KeyRange, MemoryEngine, Read, RocksEngine,
    RocksOptions, Table,
};

/// An engine under test.
trait Subject: Sized {
    fn create() -> Self;
    fn engine(&self) -> &dyn Engine;
    /// What a process that is killed now finds when it is started again.
    fn killed(self) -> Self;
}

impl Subject for MemoryEngine {
    fn create() -> Self {
        Self::new()
    }

    fn engine(&self) -> &dyn Engine {
        self
    }

    fn killed(self) -> Self {
        self.crash()
    }
}

struct Rocks {
    engine: RocksEngine,
    folder: TempDir,
}

impl Rocks {
    fn open(folder: TempDir) -> Self {
        let options = RocksOptions { block_cache_bytes: 1 << 20, ..RocksOptions::default() };
        Self { engine: RocksEngine::open(folder.path(), &options).unwrap(), folder }
    }
}

impl Subject for Rocks {
    fn create() -> Self {
        Self::open(TempDir::new().unwrap())
    }

    fn engine(&self) -> &dyn Engine {
        &self.engine
    }

    /// The files of the running database are what its process would leave; closing it first
    /// would flush it.
    fn killed(self) -> Self {
        Self::open(copy_of(self.folder.path()))
    }
}

/// A copy of a database that runs: made again when a file went away meanwhile, as those do that a flush
/// has made needless.
fn copy_of(folder: &Path) -> TempDir {
    let names = || {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    loop {
        let (copy, before) = (TempDir::new().unwrap(), names());
        let copied: Result<Vec<_>, _> = before
            .iter()
            .map(|name| std::fs::copy(folder.join(name), copy.path().join(name)))
            .collect();
        match copied {
            Ok(_) if names() == before => return copy,
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            Ok(_) | Err(_) => {}
        }
    }
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn all(engine: &dyn Read, table: Table, direction: Direction) -> Pairs {
    range(engine, table, &[], &[0xff; 4], direction)
}

fn range(engine: &dyn Read, table: Table, from: &[u8], to: &[u8], direction: Direction) -> Pairs {
    let mut pairs = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        pairs.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    engine.scan(table, KeyRange { from, to }, direction, visit).unwrap();
    pairs
}

fn put(engine: &dyn Engine, table: Table, pairs: &[(u8, u8)], durability: Durability) {
    let mut batch = Batch::new();
    for (key, value) in pairs {
        batch.put(table, [*key], vec![*value]);
    }
    engine.write(batch, durability).unwrap();
}

fn reads_in_order<S: Subject>() {
    let subject = S::create();
    let engine = subject.engine();
    put(engine, Table::Calls, &[(3, 30), (1, 10), (2, 20), (5, 50)], Durability::State);
    assert_eq!(engine.get(Table::Calls, &[2]).unwrap(), Some(vec![20]));
    assert_eq!(engine.get(Table::Calls, &[4]).unwrap(), None);
    assert_eq!(engine.get(Table::Cdrs, &[2]).unwrap(), None);
    let pair = |key: u8| (vec![key], vec![key * 10]);
    let forward = range(engine, Table::Calls, &[2], &[5], Direction::Forward);
    assert_eq!(forward, [pair(2), pair(3)]);
    let backward = range(engine, Table::Calls, &[1], &[4], Direction::Backward);
    assert_eq!(backward, [pair(3), pair(2), pair(1)]);
    assert_eq!(range(engine, Table::Calls, &[4], &[2], Direction::Forward), []);
    let mut seen = 0;
    let range = KeyRange { from: &[0], to: &[9] };
    let stop = &mut |_: &[u8], _: &[u8]| {
        seen += 1;
        ControlFlow::Break(())
    };
    engine.scan(Table::Calls, range, Direction::Forward, stop).unwrap();
    assert_eq!(seen, 1);
}

fn batches_keep_their_order<S: Subject>() {
    let subject = S::create();
    let engine = subject.engine();
    put(engine, Table::Log, &[(1, 1), (2, 2), (3, 3)], Durability::Synced);
    let mut batch = Batch::new();
    batch.delete_range(Table::Log, [1], [3]);
    batch.put(Table::Log, [2], vec![9]);
    batch.put(Table::Log, [7], vec![7]);
    batch.delete(Table::Log, [7]);
    batch.delete_range(Table::Log, [9], [1]);
    engine.write(batch, Durability::Synced).unwrap();
    let left = all(engine, Table::Log, Direction::Forward);
    assert_eq!(left, [(vec![2], vec![9]), (vec![3], vec![3])]);
}

fn a_view_stands_still<S: Subject>() {
    let subject = S::create();
    let engine = subject.engine();
    put(engine, Table::Calls, &[(1, 1)], Durability::State);
    let view = engine.view();
    put(engine, Table::Calls, &[(1, 2), (2, 2)], Durability::State);
    put(engine, Table::Meta, &[(1, 1)], Durability::State);
    assert_eq!(all(view.as_ref(), Table::Calls, Direction::Forward), [(vec![1], vec![1])]);
    assert_eq!(view.get(Table::Calls, &[1]).unwrap(), Some(vec![1]));
    assert_eq!(view.get(Table::Meta, &[1]).unwrap(), None);
}

fn a_batch_of_the_wrong_table_is_refused<S: Subject>() {
    let subject = S::create();
    for (table, durability) in [
        (Table::Log, Durability::State),
        (Table::Calls, Durability::Synced),
        (Table::Calls, Durability::Buffered),
    ] {
        let mut batch = Batch::new();
        batch.put(table, [1], vec![1]);
        let refused = subject.engine().write(batch, durability);
        assert!(matches!(refused, Err(EngineError::WrongTable { .. })));
        assert_eq!(subject.engine().get(table, &[1]).unwrap(), None);
    }
}

fn a_crash_takes_the_state_back_to_its_last_flush_and_no_synced_entry<S: Subject>() {
    let subject = S::create();
    put(subject.engine(), Table::Calls, &[(1, 1)], Durability::State);
    put(subject.engine(), Table::Meta, &[(0, 1)], Durability::State);
    subject.engine().flush_state().unwrap();
    put(subject.engine(), Table::Calls, &[(1, 2), (2, 2)], Durability::State);
    put(subject.engine(), Table::Meta, &[(0, 2)], Durability::State);
    put(subject.engine(), Table::Log, &[(1, 1)], Durability::Buffered);
    put(subject.engine(), Table::Vote, &[(1, 1)], Durability::Synced);
    let subject = subject.killed();
    let engine = subject.engine();
    assert_eq!(all(engine, Table::Calls, Direction::Forward), [(vec![1], vec![1])]);
    assert_eq!(all(engine, Table::Meta, Direction::Forward), [(vec![0], vec![1])]);
    assert_eq!(all(engine, Table::Log, Direction::Forward), [(vec![1], vec![1])]);
    assert_eq!(all(engine, Table::Vote, Direction::Forward), [(vec![1], vec![1])]);
}

macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $test() { super::$test::<super::MemoryEngine>(); })*
        }
        mod rocks {
            $(#[test] fn $test() { super::$test::<super::Rocks>(); })*
        }
    };
}

suite!(
    reads_in_order,
    batches_keep_their_order,
    a_view_stands_still,
    a_batch_of_the_wrong_table_is_refused,
    a_crash_takes_the_state_back_to_its_last_flush_and_no_synced_entry,
);

#[test]
fn a_second_open_says_that_the_database_is_in_use() {
    let rocks = Rocks::create();
    let second = RocksEngine::open(rocks.folder.path(), &RocksOptions::default());
    assert!(matches!(second, Err(EngineError::InUse { .. })), "{second:?}");
}

#[test]
fn a_damaged_database_is_refused() {
    let rocks = Rocks::create();
    put(rocks.engine(), Table::Calls, &[(1, 1)], Durability::State);
    rocks.engine().flush_state().unwrap();
    let copy = copy_of(rocks.folder.path());
    let manifest = std::fs::read_dir(copy.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("MANIFEST"))
        .unwrap();
    let mut bytes = std::fs::read(&manifest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&manifest, bytes).unwrap();
    let opened = RocksEngine::open(copy.path(), &RocksOptions::default());
    assert!(matches!(opened, Err(EngineError::Corrupt { .. })), "{opened:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(bool, Change)>),
    Flush,
    Kill,
}

#[derive(Clone, Debug)]
enum Change {
    Put(u8, u8),
    Delete(u8),
    DeleteRange(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..20_u8;
    let change = prop_oneof![
        4 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Change::Put(key, value)),
        1 => key.clone().prop_map(Change::Delete),
        1 => (key.clone(), key).prop_map(|(from, to)| Change::DeleteRange(from, to)),
    ];
    let writes = proptest::collection::vec((any::<bool>(), change), 1..6);
    prop_oneof![16 => writes.prop_map(Step::Write), 2 => Just(Step::Flush), 1 => Just(Step::Kill)]
}

fn write(engine: &dyn Engine, writes: &[(bool, Change)]) {
    for (state, durability) in [(true, Durability::State), (false, Durability::Synced)] {
        let table = if state { Table::Calls } else { Table::Log };
        let mut batch = Batch::new();
        for (_, change) in writes.iter().filter(|(which, _)| *which == state) {
            match change {
                Change::Put(key, value) => batch.put(table, [*key], vec![*value]),
                Change::Delete(key) => batch.delete(table, [*key]),
                Change::DeleteRange(from, to) => batch.delete_range(table, [*from], [*to]),
            }
        }
        engine.write(batch, durability).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_engines_agree(steps in proptest::collection::vec(step(), 1..40)) {
        let (mut memory, mut rocks) = (MemoryEngine::create(), Rocks::create());
        for step in steps {
            match step {
                Step::Write(writes) => {
                    write(&memory, &writes);
                    write(rocks.engine(), &writes);
                }
                Step::Flush => {
                    memory.flush_state().unwrap();
                    rocks.engine().flush_state().unwrap();
                }
                Step::Kill => {
                    memory = memory.killed();
                    rocks = rocks.killed();
                }
            }
            for table in [Table::Calls, Table::Log] {
                for direction in [Direction::Forward, Direction::Backward] {
                    prop_assert_eq!(
                        all(&memory, table, direction),
                        all(rocks.engine(), table, direction)
                    );
                }
            }
        }
    }
}
