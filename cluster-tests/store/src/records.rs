//! Puts call detail records into data folders of nodes that have ended: as many as months of calls leave.
//!
//! The nodes' states are alike before and after, as if the entries that they have applied had written
//! the records: some thousand to an entry.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use holdline_model::{
    CallId, Cause, Cdr, CdrId, Disposition, Epoch, GroupId, HangupBy, Millis, NodeId, OwnerSpan,
    SlotId, State as _, TransferReason,
};
use holdline_raft::applied_index;
use holdline_storage::{RocksEngine, RocksOptions, SnapshotStore, StateStore};

use super::say;

/// How many records, and where.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RecordsArgs {
    /// How many.
    #[arg(long)]
    count: u64,
    /// The nodes' data folders.
    folders: Vec<PathBuf>,
}

/// Puts them there.
#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own, which takes the time of day once"
)]
pub(crate) fn put(args: &RecordsArgs) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let now = Millis(u64::try_from(now.as_millis())?);
    for folder in &args.folders {
        fill(folder, args.count, now).with_context(|| folder.display().to_string())?;
    }
    say("put");
    Ok(())
}

fn fill(folder: &Path, count: u64, now: Millis) -> Result<()> {
    let engine = Arc::new(RocksEngine::open(&folder.join("db"), &RocksOptions::default())?);
    let snapshots = SnapshotStore::open(&folder.join("snapshots"))?;
    let store = StateStore::open(engine, GROUP, &snapshots)?;
    let mark = store.applied()?.context("nothing was applied here")?;
    let entries = count.div_ceil(PER_ENTRY);
    let applied = applied_index(&mark)?;
    ensure!(entries < applied, "only {applied} entries were applied");
    for first in (0..count).step_by(LOT) {
        let mut batch = store.batch();
        for n in first..count.min(first + LOT as u64) {
            batch.put_cdr(&record(n, count, now))?;
        }
        batch.commit(&mark)?;
    }
    store.flush()?;
    Ok(())
}

/// Calls of the last two months, evenly: 50 tenants, 200,000 callers, two million callees.
fn record(n: u64, count: u64, now: Millis) -> Cdr {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let started_at = Millis(now.0 - TWO_MONTHS_MS + TWO_MONTHS_MS / count * n);
    let duration_ms = mixed % 300_000;
    let answered_at = started_at.plus_ms(4_000 + mixed % 9_000);
    let owner = OwnerSpan {
        node: NodeId(1),
        epoch: Epoch(1),
        since: Millis(now.0 - TWO_MONTHS_MS),
        reason: TransferReason::Formed,
    };
    Cdr {
        id: CdrId { index: 1 + n / PER_ENTRY, position: u32::try_from(n % PER_ENTRY).unwrap_or(0) },
        call: CallId { slot: SlotId(0), nonce: mixed },
        tenant: format!("tenant-{}", mixed % 50).as_str().into(),
        trunk_in: "in".into(),
        trunk_out: Some("out".into()),
        from: format!("sip:+49{:09}@192.0.2.17:5060", 100_000_000 + mixed % 200_000 * 4_001),
        to: format!("sip:+44{:010}@198.51.100.3", 2_000_000_000 + mixed / 7 % 2_000_000 * 49),
        caller_call_id: format!("{:08x}-{mixed:011x}@192.0.2.17", n.wrapping_mul(2_654_435_761)),
        callee_call_id: format!("hl0000{mixed:016x}c"),
        started_at,
        admitted_at: started_at,
        answered_at: Some(answered_at),
        ended_at: answered_at.plus_ms(duration_ms),
        duration_ms,
        disposition: Disposition::Answered,
        cause: Cause { status: 200, text: "Normal call clearing".into() },
        hangup_by: HangupBy::Caller,
        owners: vec![owner],
        takeovers: 0,
    }
}

/// The group of every node.
const GROUP: GroupId = GroupId(0);
/// Records of one entry of the log.
const PER_ENTRY: u64 = 60_000;
/// Records written at a time.
const LOT: usize = 1_000;
const TWO_MONTHS_MS: u64 = 60 * 24 * 3_600_000;
