//! Observers: who acts as owner, who owns what, what the processes use, how everything ends.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use holdline_cluster_tests::cluster::Admin;
use serde_json::Value;
use tokio::time::Instant;

use crate::fact::{Acting, Final, Resources, Slots};
use crate::history::Recorder;
use crate::world::World;

/// Pause between two looks at one node.
const PAUSE: Duration = Duration::from_millis(120);
/// Of so many looks, one asks for the slots as well.
const SLOTS_EVERY: u64 = 3;

/// Watches one node.
#[derive(Debug)]
pub struct Probe {
    node: u64,
    admin: Admin,
    recorder: Recorder,
}

impl Probe {
    /// A probe of that node.
    #[must_use]
    pub const fn new(node: u64, admin: Admin, recorder: Recorder) -> Self {
        Self { node, admin, recorder }
    }

    /// Watches until dropped.
    pub async fn watch(self) {
        let mut seen = None;
        let mut acted = None;
        for round in 0_u64.. {
            let asked = self.recorder.nanos(Instant::now());
            if let Ok(metrics) = self.admin.metrics().await {
                let lease = metrics.sum("holdline_lease_held", &[]) > 0.0;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a gauge of slots"
                )]
                let slots = metrics.sum("holdline_slots_owned", &[]) as u64;
                acted = Some(Acting { node: self.node, lease, slots, asked });
            }
            if let Some(acting) = acted.take() {
                self.recorder.fact("probe", "acting", &acting);
            }
            if round % SLOTS_EVERY == 0
                && let Ok(slots) = self.admin.slots().await
            {
                let slots: Vec<_> = slots.iter().map(|s| (s.slot, s.owner, s.epoch)).collect();
                if seen.as_ref() != Some(&slots) {
                    let fact = Slots { node: self.node, slots: slots.clone() };
                    self.recorder.fact("probe", "slots", &fact);
                    seen = Some(slots);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Writes down what each process uses.
pub async fn resources(world: &mut World, when: &str) {
    for (id, admin) in world.admins() {
        let Ok(node) = world.cluster.node(id) else { continue };
        let usage = node.usage();
        let fds = node.pid().and_then(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok());
        let calls = admin.calls().await.map_or(0, |calls| calls.len() as u64);
        let fact = Resources {
            node: id,
            when: when.into(),
            rss_kib: usage.rss_bytes / 1024,
            fds: fds.map_or(0, |fds| fds.count() as u64),
            calls,
        };
        world.recorder.fact("probe", "resources", &fact);
    }
}

/// Writes down the state of each node, and all records as the first node has them. Asks until all
/// nodes say the same, or the time is over: what they say then is what counts.
///
/// # Errors
/// If a node does not answer.
pub async fn final_states(world: &World, limit: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let mut finals = Vec::new();
        let mut records = Vec::new();
        for (id, admin) in world.admins() {
            let (fact, cdrs) = state(id, &admin).await?;
            finals.push(fact);
            if records.is_empty() {
                records = cdrs;
            }
        }
        let same = finals.windows(2).all(|pair| match pair {
            [a, b] => a.applied == b.applied && a.digest == b.digest && a.slots == b.slots,
            _ => true,
        });
        let up = finals.iter().any(|last| last.calls_up > 0);
        if (same && !up) || Instant::now() >= deadline {
            for fact in finals {
                world.recorder.fact("probe", "final", &fact);
            }
            for cdr in records {
                world.recorder.fact("cdrs", "cdr", &cdr);
            }
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The state of a node at one entry of the log: asked again if it has gone on meanwhile.
async fn state(id: u64, admin: &Admin) -> anyhow::Result<(Final, Vec<Value>)> {
    let mut before = admin.health().await?.applied_index;
    loop {
        let (fact, cdrs) = ask(id, admin).await?;
        if fact.applied == before {
            return Ok((fact, cdrs));
        }
        before = fact.applied;
    }
}

async fn ask(id: u64, admin: &Admin) -> anyhow::Result<(Final, Vec<Value>)> {
    let slots = admin.slots().await?;
    let cdrs = pages(admin, "/v1/cdrs?").await?;
    let kept = pages(admin, "/v1/calls?state=any").await?;
    let health = admin.health().await?;
    let mut digest = DefaultHasher::new();
    for cdr in &cdrs {
        cdr.to_string().hash(&mut digest);
    }
    let text = |cdr: &Value| cdr.get("id").and_then(Value::as_str).map(str::to_owned);
    let fact = Final {
        node: id,
        applied: health.applied_index,
        calls_up: health.calls,
        calls_kept: kept.len() as u64,
        slots: slots.iter().map(|slot| (slot.slot, slot.owner, slot.epoch)).collect(),
        cdrs: cdrs.iter().filter_map(text).collect(),
        digest: format!("{:016x}", digest.finish()),
        drained: health.members.iter().filter(|m| m.draining).map(|m| m.id).collect(),
    };
    Ok((fact, cdrs))
}

/// All pages of a list; the path ends where another parameter may follow.
async fn pages(admin: &Admin, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let mut page = admin.document(&format!("{path}&limit=1000{after}")).await?;
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            all.extend(items);
        }
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(all);
        }
    }
}
