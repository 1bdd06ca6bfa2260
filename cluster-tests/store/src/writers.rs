//! Writers: each proposes a REGISTER, waits for the reply, and proposes the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdline_model::{
    Aor, Binding, BindingChange, Command, Epoch, Ha1, Hop, Millis, PutUser, Register,
    RegisterBounds, Reply, SlotId, UserRecord,
};
use holdline_raft::RaftHandle;
use holdline_storage::codec;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

/// What so many writers reached.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Proposals that were decided.
    pub(crate) proposals: u64,
    /// In how long.
    pub(crate) seconds: f64,
    /// How long each took.
    pub(crate) times: Times,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.proposals as f64 / self.seconds
    }
}

/// A distribution, in microseconds, by nearest rank.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) p50_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

impl Times {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Self { p50_us: at(50), p95_us: at(95), p99_us: at(99), max_us: at(100) }
    }
}

/// Lets so many writers propose for some time at the leader; they are warm before the time is taken.
pub(crate) async fn load(
    raft: &RaftHandle,
    writers: u32,
    seconds: u64,
    bytes: u32,
) -> Result<Measured> {
    for writer in 0..writers {
        let record = UserRecord {
            aor: aor(writer)?,
            tenant: "bench".into(),
            ha1: Ha1 { md5: [1; 16], sha256: [2; 32] },
            max_bindings: None,
            changed_at: Millis(1),
        };
        decided(raft, &Command::PutUser(Box::new(PutUser { record, replace: true }))).await?;
    }
    let (counts, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let (raft, counts, over) = (raft.clone(), Arc::clone(&counts), Arc::clone(&over));
        tasks.spawn(async move {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let command = register(writer, bytes)?;
                #[allow(
                    clippy::disallowed_methods,
                    reason = "a measurement, outside of every node"
                )]
                let began = Instant::now();
                decided(&raft, &command).await?;
                if counts.load(Ordering::Relaxed) {
                    times.push(began.elapsed());
                }
            }
            anyhow::Ok(times)
        });
    }
    tokio::time::sleep(WARM).await;
    counts.store(true, Ordering::Relaxed);
    #[allow(clippy::disallowed_methods, reason = "a measurement, outside of every node")]
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    over.store(true, Ordering::Relaxed);
    let elapsed = began.elapsed();
    let mut times = Vec::new();
    while let Some(written) = tasks.join_next().await {
        times.extend(written??);
    }
    let proposals = u64::try_from(times.len())?;
    ensure!(proposals > 0, "nothing was decided");
    Ok(Measured { proposals, seconds: elapsed.as_secs_f64(), times: Times::of(times) })
}

async fn decided(raft: &RaftHandle, command: &Command) -> Result<()> {
    let reply = raft.propose(command).await.context("a proposal failed")?;
    ensure!(!matches!(reply, Reply::Rejected(_)), "a proposal was rejected: {reply:?}");
    Ok(())
}

fn aor(writer: u32) -> Result<Aor> {
    Aor::new(&format!("writer{writer}"), "bench.test").context("an address of record")
}

/// A REGISTER of this writer that changes its binding, of so many bytes when encoded.
fn register(writer: u32, bytes: u32) -> Result<Command> {
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let short = command(writer, next, 0)?;
    let missing = usize::try_from(bytes)?.saturating_sub(codec::encode_command(&short)?.len());
    command(writer, next, missing)
}

fn command(writer: u32, number: u64, filling: usize) -> Result<Command> {
    let cseq = u32::try_from(number)?;
    let text = "x".repeat(filling / 2);
    let at = Millis(1_000);
    let address = ([127, 0, 0, 1], 5060).into();
    let binding = Binding {
        key: "one".to_owned(),
        contact: format!("sip:writer{writer}@192.0.2.1;{text}"),
        q: 1_000,
        path: vec![format!("<sip:192.0.2.2;lr;{}>", "x".repeat(filling - text.len()))],
        instance: None,
        reg_id: None,
        call_id: "bench".to_owned(),
        cseq,
        hop: Hop::udp(address, address),
        at,
        granted_s: 600,
        until: Millis(600_000_000),
    };
    Ok(Command::Register(Box::new(Register {
        aor: aor(writer)?,
        slot: SlotId(0),
        epoch: Epoch(1),
        at,
        request: u128::from(number),
        call_id: "bench".to_owned(),
        cseq,
        changes: vec![BindingChange::Put(Box::new(binding))],
        bounds: RegisterBounds { per_aor: 1, replace_oldest: true, total: 1_000_000 },
    })))
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Before the time is taken.
const WARM: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_as_large_as_was_asked_for() {
        for bytes in [300, 500, 1_000] {
            let command = register(7, bytes).unwrap();
            let encoded = codec::encode_command(&command).unwrap().len();
            assert!(encoded.abs_diff(usize::try_from(bytes).unwrap()) <= 4, "{encoded}");
        }
    }
}
