//! A process that writes the log and the state is killed with SIGKILL, again and again, and what it
//! leaves is read: every acknowledged entry is there, and the state is one that once was.
//!
//! The child is this same test binary with another environment.

#![allow(clippy::unwrap_used, reason = "a test: a failure is to end it")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use holdline_model::{
    CallId, Cause, Cdr, CdrId, Disposition, GroupId, HangupBy, Millis, SlotId, State,
};
use holdline_storage::{
    CdrQuery, LogOptions, LogStore, RocksEngine, RocksOptions, SnapshotStore, StateStore,
};
use tempfile::TempDir;

const FOLDER: &str = "HOLDLINE_CRASH_TEST_FOLDER";
const GROUP: GroupId = GroupId(1);
const ROUNDS: usize = 4;
const ENTRIES_PER_ROUND: u64 = 300;

/// Memory so small that RocksDB flushes many times in a round, at moments of its own choice.
fn open(folder: &Path) -> (LogStore, StateStore) {
    let options = RocksOptions { table_write_buffer_bytes: 64 << 10, ..RocksOptions::default() };
    let engine = Arc::new(RocksEngine::open(&folder.join("db"), &options).unwrap());
    let snapshots = SnapshotStore::open(&folder.join("snapshots")).unwrap();
    let state = StateStore::open(engine.clone(), GROUP, &snapshots).unwrap();
    (LogStore::open(engine, GROUP, LogOptions::default()).unwrap(), state)
}

fn entry(index: u64) -> Bytes {
    Bytes::from(format!("{index} ").repeat(100))
}

fn cdr(index: u64) -> Cdr {
    let text = "x".repeat(200);
    Cdr {
        id: CdrId { index, position: 0 },
        call: CallId { slot: SlotId(1), nonce: index },
        tenant: "t".into(),
        trunk_in: "i".into(),
        trunk_out: None,
        from: text.clone(),
        to: text.clone(),
        caller_call_id: text.clone(),
        callee_call_id: text,
        started_at: Millis(index),
        admitted_at: Millis(index),
        answered_at: None,
        ended_at: Millis(index),
        duration_ms: 0,
        disposition: Disposition::Failed,
        cause: Cause { status: 500, text: "c".into() },
        hangup_by: HangupBy::Switch,
        owners: Vec::new(),
        takeovers: 0,
    }
}

fn applied(state: &StateStore) -> u64 {
    let mark = state.applied().unwrap();
    mark.map_or(0, |mark| u64::from_be_bytes(mark.try_into().unwrap()))
}

fn apply(state: &StateStore, index: u64) {
    let mut batch = state.batch();
    batch.put_cdr(&cdr(index)).unwrap();
    batch.commit(&index.to_be_bytes()).unwrap();
}

/// The child: appends, waits for the sync, says so, applies; until it is killed.
fn run(folder: &Path) {
    let (log, state) = open(folder);
    let next = log.last_index().unwrap_or(0) + 1;
    for index in applied(&state) + 1..next {
        apply(&state, index);
    }
    let mut out = std::io::stdout();
    for index in next.. {
        let (to, from) = sync_channel(1);
        let on_durable = Box::new(move |result| to.send(result).unwrap());
        log.append(vec![(index, entry(index))], on_durable).unwrap();
        from.recv().unwrap().unwrap();
        writeln!(out, "durable {index}").unwrap();
        apply(&state, index);
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_process_loses_nothing_that_it_acknowledged", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets the child go on for a round, kills it, and returns the last entry that it acknowledged.
fn kill_after_a_round(mut child: Child) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    let mut seen = 0;
    while seen < ENTRIES_PER_ROUND {
        let line = lines.next().expect("the child ended by itself").unwrap();
        // The test harness writes its own words before the first of them, on the same line.
        if let Some((_, index)) = line.rsplit_once("durable ") {
            acknowledged = index.parse().unwrap();
            seen += 1;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let rest = lines.map_while(Result::ok);
    let rest = rest.filter_map(|line| line.strip_prefix("durable ")?.parse().ok());
    rest.last().unwrap_or(acknowledged)
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        run(Path::new(&folder));
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut flushed = 0;
    for round in 0..ROUNDS {
        let acknowledged = kill_after_a_round(spawn(folder.path()));
        let (log, state) = open(folder.path());
        let last = log.last_index().unwrap();
        assert!(last >= acknowledged, "round {round}: {last} of {acknowledged} entries");
        let entries = log.read(1..last + 1, usize::MAX).unwrap();
        assert!(entries.into_iter().eq((1..=last).map(|index| (index, entry(index)))));
        let applied = applied(&state);
        assert!(applied <= last, "round {round}: applied {applied}, log {last}");
        let limit = usize::MAX;
        let query = CdrQuery { limit, scan_limit: limit, ..CdrQuery::default() };
        let cdrs = state.reader().cdrs(&query).unwrap().cdrs;
        assert!(cdrs.into_iter().eq((1..=applied).map(cdr)), "round {round}: not what was applied");
        flushed += u32::from(applied > 0);
    }
    assert!(flushed > 0, "no flush came before a kill: the test has shown nothing of the state");
}
