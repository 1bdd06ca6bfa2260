//! A disk that is slow, or fails, when it is to sync.

use std::path::PathBuf;

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Needs, World};

pub(super) const CHOICES: [Choice; 3] = [
    Choice::new(
        ("fsync-error", "every sync of the node that owns the calls fails (EIO): it must stop"),
        Aim::Any,
        &[Needs::Shim],
        4000,
        || Box::new(Fsync { order: "error", dies: true }),
    ),
    Choice::new(
        ("fsync-delay-leader", "every sync of the leader takes 80 ms more"),
        Aim::Leader,
        &[Needs::Shim],
        5000,
        || Box::new(Fsync { order: "delay 80", dies: false }),
    ),
    Choice::new(
        ("fsync-delay-follower", "every sync of a follower takes 200 ms more"),
        Aim::Follower,
        &[Needs::Shim],
        5000,
        || Box::new(Fsync { order: "delay 200", dies: false }),
    ),
];

#[derive(Debug)]
struct Fsync {
    order: &'static str,
    dies: bool,
}

fn control(world: &World, node: u64) -> PathBuf {
    world.cluster.folder().join(format!("fsync-{node}"))
}

#[async_trait]
impl Fault for Fsync {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let control = control(world, target.node);
        // What an earlier fault has counted is not this one's.
        let _absent = std::fs::remove_file(control.with_extension("count"));
        Ok(std::fs::write(control, self.order)?)
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        if !self.dies {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(3);
        let count = control(world, target.node).with_extension("count");
        loop {
            let done = std::fs::metadata(&count).map_or(0, |meta| meta.len());
            let dead = world.reap(target.node).await?;
            let what = format!("{done} syncs struck; the process ended by itself: {dead}");
            if done > 0 && (dead || !self.dies) {
                return Ok(Evidence::new(true, what));
            }
            if tokio::time::Instant::now() > limit {
                return Ok(Evidence::new(false, what));
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        Ok(std::fs::write(control(world, target.node), "")?)
    }
}
