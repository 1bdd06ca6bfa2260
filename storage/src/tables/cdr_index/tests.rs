//! The index against looking at every record.

use std::sync::Arc;

use holdline_model::{Cdr, CdrId, CdrKeeping, GroupId, Millis, State as _};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::codec::samples::cdr;
use crate::engine::{Durability, Engine as _, MemoryEngine, RocksEngine, RocksOptions, Table};
use crate::snapshot::SnapshotStore;
use crate::tables::{CdrQuery, StateReader, StateStore};

const GROUP: GroupId = GroupId(3);

/// Records of few tenants and numbers, by clocks that differ.
fn record(n: u64) -> Cdr {
    let mut record = cdr(10 + n / 3, u32::try_from(n % 3).unwrap());
    record.tenant = ["acme", "globex", "initech"][usize::try_from(n * n % 3).unwrap()].into();
    record.from = format!("sip:+4930{}@192.0.2.1", n * 37 % 11 * 1_001);
    record.to = format!("sip:+44{:07}@192.0.2.2;user=phone", n * 7_919 % 50 * 12_345);
    record.caller_call_id = format!("call-{n}@there");
    record.callee_call_id = format!("hl{n:020x}c");
    let late = if n % 17 == 5 { 9_000 } else { 0 };
    record.ended_at = Millis(1_000_000 + n * 700 - late);
    record
}

fn put(store: &StateStore, records: impl IntoIterator<Item = Cdr>) {
    let mut batch = store.batch();
    for record in records {
        batch.put_cdr(&record).unwrap();
    }
    batch.commit(b"mark").unwrap();
    // What is not written yet is not indexed.
    store.write_out().unwrap();
}

fn open(engine: &MemoryEngine) -> (StateStore, TempDir) {
    let folder = TempDir::new().unwrap();
    let snapshots = SnapshotStore::open(folder.path()).unwrap();
    (StateStore::open(Arc::new(engine.clone()), GROUP, &snapshots).unwrap(), folder)
}

fn ids(reader: &StateReader, mut query: CdrQuery) -> Vec<CdrId> {
    let mut ids = Vec::new();
    loop {
        let page = reader.cdrs(&query).unwrap();
        assert!(page.cdrs.len() <= query.limit);
        ids.extend(page.cdrs.iter().map(|cdr| cdr.id));
        assert!(page.next.is_none() || page.next > query.after, "a page gets on");
        query.after = page.next;
        if page.next.is_none() {
            return ids;
        }
    }
}

fn any_query() -> impl Strategy<Value = CdrQuery> {
    let one_of =
        |texts: &'static [&'static str]| proptest::option::of(proptest::sample::select(texts));
    (
        proptest::option::of(990_000_u64..1_150_000),
        proptest::option::of(990_000_u64..1_150_000),
        one_of(&["acme", "globex", "nobody"]),
        one_of(&["+4930*", "+49303*", "+49301001", "+4930*", "+*", "+493010010*", "7*"]),
        one_of(&["+44*", "+440*", "+4400123*", "+440012345", "+44012*", "+1*"]),
        one_of(&["call-42@there", "hl0000000000000000002ac", "call-x"]),
        1_usize..40,
        5_usize..200,
    )
        .prop_map(|(from, to, account, caller, callee, call_id, limit, scan_limit)| CdrQuery {
            after: None,
            ended_from: from.map(Millis),
            ended_before: to.map(Millis),
            account: account.map(Into::into),
            caller: caller.map(|text| text.parse().unwrap()),
            callee: callee.map(|text| text.parse().unwrap()),
            call_id: call_id.map(str::to_owned),
            limit,
            scan_limit,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn finds_what_looking_at_every_record_finds(
        queries in prop::collection::vec(any_query(), 12),
        indexed in 0_usize..220,
        floor in 0_u64..60,
    ) {
        let (store, _folder) = open(&MemoryEngine::new());
        let records: Vec<_> = (0..200).map(record).collect();
        put(&store, records.clone());
        let reader = store.reader();
        prop_assert!(reader.index_cdrs(indexed).unwrap().indexed <= 200);
        let floor = records[usize::try_from(floor).unwrap()].id;
        let mut batch = store.batch();
        batch.purge_cdrs(floor).unwrap();
        batch.put_cdr_keeping(&CdrKeeping { floor, ..CdrKeeping::default() }).unwrap();
        batch.commit(b"purged").unwrap();
        for query in queries {
            let expected: Vec<_> = records
                .iter()
                .filter(|cdr| cdr.id >= floor && query.matches(cdr))
                .map(|cdr| cdr.id)
                .collect();
            prop_assert_eq!(ids(&reader, query.clone()), expected, "{:?}", query);
        }
    }
}

#[test]
fn it_is_made_in_lots_and_goes_on_where_it_was() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    put(&store, (0..10).map(record));
    let reader = store.reader();
    let lots: Vec<_> = (0..4).map(|_| reader.index_cdrs(4).unwrap()).collect();
    let counts: Vec<_> = lots.iter().map(|lot| (lot.indexed, lot.more)).collect();
    assert_eq!(counts, [(4, true), (4, true), (2, false), (0, false)]);
    store.flush().unwrap();
    let (store, _folder) = open(&engine);
    put(&store, (10..12).map(record));
    assert_eq!(store.reader().index_cdrs(100).unwrap().indexed, 2);
}

#[test]
fn it_is_thrown_away_when_a_snapshot_is_installed() {
    let engine = MemoryEngine::new();
    let (store, folder) = open(&engine);
    put(&store, (0..9).map(record));
    let snapshots = SnapshotStore::open(folder.path()).unwrap();
    let file = store.build_snapshot(&snapshots).unwrap();
    put(&store, (9..20).map(record));
    assert_eq!(store.reader().index_cdrs(100).unwrap().indexed, 20);
    store.install_snapshot(&snapshots, &file).unwrap();
    let acme = CdrQuery { account: Some("acme".into()), ..CdrQuery::default() };
    let before = ids(&store.reader(), acme.clone());
    assert_eq!(store.reader().index_cdrs(100).unwrap().indexed, 9, "made anew");
    assert_eq!(ids(&store.reader(), acme), before);
}

#[test]
fn it_holds_no_number_and_no_call_id() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    put(&store, (0..50).map(record));
    store.reader().index_cdrs(100).unwrap();
    let mut all = Vec::new();
    let range = crate::engine::KeyRange { from: &[], to: &[0xff] };
    let forward = crate::engine::Direction::Forward;
    crate::engine::Read::scan(&engine, Table::CdrIndex, range, forward, &mut |key, value| {
        all.extend_from_slice(key);
        all.extend_from_slice(value);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert!(all.len() > 50 * 17);
    for clear in ["4930", "acme", "call-", "there"] {
        assert!(!all.windows(clear.len()).any(|bytes| bytes == clear.as_bytes()), "{clear}");
    }
}

#[test]
fn entries_of_purged_records_go_when_the_table_is_compacted() {
    let folder = TempDir::new().unwrap();
    let engine =
        Arc::new(RocksEngine::open(&folder.path().join("db"), &RocksOptions::default()).unwrap());
    let snapshots = SnapshotStore::open(&folder.path().join("snapshots")).unwrap();
    let store =
        StateStore::open(Arc::clone(&engine) as Arc<dyn crate::Engine>, GROUP, &snapshots).unwrap();
    put(&store, (0..90).map(record));
    let reader = store.reader();
    reader.index_cdrs(100).unwrap();
    store.flush().unwrap();
    let entries = || {
        let mut count = 0;
        let range = crate::engine::KeyRange { from: &[0, 3, 2], to: &[0, 4] };
        let forward = crate::engine::Direction::Forward;
        crate::engine::Read::scan(&*engine, Table::CdrIndex, range, forward, &mut |_, _| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        count
    };
    let before = entries();
    let floor = record(60).id;
    let mut batch = store.batch();
    batch.purge_cdrs(floor).unwrap();
    batch.put_cdr_keeping(&CdrKeeping { floor, ..CdrKeeping::default() }).unwrap();
    batch.commit(b"purged").unwrap();
    reader.index_cdrs(1).unwrap();
    store.flush().unwrap();
    reader.compact_cdrs().unwrap();
    assert_eq!(entries() * 3, before);
    assert_eq!(ids(&reader, CdrQuery::default()).len(), 30);
}

#[test]
fn the_oldest_are_those_that_ended_before_and_that_sinks_have() {
    let (store, _folder) = open(&MemoryEngine::new());
    let records: Vec<_> = (0..20).map(record).collect();
    put(&store, records.clone());
    let reader = store.reader();
    let cutoff = records[4].ended_at;
    let oldest = reader.oldest_cdrs(cutoff, None, 100).unwrap();
    assert_eq!((oldest.records, oldest.before > records[3].id), (4, true));
    assert!(oldest.before <= records[4].id);
    assert_eq!(reader.oldest_cdrs(cutoff, None, 2).unwrap().records, 2, "a lot at a time");
    assert_eq!(reader.oldest_cdrs(cutoff, Some(records[1].id), 9).unwrap().records, 2);
    assert_eq!(reader.oldest_cdrs(Millis(0), None, 9).unwrap().records, 0);
}

/// What a million records take on disk, and how long a page of them takes.
#[test]
#[ignore = "measures: run it with --run-ignored in the release profile, alone on the machine"]
fn measure_a_million_records() {
    const MILLION: u64 = 1_000_000;
    let folder = TempDir::new().unwrap();
    let db = folder.path().join("db");
    let engine = Arc::new(RocksEngine::open(&db, &RocksOptions::default()).unwrap());
    let snapshots = SnapshotStore::open(&folder.path().join("snapshots")).unwrap();
    let store =
        StateStore::open(Arc::clone(&engine) as Arc<dyn crate::Engine>, GROUP, &snapshots).unwrap();
    let reader = store.reader();
    let clock = Clock::start();
    for first in (0..MILLION).step_by(1_000) {
        put(&store, (first..first + 1_000).map(usual));
    }
    eprintln!("written: {:?} a record", clock.each(MILLION));
    let clock = Clock::start();
    while reader.index_cdrs(4_096).unwrap().more {}
    eprintln!("indexed: {:?} a record", clock.each(MILLION));
    store.flush().unwrap();
    let mebibytes = size_of(&db) >> 20;
    eprintln!("on disk: {mebibytes} MiB");
    let middle = Millis(usual(MILLION / 2).ended_at.0);
    let mut slowest = std::time::Duration::ZERO;
    for (name, query) in questions(middle) {
        let cold = Clock::start();
        let found = reader.cdrs(&query).unwrap();
        let cold = cold.each(1);
        let warm = Clock::start();
        assert_eq!(reader.cdrs(&query).unwrap(), found);
        let warm = warm.each(1);
        slowest = slowest.max(warm);
        let more = if found.next.is_some() { "more" } else { "all" };
        eprintln!("{name}: {} found ({more}), first {cold:?}, again {warm:?}", found.cdrs.len());
    }
    assert!(mebibytes < 400, "{mebibytes} MiB");
    assert!(slowest < std::time::Duration::from_millis(10), "{slowest:?}");
}

/// What operators ask of many records.
fn questions(middle: Millis) -> Vec<(&'static str, CdrQuery)> {
    vec![
        ("all", CdrQuery::default()),
        ("time", CdrQuery { ended_from: Some(middle), ..CdrQuery::default() }),
        (
            "tenant, time",
            CdrQuery {
                account: Some("tenant-7".into()),
                ended_from: Some(middle),
                ended_before: Some(middle.plus_ms(3_600_000)),
                ..CdrQuery::default()
            },
        ),
        (
            "caller",
            CdrQuery {
                caller: Some(usual(4_711).caller().parse().unwrap()),
                ..CdrQuery::default()
            },
        ),
        (
            "caller's country",
            CdrQuery { caller: Some("+49*".parse().unwrap()), ..CdrQuery::default() },
        ),
        (
            "callee's area",
            CdrQuery { callee: Some("+44201*".parse().unwrap()), ..CdrQuery::default() },
        ),
        (
            "callee's block",
            CdrQuery { callee: Some("+44201234*".parse().unwrap()), ..CdrQuery::default() },
        ),
        (
            "tenant, caller, callee",
            CdrQuery {
                account: Some("tenant-7".into()),
                caller: Some("+491*".parse().unwrap()),
                callee: Some("+442*".parse().unwrap()),
                ..CdrQuery::default()
            },
        ),
        (
            "Call-ID",
            CdrQuery { call_id: Some(usual(777_777).caller_call_id), ..CdrQuery::default() },
        ),
    ]
}

/// A record as calls leave them: 50 tenants, 200,000 callers, 2,000,000 callees.
fn usual(n: u64) -> Cdr {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let mut record = cdr(1_000 + n / 8, u32::try_from(n % 8).unwrap());
    record.tenant = format!("tenant-{}", mixed % 50).as_str().into();
    record.from = format!("sip:+49{:09}@192.0.2.17:5060", 100_000_000 + mixed % 200_000 * 4_001);
    record.to = format!("sip:+44{:010}@198.51.100.3", 2_000_000_000 + mixed / 7 % 2_000_000 * 49);
    record.caller_call_id =
        format!("{:08x}-{mixed:011x}@192.0.2.17", n.wrapping_mul(2_654_435_761));
    record.callee_call_id = format!("hl0007{mixed:016x}c");
    record.call.nonce = mixed;
    record.started_at = Millis(1_700_000_000_000 + n * 7_776);
    record.admitted_at = record.started_at;
    record.answered_at = Some(record.started_at.plus_ms(4_000 + mixed % 9_000));
    record.duration_ms = mixed % 300_000;
    record.ended_at = record.answered_at.unwrap().plus_ms(record.duration_ms);
    record
}

struct Clock(std::time::Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    fn each(&self, count: u64) -> std::time::Duration {
        self.0.elapsed() / u32::try_from(count).unwrap()
    }
}

fn size_of(folder: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn a_batch_that_purges_keeps_only_its_own_later_records() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    put(&store, (0..4).map(record));
    let mut batch = store.batch();
    batch.put_cdr(&record(4)).unwrap();
    batch.put_cdr(&record(5)).unwrap();
    batch.purge_cdrs(record(5).id).unwrap();
    batch.put_cdr(&record(6)).unwrap();
    batch.commit(b"mark").unwrap();
    assert_eq!(ids(&store.reader(), CdrQuery::default()), [record(5).id, record(6).id]);
    engine.write(crate::engine::Batch::new(), Durability::State).unwrap();
}
