//! The log: from an append until it is said to be durable. One appender that waits each time, and
//! 64 appends under way at once, which share syncs: their time is per append.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use holdline_model::GroupId;
use holdline_raft::Batch;
use holdline_storage::codec;
use holdline_storage::{Engine, LogOptions, LogStore, MemoryEngine, RocksEngine, RocksOptions};

use crate::calibrate;
use crate::codec::encoded;
use crate::meter::{Group, Meter, Pace};
use crate::script::Script;

const MEMORY: Group = Group { name: "log-memory", pace: Pace::Threads };
const ROCKS: Group = Group { name: "log-rocks", pace: Pace::Disk };

/// Appends under way at once, at most.
const MANY: u32 = 64;

pub(crate) fn run_on_memory(meter: &mut dyn Meter) {
    if meter.wants(&MEMORY) {
        run(meter, &MEMORY, Arc::new(MemoryEngine::new()));
    }
}

pub(crate) fn run_on_rocks(meter: &mut dyn Meter) {
    if meter.wants(&ROCKS) {
        let folder = crate::scratch::folder();
        let engine = RocksEngine::open(&folder.path().join("db"), &RocksOptions::default());
        run(meter, &ROCKS, Arc::new(engine.expect("the folder is ours")));
    }
}

fn run(meter: &mut dyn Meter, group: &Group, engine: Arc<dyn Engine>) {
    calibrate::run(meter, group);
    let script = Script::record();
    let admit = script.proposed("admit").get(..1).expect("a call is admitted");
    let entry = codec::encode_message(&Batch { commands: encoded(admit) });
    let entry = Bytes::from(entry.expect("our own entries are encodable"));
    let log =
        LogStore::open(engine, GroupId(1), LogOptions::default()).expect("an empty log opens");
    let mut next = 1;
    for (name, under_way) in [("append_1", 1), ("append_64", MANY)] {
        meter.case(group, name, under_way, &mut |stopwatch| {
            stopwatch.time(&mut || append(&log, next, &entry, under_way));
            next += u64::from(under_way);
            purge(&log);
        });
    }
}

/// Appends entries one by one, and waits until all are durable.
fn append(log: &LogStore, first: u64, entry: &Bytes, count: u32) {
    let (done, durable) = sync_channel(count as usize);
    for index in (first..).take(count as usize) {
        let done = done.clone();
        let on_durable = move |outcome: Result<(), _>| {
            outcome.expect("the disk works");
            done.send(()).expect("somebody waits for it");
        };
        log.append(vec![(index, entry.clone())], Box::new(on_durable)).expect("the disk works");
    }
    for _ in 0..count {
        durable.recv().expect("every append is reported");
    }
}

/// Keeps the log as long as one in use is between two snapshots, so that memory does not grow.
fn purge(log: &LogStore) {
    let (Some(first), Some(last)) = (log.first_index(), log.last_index()) else { return };
    if last - first >= KEPT {
        log.note_state_flushed(last);
        log.purge_to(last, Bytes::from_static(b"mark")).expect("the disk works");
    }
}

const KEPT: u64 = 10_000;
