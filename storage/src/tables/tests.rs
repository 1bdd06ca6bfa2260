//! The tables on the memory engine, for they ask nothing of an engine that its suite does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdline_model::{
    CallId, CdrId, DisabledTrunks, GroupId, Millis, NodeId, Phase, SlotId, State,
};
use proptest::prelude::*;
use proptest::sample::select;
use tempfile::TempDir;

use crate::codec::samples::{
    aor, call, call_id, cdr, cluster, disabled_trunks, location, node, slot, user,
};
use crate::engine::{Batch, Durability, Engine, Fault, MemoryEngine, Read, Table};
use crate::snapshot::SnapshotStore;
use crate::tables::{
    CallCounts, CdrQuery, Key, StateError, StateStore, binding_ends, calls, cdrs, expiry,
    locations, meta, nodes, slots, users,
};

const GROUP: GroupId = GroupId(0x0102);

fn open(engine: &MemoryEngine) -> (StateStore, TempDir) {
    open_group(engine, GROUP)
}

fn open_group(engine: &MemoryEngine, group: GroupId) -> (StateStore, TempDir) {
    let folder = TempDir::new().unwrap();
    let snapshots = SnapshotStore::open(folder.path()).unwrap();
    (StateStore::open(Arc::new(engine.clone()), group, &snapshots).unwrap(), folder)
}

/// The call as the engine has it, and the engine's mark.
fn written(engine: &MemoryEngine, id: CallId) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let get = |table, key: Key| engine.get(table, &key).unwrap();
    (get(Table::Calls, calls::key(GROUP, id)), get(Table::Meta, meta::applied_key(GROUP)))
}

fn put(store: &StateStore, id: CallId, phase: Phase, mark: &[u8]) -> Result<(), StateError> {
    let mut batch = store.batch();
    batch.put_call(call(id, phase)).unwrap();
    batch.commit(mark)
}

#[test]
fn commits_are_gathered_and_written_with_their_mark_when_somebody_looks() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let (reader, id) = (store.reader(), call_id(7, 1));
    put(&store, id, Phase::Inviting, b"1").unwrap();
    put(&store, id, Phase::Answered, b"2").unwrap();
    assert_eq!(written(&engine, id), (None, None), "nobody has asked");
    assert_eq!(reader.call(id).unwrap().map(|call| call.phase), Some(Phase::Answered));
    assert_eq!(reader.applied().unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(written(&engine, id), (None, None), "it was in memory");
    assert_eq!(reader.calls(None, 9).unwrap().calls, [call(id, Phase::Answered)]);
    let newest = crate::codec::encode(&call(id, Phase::Answered)).unwrap();
    assert_eq!(written(&engine, id), (Some(newest), Some(b"2".to_vec())));
    // What is not gathered takes along what is.
    put(&store, id, Phase::Confirmed, b"3").unwrap();
    let mut batch = store.batch();
    batch.put_slot(&slot(7)).unwrap();
    batch.commit(b"4").unwrap();
    let newest = crate::codec::encode(&call(id, Phase::Confirmed)).unwrap();
    assert_eq!(written(&engine, id), (Some(newest), Some(b"4".to_vec())));
}

/// What happens to calls and to those who look at them.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The call is read, as apply does, and goes to this phase; committed by itself.
    Change(u64, Phase),
    Delete(u64),
    /// Reads, commits nothing.
    Look(u64),
    /// Somebody lists all calls.
    List,
}

fn step() -> impl Strategy<Value = Step> {
    let phases = [Phase::Inviting, Phase::Answered, Phase::Confirmed, Phase::Finished];
    let change = (0..6_u64, select(phases.to_vec())).prop_map(|(id, to)| Step::Change(id, to));
    prop_oneof![
        12 => change,
        3 => (0..6_u64).prop_map(Step::Delete),
        1 => (0..6_u64).prop_map(Step::Look),
        1 => Just(Step::List),
    ]
}

proptest! {
    #[test]
    fn a_call_is_what_was_committed_last_wherever_it_is(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let (store, _folder) = open(&MemoryEngine::new());
        let reader = store.reader();
        let mut expected: BTreeMap<u64, Phase> = BTreeMap::new();
        for step in steps {
            let (Step::Change(nonce, _) | Step::Delete(nonce) | Step::Look(nonce)) = step else {
                let all = reader.calls(None, 9).unwrap().calls;
                let phases: Vec<_> = all.iter().map(|it| (it.call.nonce, it.phase)).collect();
                prop_assert_eq!(phases, expected.clone().into_iter().collect::<Vec<_>>());
                continue;
            };
            let id = call_id(7, nonce);
            let mut batch = store.batch();
            prop_assert_eq!(batch.phase(id).unwrap(), expected.get(&nonce).copied());
            let known = batch.call(id).unwrap().map(|record| record.phase);
            prop_assert_eq!(known, expected.get(&nonce).copied());
            match step {
                Step::Change(_, phase) => {
                    batch.put_call(call(id, phase)).unwrap();
                    batch.commit(b"changed").unwrap();
                    expected.insert(nonce, phase);
                }
                Step::Delete(_) => {
                    batch.delete_call(id).unwrap();
                    batch.commit(b"deleted").unwrap();
                    expected.remove(&nonce);
                }
                Step::Look(_) | Step::List => {}
            }
            let seen = reader.call(id).unwrap().map(|record| record.phase);
            prop_assert_eq!(seen, expected.get(&nonce).copied());
        }
    }
}

#[test]
fn no_more_is_gathered_than_is_quickly_written() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let id = call_id(7, 1);
    let mut commits = 0_u64;
    while written(&engine, id).0.is_none() {
        commits += 1;
        put(&store, id, Phase::Inviting, &commits.to_be_bytes()).unwrap();
        assert!(commits <= 16);
    }
    assert!(commits > 1);
    assert_eq!(written(&engine, id).1, Some(commits.to_be_bytes().to_vec()));
    let mut batch = store.batch();
    for nonce in 0..1_000 {
        batch.put_call(call(call_id(3, nonce), Phase::Inviting)).unwrap();
    }
    batch.commit(b"many").unwrap();
    assert_eq!(written(&engine, id).1.as_deref(), Some(&b"many"[..]));
}

#[test]
fn a_crash_loses_what_was_gathered_and_its_mark_together() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let id = call_id(7, 1);
    put(&store, id, Phase::Inviting, b"1").unwrap();
    store.flush().unwrap();
    put(&store, id, Phase::Answered, b"2").unwrap();
    let (after, _folder) = open(&engine.crash());
    assert_eq!(after.reader().call(id).unwrap(), Some(call(id, Phase::Inviting)), "flushed");
    assert_eq!(after.applied().unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_snapshot_that_is_refused_leaves_what_was_gathered() {
    let folder = TempDir::new().unwrap();
    let snapshots = SnapshotStore::open(folder.path()).unwrap();
    let (other, _folder) = open_group(&MemoryEngine::new(), GroupId(9));
    put(&other, call_id(7, 2), Phase::Inviting, b"9").unwrap();
    let foreign = other.build_snapshot(&snapshots).unwrap();
    let (store, _folder) = open(&MemoryEngine::new());
    let id = call_id(7, 1);
    put(&store, id, Phase::Answered, b"1").unwrap();
    assert!(store.install_snapshot(&snapshots, &foreign).is_err());
    assert_eq!(store.reader().call(id).unwrap(), Some(call(id, Phase::Answered)));
    assert_eq!(store.applied().unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn nothing_is_committed_after_a_write_that_failed_whoever_made_it() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let id = call_id(7, 1);
    put(&store, id, Phase::Inviting, b"1").unwrap();
    engine.inject(Fault::DiskFull);
    assert!(matches!(store.reader().calls(None, 9), Err(StateError::Engine(_))));
    // The engine would take it; but it would be without the commit before.
    assert!(matches!(put(&store, id, Phase::Answered, b"2"), Err(StateError::Abandoned)));
    assert_eq!(written(&engine, id), (None, None));
}

#[test]
fn keys_are_pinned() {
    let id = call_id(7, 0xfeed);
    let hex = |key: Key| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(meta::applied_key(GROUP)), "010200");
    assert_eq!(hex(meta::membership_key(GROUP)), "010201");
    assert_eq!(hex(meta::cluster_key(GROUP)), "010202");
    assert_eq!(hex(meta::disabled_trunks_key(GROUP)), "010204");
    assert_eq!(hex(nodes::key(GROUP, NodeId(9))), "01020000000000000009");
    assert_eq!(hex(slots::key(GROUP, SlotId(7))), "01020007");
    assert_eq!(hex(calls::key(GROUP, id)), "01020007000000000000feed");
    let id_of_cdr = CdrId { index: 4711, position: 3 };
    assert_eq!(hex(cdrs::key(GROUP, id_of_cdr)), "0102000000000000126700000003");
    let note = expiry::key(GROUP, Millis(5), id);
    assert_eq!(hex(note), "010200000000000000050007000000000000feed");
    assert_eq!(expiry::parse(&note), Some((Millis(5), id)));
    assert_eq!(expiry::parse(&note[1..]), None);
    assert_eq!(expiry::VALUE, [2]);
}

#[test]
fn a_batch_reads_its_own_writes_and_readers_only_committed_ones() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let (reader, id) = (store.reader(), call_id(7, 1));
    let mut batch = store.batch();
    batch.put_cluster(&cluster()).unwrap();
    batch.put_disabled_trunks(&disabled_trunks()).unwrap();
    batch.put_node(&node(2)).unwrap();
    batch.put_slot(&slot(7)).unwrap();
    batch.put_call(call(id, Phase::Inviting)).unwrap();
    assert_eq!(batch.cluster().unwrap(), Some(cluster()));
    assert_eq!(batch.disabled_trunks().unwrap(), disabled_trunks());
    assert_eq!(reader.disabled_trunks(), DisabledTrunks::default());
    assert_eq!(batch.node(NodeId(2)).unwrap(), Some(node(2)));
    assert_eq!(batch.slot(SlotId(7)).unwrap(), Some(slot(7)));
    assert_eq!(batch.call(id).unwrap(), Some(call(id, Phase::Inviting)));
    assert_eq!(
        (reader.cluster(), reader.node(NodeId(2)), reader.slot(SlotId(7))),
        (None, None, None)
    );
    assert_eq!(reader.call(id).unwrap(), None);
    batch.commit(b"one").unwrap();
    assert_eq!(reader.cluster(), Some(cluster()));
    assert_eq!(reader.disabled_trunks(), disabled_trunks());
    let (reopened, _folder) = open(&engine);
    assert_eq!(reopened.reader().disabled_trunks(), disabled_trunks(), "after a restart");
    assert_eq!((reader.nodes(), reader.slots()), (vec![node(2)], vec![slot(7)]));
    assert_eq!(reader.call(id).unwrap(), Some(call(id, Phase::Inviting)));
    assert_eq!(reader.applied().unwrap().as_deref(), Some(&b"one"[..]));

    let mut batch = store.batch();
    let mut moved = slot(7);
    moved.owner = NodeId(3);
    batch.put_slot(&moved).unwrap();
    batch.put_slot(&slot(4)).unwrap();
    batch.put_node(&node(1)).unwrap();
    batch.delete_call(id).unwrap();
    assert_eq!(batch.slots().unwrap(), [slot(4), moved]);
    assert_eq!(batch.nodes().unwrap(), [node(1), node(2)]);
    assert_eq!(batch.call(id).unwrap(), None);
    drop(batch);
    assert_eq!(reader.slots(), [slot(7)], "a batch that is dropped leaves no trace");
    assert!(reader.call(id).unwrap().is_some());
}

#[test]
fn what_is_due_comes_in_order_of_time_through_the_batch() {
    let (store, _folder) = open(&MemoryEngine::new());
    let (first, second, third) = (call_id(1, 1), call_id(2, 2), call_id(3, 3));
    let mut batch = store.batch();
    for (at, call) in [(30, third), (10, first), (20, second), (40, first)] {
        batch.put_expiry(Millis(at), call).unwrap();
    }
    batch.commit(b"1").unwrap();
    let mut batch = store.batch();
    let note = |at: u64, call: CallId| (Millis(at), call);
    let stored = [note(10, first), note(20, second), note(30, third)];
    assert_eq!(batch.expired(Millis(30), 10).unwrap(), stored);
    assert_eq!(batch.expired(Millis(9), 10).unwrap(), []);
    batch.delete_expiry(Millis(10), first).unwrap();
    batch.put_expiry(Millis(15), third).unwrap();
    batch.put_expiry(Millis(31), third).unwrap();
    let merged = [note(15, third), note(20, second), note(30, third)];
    assert_eq!(batch.expired(Millis(30), 10).unwrap(), merged);
    assert_eq!(batch.expired(Millis(30), 2).unwrap(), merged[..2]);
    batch.commit(b"2").unwrap();
    assert_eq!(store.batch().expired(Millis(30), 10).unwrap(), merged);
}

#[test]
fn what_is_due_is_found_wherever_earlier_scans_ended() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let id = call_id(1, 1);
    let add = |at: u64| {
        let mut batch = store.batch();
        batch.put_expiry(Millis(at), id).unwrap();
        batch.commit(b"added").unwrap();
    };
    let sweep = |up_to: u64| {
        let mut batch = store.batch();
        let due = batch.expired(Millis(up_to), 2).unwrap();
        for (at, call) in &due {
            batch.delete_expiry(*at, *call).unwrap();
        }
        batch.commit(b"swept").unwrap();
        due.iter().map(|(at, _)| at.0).collect::<Vec<_>>()
    };
    assert_eq!(sweep(100), [0; 0]);
    // Written after a scan that found nothing so far, and by a proposer whose clock is behind.
    [40, 100, 101, 30, 7].into_iter().for_each(add);
    assert!(store.reader().has_expired(Millis(7)).unwrap());
    assert_eq!((sweep(50), sweep(50)), (vec![7, 30], vec![40]));
    [50, 6].into_iter().for_each(add);
    assert_eq!((sweep(100), sweep(100), sweep(100)), (vec![6, 50], vec![100], vec![]));
    assert!(!store.reader().has_expired(Millis(100)).unwrap());
    assert_eq!((sweep(u64::MAX), sweep(u64::MAX)), (vec![101], vec![]));
    add(3);
    // A scan that removes nothing, and one that is never committed, leave everything to be found.
    assert_eq!(store.batch().expired(Millis(9), 0).unwrap(), []);
    assert_eq!(store.batch().expired(Millis(9), 1).unwrap(), [(Millis(3), id)]);
    assert_eq!((sweep(2), sweep(9)), (vec![], vec![3]));
    store.write_out().unwrap();
    assert_eq!(open(&engine).0.batch().expired(Millis(u64::MAX), 9).unwrap(), []);
}

#[test]
fn a_crash_loses_records_and_applied_mark_together() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let mut batch = store.batch();
    batch.put_slot(&slot(7)).unwrap();
    batch.commit(b"1").unwrap();
    store.flush().unwrap();
    let mut batch = store.batch();
    batch.put_slot(&slot(8)).unwrap();
    batch.put_membership(b"members");
    batch.commit(b"2").unwrap();
    assert_eq!(store.membership().unwrap().as_deref(), Some(&b"members"[..]));
    let (store, _folder) = open(&engine.crash());
    assert_eq!(store.reader().slots(), [slot(7)]);
    assert_eq!(store.applied().unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(store.membership().unwrap(), None);
}

#[test]
fn a_failed_write_changes_nothing_that_readers_see() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let mut batch = store.batch();
    batch.put_slot(&slot(7)).unwrap();
    engine.inject(Fault::DiskFull);
    assert!(matches!(batch.commit(b"1"), Err(StateError::Engine(_))));
    assert_eq!(store.reader().slots(), []);
    assert_eq!(store.applied().unwrap(), None);
}

#[test]
fn calls_are_listed_by_page_and_by_slot_and_counted() {
    let (store, _folder) = open(&MemoryEngine::new());
    let mut batch = store.batch();
    let ids: Vec<_> =
        (0..7).map(|n| call_id(n / 3, 0xffff_ffff_ffff_fff0 + u64::from(n))).collect();
    let phases = [Phase::Inviting, Phase::Answered, Phase::Confirmed, Phase::Finished];
    for (id, phase) in ids.iter().zip(phases.into_iter().cycle()) {
        batch.put_call(call(*id, phase)).unwrap();
    }
    batch.commit(b"1").unwrap();
    let reader = store.reader();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = reader.calls(after, 3).unwrap();
        assert!(page.calls.len() <= 3);
        seen.extend(page.calls.iter().map(|call| call.call));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    let of_slot: Vec<_> =
        reader.calls_of_slot(SlotId(1)).unwrap().iter().map(|call| call.call).collect();
    assert_eq!(of_slot, ids[3..6]);
    let counts = reader.count_calls().unwrap();
    let expected = [
        CallCounts { inviting: 1, answered: 2, finished: 0 },
        CallCounts { inviting: 1, answered: 1, finished: 1 },
        CallCounts { inviting: 0, answered: 1, finished: 0 },
    ];
    assert_eq!(counts.into_values().collect::<Vec<_>>(), expected);
    assert_eq!(expected[1].up(), 2);
}

#[test]
fn cdrs_are_filtered_and_read_by_cursor() {
    let (store, _folder) = open(&MemoryEngine::new());
    let mut batch = store.batch();
    for index in 1..=20_u32 {
        let mut record = cdr(u64::from(index / 2), index % 2);
        record.tenant = if index % 3 == 0 { "three".into() } else { "other".into() };
        record.ended_at = Millis(u64::from(index) * 100);
        batch.put_cdr(&record).unwrap();
    }
    batch.commit(b"1").unwrap();
    let reader = store.reader();
    let read_all = |mut query: CdrQuery| {
        let (mut ended, mut pages) = (Vec::new(), 0);
        loop {
            let page = reader.cdrs(&query).unwrap();
            ended.extend(page.cdrs.iter().map(|cdr| cdr.ended_at.0 / 100));
            pages += 1;
            query.after = page.next;
            if query.after.is_none() {
                return (ended, pages);
            }
        }
    };
    assert_eq!(read_all(CdrQuery::default()), ((1..=20).collect(), 1));
    assert_eq!(read_all(CdrQuery { limit: 5, ..CdrQuery::default() }), ((1..=20).collect(), 4));
    let account = CdrQuery { account: Some("three".into()), ..CdrQuery::default() };
    assert_eq!(read_all(account.clone()).0, [3, 6, 9, 12, 15, 18]);
    let (ended, pages) = read_all(CdrQuery { scan_limit: 4, ..account });
    assert_eq!((ended, pages), (vec![3, 6, 9, 12, 15, 18], 5));
    let (ended_from, ended_before) = (Some(Millis(400)), Some(Millis(700)));
    assert_eq!(read_all(CdrQuery { ended_from, ended_before, ..CdrQuery::default() }).0, [4, 5, 6]);
    let id = CdrId { index: 10, position: 0 };
    assert_eq!(reader.cdr(id).unwrap().map(|cdr| cdr.id), Some(id));
    assert_eq!(reader.cdr(CdrId { index: 99, position: 0 }).unwrap(), None);
}

#[test]
fn groups_do_not_see_each_other() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let (other, _other_folder) = open_group(&engine, GroupId(GROUP.0 + 1));
    let mut batch = other.batch();
    batch.put_call(call(call_id(1, 1), Phase::Answered)).unwrap();
    batch.put_slot(&slot(1)).unwrap();
    batch.put_cdr(&cdr(1, 1)).unwrap();
    batch.put_expiry(Millis(1), call_id(1, 1)).unwrap();
    batch.commit(b"other").unwrap();
    let reader = store.reader();
    assert_eq!(reader.calls(None, 10).unwrap().calls, []);
    assert_eq!(reader.cdrs(&CdrQuery::default()).unwrap().cdrs, []);
    assert_eq!(store.batch().expired(Millis(u64::MAX), 10).unwrap(), []);
    assert_eq!(open(&engine).0.reader().slots(), []);
    assert_eq!(open_group(&engine, GroupId(GROUP.0 + 1)).0.reader().slots(), [slot(1)]);
}

#[test]
fn a_call_is_the_same_from_memory_and_from_the_disk() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let id = call_id(7, 1);
    for phase in [Phase::Inviting, Phase::Answered, Phase::Confirmed, Phase::Finished] {
        let mut batch = store.batch();
        batch.put_call(call(id, phase)).unwrap();
        batch.commit(b"1").unwrap();
        assert_eq!(store.batch().call(id).unwrap(), Some(call(id, phase)), "before it is written");
        assert_eq!(store.batch().phase(id).unwrap(), Some(phase));
        store.write_out().unwrap();
        // The first read may come from memory; the batch is given up, and the next reads the disk.
        let abandoned = store.batch();
        assert_eq!(abandoned.call(id).unwrap(), Some(call(id, phase)));
        assert_eq!(abandoned.call(id).unwrap(), Some(call(id, phase)));
        assert_eq!(abandoned.phase(id).unwrap(), Some(phase));
        assert_eq!(store.batch().call(id).unwrap(), Some(call(id, phase)));
        assert_eq!(open(&engine).0.batch().call(id).unwrap(), Some(call(id, phase)));
    }
    let mut batch = store.batch();
    batch.delete_call(id).unwrap();
    assert_eq!((batch.call(id).unwrap(), batch.phase(id).unwrap()), (None, None));
    batch.commit(b"2").unwrap();
    let after = store.batch();
    assert_eq!((after.call(id).unwrap(), after.phase(id).unwrap()), (None, None));
}

#[test]
fn a_damaged_record_is_named() {
    let engine = MemoryEngine::new();
    let (store, _folder) = open(&engine);
    let key = calls::key(GROUP, call_id(7, 1));
    let mut batch = Batch::new();
    batch.put(Table::Calls, key, vec![1, 2, 3]);
    engine.write(batch, Durability::State).unwrap();
    let error = store.reader().call(call_id(7, 1)).unwrap_err();
    assert!(
        matches!(&error, StateError::Corrupt { table: Table::Calls, key: at, .. } if **at == *key)
    );
    assert!(matches!(store.reader().calls(None, 9), Err(StateError::Corrupt { .. })));
    assert!(matches!(store.reader().count_calls(), Err(StateError::Corrupt { .. })));
}

#[test]
fn users_and_bindings_are_read_under_the_writes_of_a_batch() {
    let (store, _folder) = open(&MemoryEngine::new());
    let reader = store.reader();
    let other = holdline_model::Aor::new("bob", "example.com").unwrap();
    let totals = holdline_model::RegistrarTotals { users: 1, bindings: 1 };
    let mut batch = store.batch();
    batch.put_user(user()).unwrap();
    batch.put_location(location()).unwrap();
    batch.put_binding_end(Millis(5), &aor()).unwrap();
    batch.put_binding_end(Millis(3), &other).unwrap();
    batch.put_registrar_totals(totals).unwrap();
    assert_eq!(batch.user(&aor()).unwrap(), Some(user()));
    assert_eq!(batch.location(&aor()).unwrap(), Some(location()));
    assert_eq!(batch.ended_bindings(Millis(4), 9).unwrap(), [(Millis(3), other.clone())]);
    assert_eq!((reader.user(&aor()).unwrap(), reader.location(&aor()).unwrap()), (None, None));
    batch.commit(b"one").unwrap();
    assert_eq!(reader.user(&aor()).unwrap(), Some(user()));
    assert_eq!(reader.users(None, 9).unwrap().users, [user()]);
    assert_eq!(reader.users(Some(&aor()), 9).unwrap().users, []);
    assert_eq!(reader.locations(None, 1).unwrap().locations, [location()]);
    assert_eq!(reader.registrar_totals(), totals);
    assert!(reader.has_ended_bindings(Millis(3)).unwrap());
    assert!(!reader.has_ended_bindings(Millis(2)).unwrap());

    let mut batch = store.batch();
    batch.delete_binding_end(Millis(3), &other).unwrap();
    batch.delete_user(&aor()).unwrap();
    batch.delete_location(&aor()).unwrap();
    assert_eq!(batch.ended_bindings(Millis(9), 9).unwrap(), [(Millis(5), aor())]);
    assert_eq!((batch.user(&aor()).unwrap(), batch.location(&aor()).unwrap()), (None, None));
    batch.commit(b"two").unwrap();
    assert_eq!((reader.user(&aor()).unwrap(), reader.location(&aor()).unwrap()), (None, None));
}

#[test]
fn the_keys_of_users_and_bindings_are_pinned() {
    let aor = aor();
    assert_eq!(users::key(GROUP, &aor), b"\x01\x02alice@example.com");
    assert_eq!(locations::key(GROUP, &aor), b"\x01\x02alice@example.com");
    let note = binding_ends::key(GROUP, Millis(5), &aor);
    assert_eq!(note, b"\x01\x02\0\0\0\0\0\0\0\x05alice@example.com");
    assert_eq!(binding_ends::parse(&note), Some((Millis(5), aor)));
    assert_eq!(binding_ends::parse(&note[..9]), None);
}
