//! A process sleeps (SIGSTOP), and wakes up believing that nothing has happened.

use async_trait::async_trait;

use super::kill::MOVE_LIMIT;
use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::World;

/// How long it sleeps, in milliseconds: longer than its lease.
const ASLEEP_MS: u64 = 3000;

pub(super) const CHOICE_LEADER: Choice = Choice::new(
    ("pause-leader", "SIGSTOP of the leader, which owns the calls, and SIGCONT"),
    Aim::Leader,
    &[],
    ASLEEP_MS,
    || Box::new(Pause),
);
pub(super) const CHOICE_FOLLOWER: Choice = Choice::new(
    ("pause-follower", "SIGSTOP of a follower, which owns the calls, and SIGCONT"),
    Aim::Follower,
    &[],
    ASLEEP_MS,
    || Box::new(Pause),
);

#[derive(Debug)]
struct Pause;

#[async_trait]
impl Fault for Pause {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        Ok(world.cluster.node(target.node)?.pause().await?)
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        let asleep = stopped(world, target.node).await?;
        let moved = super::slots_moved(world, target.node, MOVE_LIMIT).await;
        let what = format!("process state T: {asleep}; {}", moved.what);
        Ok(Evidence::new(asleep && moved.took_effect, what))
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        Ok(world.cluster.node(target.node)?.resume()?)
    }
}

/// Whether a node's process is stopped (proc(5): state `T`). All of its threads have to be, which
/// takes a moment on a machine that is busy.
pub(super) async fn stopped(world: &mut World, id: u64) -> anyhow::Result<bool> {
    let pid = world.cluster.node(id)?.pid().unwrap_or_default();
    for _ in 0..LOOKS {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
        if state == Some('T') {
            return Ok(true);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    Ok(false)
}

/// How often it is looked.
const LOOKS: u32 = 50;
