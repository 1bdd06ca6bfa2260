//! The log on the memory engine: order, group commit, failure, crash, and against a model.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use holdline_model::GroupId;
use proptest::prelude::*;

use crate::engine::{
    Batch, Direction, Durability, Engine, EngineError, Fault, KeyRange, MemoryEngine, Read, Table,
    Visit,
};
use crate::log::{LogError, LogOptions, LogStore, OnDurable};

const GROUP: GroupId = GroupId(3);
const PATIENCE: Duration = Duration::from_secs(20);

type Report = (u64, Result<(), LogError>);

fn open(engine: &MemoryEngine) -> LogStore {
    LogStore::open(Arc::new(engine.clone()), GROUP, LogOptions::default()).unwrap()
}

fn entries(range: Range<u64>, term: u8) -> Vec<(u64, Bytes)> {
    range.map(|index| (index, Bytes::from(vec![term; 10]))).collect()
}

fn report(to: &SyncSender<Report>, number: u64) -> OnDurable {
    let to = to.clone();
    Box::new(move |result| to.send((number, result)).unwrap())
}

fn reports() -> (SyncSender<Report>, Receiver<Report>) {
    sync_channel(1024)
}

fn append(log: &LogStore, range: Range<u64>, term: u8) {
    let (to, from) = reports();
    log.append(entries(range, term), report(&to, 0)).unwrap();
    from.recv_timeout(PATIENCE).unwrap().1.unwrap();
}

fn ok(from: &Receiver<Report>) -> u64 {
    let (number, result) = from.recv_timeout(PATIENCE).unwrap();
    result.unwrap();
    number
}

/// An engine whose writes wait until they are let through.
#[derive(Debug)]
struct Gate {
    engine: MemoryEngine,
    open: Mutex<bool>,
    changed: Condvar,
    arrived: SyncSender<()>,
}

impl Gate {
    fn new(engine: &MemoryEngine) -> (Arc<Self>, Receiver<()>) {
        let (arrived, arrivals) = sync_channel(64);
        let (open, changed) = (Mutex::new(false), Condvar::new());
        (Arc::new(Self { engine: engine.clone(), open, changed, arrived }), arrivals)
    }

    fn release(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

impl Read for Gate {
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

impl Engine for Gate {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        let _ = self.arrived.try_send(());
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| !*open).unwrap());
        self.engine.write(batch, durability)
    }

    fn view(&self) -> Box<dyn Read + '_> {
        self.engine.view()
    }

    fn flush_state(&self) -> Result<(), EngineError> {
        self.engine.flush_state()
    }
}

#[test]
fn appends_that_wait_share_one_sync_and_are_reported_in_order() {
    let engine = MemoryEngine::new();
    let (gate, arrivals) = Gate::new(&engine);
    let log = LogStore::open(gate.clone(), GROUP, LogOptions::default()).unwrap();
    let (to, from) = reports();
    log.append(entries(1..2, 1), report(&to, 0)).unwrap();
    arrivals.recv_timeout(PATIENCE).unwrap();
    for number in 1..100 {
        log.append(entries(number + 1..number + 2, 1), report(&to, number)).unwrap();
    }
    log.save_vote(Bytes::from_static(b"v"), report(&to, 100)).unwrap();
    assert!(from.try_recv().is_err(), "nothing is durable yet");
    assert_eq!(log.read(1..200, usize::MAX).unwrap().len(), 100, "but all can be read");
    gate.release();
    for number in 0..=100 {
        assert_eq!(ok(&from), number);
    }
    assert_eq!(engine.syncs(), 2);
}

#[test]
fn a_full_queue_makes_the_caller_wait() {
    let engine = MemoryEngine::new();
    let (gate, arrivals) = Gate::new(&engine);
    let options = LogOptions { queue_jobs: 2.try_into().unwrap(), ..LogOptions::default() };
    let log = LogStore::open(gate.clone(), GROUP, options).unwrap();
    let (to, from) = reports();
    log.append(entries(1..2, 1), report(&to, 1)).unwrap();
    arrivals.recv_timeout(PATIENCE).unwrap();
    for number in 2..4 {
        log.append(entries(number..number + 1, 1), report(&to, number)).unwrap();
    }
    let other = log.clone();
    let waiting = std::thread::spawn(move || other.append(entries(4..5, 1), report(&to, 4)));
    assert_eq!(log.last_index(), Some(3));
    gate.release();
    waiting.join().unwrap().unwrap();
    assert_eq!((1..5).map(|_| ok(&from)).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(log.last_index(), Some(4));
}

#[test]
fn what_was_reported_survives_a_crash() {
    let engine = MemoryEngine::new();
    let log = open(&engine);
    append(&log, 1..11, 1);
    let (to, from) = reports();
    log.truncate_after(Some(6), report(&to, 0)).unwrap();
    log.append(entries(7..9, 2), report(&to, 1)).unwrap();
    log.save_vote(Bytes::from_static(b"vote"), report(&to, 2)).unwrap();
    assert_eq!([ok(&from), ok(&from), ok(&from)], [0, 1, 2]);
    let log = open(&engine.crash());
    assert_eq!((log.first_index(), log.last_index()), (Some(1), Some(8)));
    let expected = [entries(1..7, 1), entries(7..9, 2)].concat();
    assert_eq!(log.read(0..100, usize::MAX).unwrap(), expected);
    assert_eq!(log.vote(), Some(Bytes::from_static(b"vote")));
}

#[test]
fn reads_join_disk_and_memory_within_the_budget() {
    let engine = MemoryEngine::new();
    let options = LogOptions { tail_entries: 3, ..LogOptions::default() };
    let log = LogStore::open(Arc::new(engine), GROUP, options).unwrap();
    append(&log, 1..11, 1);
    let indices = |range, bytes| -> Vec<u64> {
        log.read(range, bytes).unwrap().into_iter().map(|(index, _)| index).collect()
    };
    assert_eq!(indices(0..100, usize::MAX), (1..11).collect::<Vec<_>>());
    assert_eq!(indices(6..10, usize::MAX), [6, 7, 8, 9]);
    assert_eq!(indices(9..11, usize::MAX), [9, 10]);
    assert_eq!(indices(6..10, 35), [6, 7, 8]);
    assert_eq!(indices(9..11, 5), [9], "one entry always");
    assert_eq!(indices(2..11, 0), [2]);
    assert_eq!(indices(11..20, 100), [] as [u64; 0]);
    assert_eq!(indices(5..5, 100), [] as [u64; 0]);
}

#[test]
fn entries_that_do_not_follow_are_refused() {
    let log = open(&MemoryEngine::new());
    append(&log, 5..7, 1);
    let (to, _from) = reports();
    for (first, next) in [(6, 7), (8, 7)] {
        let gap = log.append(entries(first..first + 1, 1), report(&to, 0));
        assert!(
            matches!(gap, Err(LogError::Gap { index, next: n }) if (index, n) == (first, next))
        );
    }
    let hole = [entries(7..8, 1), entries(9..10, 1)].concat();
    let gap = log.append(hole, report(&to, 0));
    assert!(matches!(gap, Err(LogError::Gap { index: 9, next: 8 })));
    assert_eq!(log.last_index(), Some(6));
}

#[test]
fn the_log_is_not_purged_beyond_what_the_state_has_flushed() {
    let engine = MemoryEngine::new();
    let log = open(&engine);
    append(&log, 1..11, 1);
    let mark = Bytes::from_static(b"mark");
    let refused = log.purge_to(0, mark.clone());
    assert!(matches!(refused, Err(LogError::PurgeBeyondState { asked: 0, flushed: 0 })));
    log.note_state_flushed(5);
    let refused = log.purge_to(6, mark.clone());
    assert!(matches!(refused, Err(LogError::PurgeBeyondState { asked: 6, flushed: 5 })));
    log.purge_to(5, mark.clone()).unwrap();
    log.purge_to(3, Bytes::from_static(b"old")).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (Some(6), Some(10)));
    drop(log);
    let log = open(&engine);
    assert_eq!(log.first_index(), Some(6));
    let purged = log.purged().unwrap();
    assert_eq!((purged.index, purged.mark), (5, mark));
}

#[test]
fn purging_beyond_the_end_empties_the_log_and_it_goes_on_there() {
    let engine = MemoryEngine::new();
    let log = open(&engine);
    append(&log, 1..4, 1);
    log.note_state_flushed(100);
    log.purge_to(100, Bytes::from_static(b"m")).unwrap();
    assert_eq!((log.first_index(), log.last_index()), (None, None));
    append(&log, 101..103, 2);
    drop(log);
    let log = open(&engine);
    assert_eq!((log.first_index(), log.last_index()), (Some(101), Some(102)));
}

#[test]
fn a_failed_write_is_reported_to_all_and_nothing_is_written_after_it() {
    for (fault, full) in [(Fault::Io, false), (Fault::DiskFull, true)] {
        let engine = MemoryEngine::new();
        let (gate, arrivals) = Gate::new(&engine);
        let log = LogStore::open(gate.clone(), GROUP, LogOptions::default()).unwrap();
        let (to, from) = reports();
        log.append(entries(1..2, 1), report(&to, 1)).unwrap();
        arrivals.recv_timeout(PATIENCE).unwrap();
        log.append(entries(2..3, 1), report(&to, 2)).unwrap();
        log.save_vote(Bytes::new(), report(&to, 3)).unwrap();
        engine.inject(fault);
        gate.release();
        for expected in 1..4 {
            let (number, result) = from.recv_timeout(PATIENCE).unwrap();
            assert_eq!(number, expected);
            let Err(LogError::Failed { cause }) = result else { panic!("{result:?}") };
            assert_eq!(matches!(cause, EngineError::DiskFull { .. }), full, "{cause:?}");
        }
        let after = log.append(entries(3..4, 1), report(&to, 4));
        assert!(matches!(after, Err(LogError::Failed { .. })));
        assert!(matches!(log.save_committed(Bytes::new()), Err(LogError::Failed { .. })));
        assert_eq!(open(&engine.crash()).last_index(), None, "nothing half written");
    }
}

#[test]
fn dropping_the_log_writes_what_is_queued() {
    let engine = MemoryEngine::new();
    let log = open(&engine);
    let (to, from) = reports();
    for index in 1..50 {
        log.append(entries(index..index + 1, 1), report(&to, index)).unwrap();
    }
    drop(log);
    assert_eq!(from.try_iter().count(), 49);
    assert_eq!(open(&engine).last_index(), Some(49));
}

#[test]
fn groups_do_not_see_each_other() {
    let engine = MemoryEngine::new();
    let other = LogStore::open(Arc::new(engine.clone()), GroupId(4), LogOptions::default());
    append(&open(&engine), 1..4, 1);
    append(&other.unwrap(), 7..9, 1);
    assert_eq!(open(&engine).last_index(), Some(3));
}

#[derive(Clone, Debug)]
enum Step {
    Append { count: u64, term: u8 },
    Truncate { back: u64 },
    Purge { ahead: u64 },
    Read { from: u64, len: u64, bytes: usize },
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..20_u64, any::<u8>()).prop_map(|(count, term)| Step::Append { count, term }),
        2 => (0..10_u64).prop_map(|back| Step::Truncate { back }),
        2 => (0..12_u64).prop_map(|ahead| Step::Purge { ahead }),
        4 => (0..60_u64, 0..40_u64, 0..300_usize)
            .prop_map(|(from, len, bytes)| Step::Read { from, len, bytes }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

/// The log as a list.
#[derive(Default)]
struct Model {
    first: u64,
    entries: Vec<Bytes>,
}

impl Model {
    fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn read(&self, from: u64, to: u64, budget: usize) -> Vec<(u64, Bytes)> {
        let mut used = 0;
        let mut found = Vec::new();
        for (index, bytes) in (self.first..).zip(&self.entries) {
            if index < from || index >= to {
                continue;
            }
            used += bytes.len();
            if !found.is_empty() && used > budget {
                break;
            }
            found.push((index, bytes.clone()));
        }
        found
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_log_behaves_as_a_list(steps in proptest::collection::vec(step(), 1..60)) {
        let options = LogOptions { tail_entries: 7, tail_bytes: 100, ..LogOptions::default() };
        let mut engine = MemoryEngine::new();
        let reopen = |engine: &MemoryEngine| {
            LogStore::open(Arc::new(engine.clone()), GROUP, options.clone()).unwrap()
        };
        let mut log = reopen(&engine);
        let mut model = Model::default();
        let (to, from) = reports();
        for step in steps {
            match step {
                Step::Append { count, term } => {
                    let added = entries(model.next()..model.next() + count, term);
                    model.entries.extend(added.iter().map(|(_, bytes)| bytes.clone()));
                    log.append(added, report(&to, 0)).unwrap();
                    ok(&from);
                }
                Step::Truncate { back } => {
                    let kept = model.entries.len().saturating_sub(back as usize);
                    model.entries.truncate(kept);
                    // Not waited for: what is appended next must still come after it.
                    log.truncate_after(model.next().checked_sub(1), Box::new(|_| {})).unwrap();
                }
                Step::Purge { ahead } => {
                    let to = model.first + ahead;
                    let gone = (ahead as usize + 1).min(model.entries.len());
                    model.entries.drain(..gone);
                    model.first = to + 1;
                    log.note_state_flushed(to);
                    log.purge_to(to, Bytes::from(to.to_string())).unwrap();
                }
                Step::Read { from, len, bytes } => {
                    let to = from + len;
                    prop_assert_eq!(log.read(from..to, bytes).unwrap(), model.read(from, to, bytes));
                }
                Step::Reopen => {
                    drop(log);
                    log = reopen(&engine);
                }
                Step::Crash => {
                    // A purge and a truncation may be taken back by a crash, until something is
                    // synced after them.
                    log.save_vote(Bytes::new(), report(&to, 0)).unwrap();
                    ok(&from);
                    engine = engine.crash();
                    log = reopen(&engine);
                }
            }
            let last = model.next().checked_sub(1).filter(|_| !model.entries.is_empty());
            prop_assert_eq!(log.last_index(), last);
            prop_assert_eq!(log.first_index(), last.map(|_| model.first));
        }
    }
}

#[test]
fn without_a_thread_nothing_is_written_before_it_is_flushed() {
    let engine = MemoryEngine::new();
    let woken = Arc::new(Mutex::new(0));
    let count = Arc::clone(&woken);
    let wake = Box::new(move || *count.lock().unwrap() += 1);
    let options = LogOptions { queue_jobs: 2.try_into().unwrap(), ..LogOptions::default() };
    let log =
        LogStore::open_without_thread(Arc::new(engine.clone()), GROUP, options, wake).unwrap();
    let (to, from) = reports();
    log.append(entries(0..1, 1), report(&to, 1)).unwrap();
    log.append(entries(1..2, 1), report(&to, 2)).unwrap();
    assert_eq!((engine.syncs(), *woken.lock().unwrap()), (0, 2));
    assert!(from.try_recv().is_err());
    // The queue is full, and there is no thread to wait for.
    log.append(entries(2..3, 1), report(&to, 3)).unwrap();
    assert_eq!((engine.syncs(), ok(&from), ok(&from)), (1, 1, 2));
    log.flush_queued();
    assert_eq!((engine.syncs(), ok(&from)), (2, 3));
    log.flush_queued();
    assert_eq!(engine.syncs(), 2, "there was nothing to write");
    engine.inject(Fault::Io);
    log.append(entries(3..4, 1), report(&to, 4)).unwrap();
    log.flush_queued();
    assert!(matches!(from.try_recv().unwrap(), (4, Err(LogError::Failed { .. }))));
    assert!(matches!(log.append(entries(4..5, 1), report(&to, 5)), Err(LogError::Failed { .. })));
}
