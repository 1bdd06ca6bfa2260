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
        let asleep = world.cluster.node(target.node)?.is_paused()?;
        let moved = super::slots_moved(world, target.node, MOVE_LIMIT).await;
        let what = format!("process state T: {asleep}; {}", moved.what);
        Ok(Evidence::new(asleep && moved.took_effect, what))
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        Ok(world.cluster.node(target.node)?.resume()?)
    }
}
