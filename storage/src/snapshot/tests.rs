//! Snapshots: whole, damaged, received, installed, and interrupted at every write.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdline_model::{ClusterId, GroupId, Millis, Phase, State};
use tempfile::TempDir;

use crate::codec::samples::{call, call_id, cdr, cluster, node, slot};
use crate::engine::{
    Batch, Direction, Durability, Engine, EngineError, Fault, KeyRange, MemoryEngine, Read, Table,
    Visit,
};
use crate::snapshot::{SnapshotError, SnapshotFile, SnapshotStore};
use crate::tables::{StateError, StateStore};

const GROUP: GroupId = GroupId(5);

#[derive(Debug)]
struct Place {
    engine: MemoryEngine,
    folder: TempDir,
    snapshots: SnapshotStore,
    state: StateStore,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (engine, snapshots) =
            (MemoryEngine::new(), SnapshotStore::open(folder.path()).unwrap());
        let state = StateStore::open(Arc::new(engine.clone()), GROUP, &snapshots).unwrap();
        Self { engine, folder, snapshots, state }
    }

    /// A state that differs from others with another `salt` in every table.
    fn fill(&self, salt: u64, calls: u64) {
        let mut batch = self.state.batch();
        batch.put_cluster(&cluster()).unwrap();
        batch.put_node(&node(salt)).unwrap();
        batch.put_slot(&slot(u16::try_from(salt).unwrap())).unwrap();
        for nonce in 0..calls {
            batch.put_call(call(call_id(1, salt * 10_000 + nonce), Phase::Answered)).unwrap();
        }
        batch.put_cdr(&cdr(salt, 0)).unwrap();
        batch.put_expiry(Millis(salt), call_id(1, salt)).unwrap();
        batch.put_membership(format!("members {salt}").as_bytes());
        batch.commit(format!("applied {salt}").as_bytes()).unwrap();
    }

    fn build(&self) -> SnapshotFile {
        self.state.build_snapshot(&self.snapshots).unwrap()
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

type Record = (Table, Vec<u8>, Vec<u8>);

/// Everything in the state's tables.
fn contents(engine: &dyn Read) -> Vec<Record> {
    let mut records = Vec::new();
    for table in Table::STATE {
        let range = KeyRange { from: &[], to: &[0xff; 32] };
        engine
            .scan(table, range, Direction::Forward, &mut |key, value| {
                records.push((table, key.to_vec(), value.to_vec()));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    records
}

fn send(
    file: &SnapshotFile,
    to: &SnapshotStore,
    chunk: usize,
) -> Result<SnapshotFile, SnapshotError> {
    let mut receiver = to.receive(GROUP)?;
    loop {
        let piece = file.read_chunk(receiver.received(), chunk)?;
        if piece.is_empty() {
            return receiver.finish();
        }
        receiver.write(receiver.received(), &piece)?;
    }
}

#[test]
fn a_snapshot_is_built_sent_and_installed() {
    let (source, sink) = (Place::new(), Place::new());
    source.fill(1, 1000);
    sink.fill(2, 10);
    // The sink has looked for what is due, and knows that nothing is before its own note.
    let batch = sink.state.batch();
    assert_eq!(batch.expired(Millis(9), 9).unwrap(), [(Millis(2), call_id(1, 2))]);
    batch.commit(b"looked").unwrap();
    let built = source.build();
    assert_eq!(built.header().cluster, Some(ClusterId(77)));
    assert_eq!(&*built.header().applied, b"applied 1");
    assert_eq!(&*built.header().membership, b"members 1");
    assert_eq!(built.records(), 1000 + 7);
    assert_eq!(built.bytes(), fs::metadata(built.path()).unwrap().len());
    let received = send(&built, &sink.snapshots, 10_000).unwrap();
    sink.state.install_snapshot(&sink.snapshots, &received).unwrap();
    assert_eq!(contents(&sink.engine), contents(&source.engine));
    assert_eq!(sink.state.reader().slots(), [slot(1)]);
    assert_eq!(sink.state.reader().nodes(), [node(1)]);
    assert_eq!(
        sink.state.batch().call(call_id(1, 20_000)).unwrap(),
        None,
        "not from memory either"
    );
    assert_eq!(sink.state.batch().expired(Millis(9), 9).unwrap(), [(Millis(1), call_id(1, 1))]);
    // Installed means durable.
    assert_eq!(contents(&sink.engine.crash()), contents(&source.engine));
}

#[test]
fn a_snapshot_shows_one_moment_while_applying_goes_on() {
    let place = Place::new();
    place.fill(1, 10);
    let (engine, before) = (place.engine.clone(), contents(&place.engine));
    let view = engine.view();
    place.fill(2, 10);
    assert_eq!(contents(view.as_ref()), before);
    let built = place.build();
    assert_eq!(&*built.header().applied, b"applied 2");
}

#[test]
fn only_the_newest_is_kept_and_unfinished_files_go() {
    let place = Place::new();
    let nothing = place.state.build_snapshot(&place.snapshots);
    assert!(matches!(nothing, Err(SnapshotError::NoState { group: GROUP })));
    assert_eq!(place.snapshots.newest(GROUP).unwrap(), None);
    place.fill(1, 1);
    place.build();
    place.fill(2, 1);
    let second = place.build();
    assert_eq!(place.files(), 1);
    assert_eq!(place.snapshots.newest(GROUP).unwrap(), Some(second.clone()));
    assert_eq!(place.snapshots.newest(GroupId(6)).unwrap(), None);
    fs::write(place.folder.path().join("00005-x.tmp"), "half").unwrap();
    let again = SnapshotStore::open(place.folder.path()).unwrap();
    assert_eq!((place.files(), again.newest(GROUP).unwrap()), (1, Some(second)));
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let place = Place::new();
    place.fill(1, 1);
    let built = place.build();
    let good = fs::read(built.path()).unwrap();
    let copy = place.folder.path().join("copy");
    let check = |bytes: &[u8]| {
        fs::write(&copy, bytes).unwrap();
        SnapshotFile::verify(&copy, 1, None)
    };
    check(&good).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        let refused = check(&bad);
        assert!(matches!(refused, Err(SnapshotError::Damaged { .. })), "byte {at}: {refused:?}");
        let refused = check(&good[..at]);
        assert!(matches!(refused, Err(SnapshotError::Damaged { .. })), "cut at {at}: {refused:?}");
    }
    let refused = check(&[good.as_slice(), &[0]].concat());
    assert!(matches!(refused, Err(SnapshotError::Damaged { .. })));
}

/// A view that lets somebody act in the middle of a build.
#[derive(Debug)]
struct Interrupted<'a> {
    engine: &'a MemoryEngine,
    act: fn(&Self),
    place: &'a Place,
    received: &'a SnapshotFile,
}

impl Read for Interrupted<'_> {
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

impl Engine for Interrupted<'_> {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        self.engine.write(batch, durability)
    }

    fn view(&self) -> Box<dyn Read + '_> {
        let view = self.engine.view();
        (self.act)(self);
        view
    }

    fn flush_state(&self) -> Result<(), EngineError> {
        self.engine.flush_state()
    }
}

#[test]
fn a_snapshot_built_while_another_is_installed_gives_way_to_it() {
    let (source, sink) = (Place::new(), Place::new());
    source.fill(1, 3);
    sink.fill(2, 3);
    let received = send(&source.build(), &sink.snapshots, 1000).unwrap();
    let act = |it: &Interrupted<'_>| {
        it.place.state.install_snapshot(&it.place.snapshots, it.received).unwrap();
    };
    let (engine, place, received) = (&sink.engine, &sink, &received);
    let built = sink.snapshots.build(&Interrupted { engine, act, place, received }, GROUP);
    assert!(matches!(built, Err(SnapshotError::Superseded { group: GROUP })), "{built:?}");
    assert_eq!(sink.snapshots.newest(GROUP).unwrap().as_ref(), Some(received));
    assert_eq!(sink.files(), 1);
}

#[test]
fn a_snapshot_received_while_another_is_built_is_not_mixed_with_it() {
    let (source, sink) = (Place::new(), Place::new());
    source.fill(1, 3);
    sink.fill(2, 3);
    let sent = source.build();
    let mut receiver = sink.snapshots.receive(GROUP).unwrap();
    let bytes = sent.read_chunk(0, usize::MAX).unwrap();
    receiver.write(0, &bytes[..100]).unwrap();
    let built = sink.build();
    receiver.write(100, &bytes[100..]).unwrap();
    let received = receiver.finish().unwrap();
    assert_eq!(
        (&*built.header().applied, &*received.header().applied),
        (&b"applied 2"[..], &b"applied 1"[..])
    );
    sink.state.install_snapshot(&sink.snapshots, &received).unwrap();
    assert_eq!(sink.snapshots.newest(GROUP).unwrap(), Some(received));
    // Removed, but being sent: it can still be read.
    assert_eq!(built.read_chunk(0, usize::MAX).unwrap().len() as u64, built.bytes());
}

#[test]
fn a_damaged_newest_snapshot_is_passed_over() {
    let place = Place::new();
    place.fill(1, 1);
    let good = place.build();
    let bad = place.snapshots.path(GROUP, good.sequence() + 1);
    fs::write(bad, b"HLSNAP\0\x01").unwrap();
    assert_eq!(place.snapshots.newest(GROUP).unwrap(), Some(good));
}

#[test]
fn pieces_must_follow_each_other_and_a_bad_file_is_not_kept() {
    let (source, sink) = (Place::new(), Place::new());
    source.fill(1, 3);
    let built = source.build();
    let mut receiver = sink.snapshots.receive(GROUP).unwrap();
    let piece = built.read_chunk(0, 100).unwrap();
    receiver.write(0, &piece).unwrap();
    for offset in [0, 99, 101] {
        let refused = receiver.write(offset, &piece);
        let Err(SnapshotError::WrongOffset { offset: at, expected: 100 }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(at, offset);
    }
    assert!(matches!(receiver.finish(), Err(SnapshotError::Damaged { .. })));
    assert_eq!(sink.files(), 0);
    drop(sink.snapshots.receive(GROUP).unwrap());
    assert_eq!(sink.files(), 0, "a receiver that is given up leaves nothing");
    let mut other = sink.snapshots.receive(GroupId(6)).unwrap();
    other.write(0, &fs::read(built.path()).unwrap()).unwrap();
    assert!(matches!(other.finish(), Err(SnapshotError::OtherGroup { found: GROUP, .. })));
    assert_eq!(sink.files(), 0);
}

/// An engine that loses power at a write: that one and all after it fail.
#[derive(Debug)]
struct PowerCut {
    engine: MemoryEngine,
    left: AtomicUsize,
}

impl PowerCut {
    fn count(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.engine.inject(Fault::Io);
        }
    }
}

impl Read for PowerCut {
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

impl Engine for PowerCut {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        self.count();
        self.engine.write(batch, durability)?;
        // The worst case for state writes: a flush comes right after each of them.
        if durability == Durability::State { self.engine.flush_state() } else { Ok(()) }
    }

    fn view(&self) -> Box<dyn Read + '_> {
        self.engine.view()
    }

    fn flush_state(&self) -> Result<(), EngineError> {
        self.count();
        self.engine.flush_state()
    }
}

#[test]
fn an_installation_cut_off_at_any_write_leaves_the_old_state_or_the_new() {
    let source = Place::new();
    source.fill(1, 3000);
    let (built, wanted) = (source.build(), contents(&source.engine));
    let (mut old, mut new, mut done) = (0, 0, false);
    for cut in 0..20 {
        let sink = Place::new();
        sink.fill(2, 10);
        sink.state.flush().unwrap();
        let before = contents(&sink.engine);
        let received = send(&built, &sink.snapshots, 1 << 20).unwrap();
        let engine = PowerCut { engine: sink.engine.clone(), left: AtomicUsize::new(cut) };
        let state = StateStore::open(Arc::new(engine), GROUP, &sink.snapshots).unwrap();
        let installed = state.install_snapshot(&sink.snapshots, &received);
        let left = sink.engine.crash();
        let again = SnapshotStore::open(sink.folder.path()).unwrap();
        let state = StateStore::open(Arc::new(left.clone()), GROUP, &again).unwrap();
        let found = contents(&left);
        assert!(found == before || found == wanted, "neither state after a cut at write {cut}");
        if found == before {
            old += 1
        } else {
            new += 1
        }
        assert_eq!(state.reader().slots(), [slot(if found == before { 2 } else { 1 })]);
        if installed.is_ok() {
            assert_eq!(found, wanted);
            done = true;
            break;
        }
    }
    assert!(done && old == 1 && new >= 5, "old {old}, new {new}, done {done}");
}

#[test]
fn an_interrupted_installation_without_its_file_is_refused() {
    let source = Place::new();
    source.fill(1, 3);
    let built = source.build();
    let engine = PowerCut { engine: source.engine.clone(), left: AtomicUsize::new(2) };
    let state = StateStore::open(Arc::new(engine), GROUP, &source.snapshots).unwrap();
    assert!(state.install_snapshot(&source.snapshots, &built).is_err());
    fs::remove_file(built.path()).unwrap();
    let refused = StateStore::open(Arc::new(source.engine.crash()), GROUP, &source.snapshots);
    let Err(StateError::HalfInstalled { path, .. }) = refused else { panic!("it was opened") };
    assert_eq!(path, built.path());
}
