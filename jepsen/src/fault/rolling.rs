//! Every node is stopped in order and started again, as for an update.

use std::time::Duration;

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::World;

pub(super) const CHOICE: Choice = Choice::new(
    ("rolling-restart", "SIGTERM and restart of one node after the other"),
    Aim::Any,
    &[],
    500,
    || Box::new(Rolling { restarted: Vec::new() }),
);

/// How long a node may take to stop in order, and to come back.
const STOP_LIMIT: Duration = Duration::from_secs(15);
const BACK_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Rolling {
    restarted: Vec<(u64, u32)>,
}

#[async_trait]
impl Fault for Rolling {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let order = world.ids().map(|id| (id + target.node - 1) % crate::world::NODES + 1);
        for id in order.collect::<Vec<_>>() {
            let node = world.cluster.node(id)?;
            let before = node.pid().unwrap_or_default();
            node.terminate(STOP_LIMIT).await?;
            world.cluster.restart(id)?;
            let back = world.converge(BACK_LIMIT).await;
            anyhow::ensure!(back.ok, "node {id} did not come back: {}", back.missing);
            self.restarted.push((id, before));
        }
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, _target: Target) -> anyhow::Result<Evidence> {
        let mut new = 0;
        for (id, before) in &self.restarted {
            new += u64::from(world.cluster.node(*id)?.pid() != Some(*before));
        }
        Ok(Evidence::new(new == crate::world::NODES, format!("{new} nodes have new processes")))
    }

    async fn heal(&mut self, _world: &mut World, _target: Target) -> anyhow::Result<()> {
        Ok(())
    }
}
