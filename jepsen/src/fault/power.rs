//! Power goes out: what was not synced is gone, on one node or on all of them at once.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Needs, World};

pub(super) const CHOICES: [Choice; 2] = [
    Choice::new(
        ("power-cut", "the node that owns the calls loses its power, and what it had not synced"),
        Aim::Any,
        &[Needs::Disk],
        4000,
        || Box::new(Power { all: false, cut: Vec::new() }),
    ),
    Choice::new(
        ("power-cut-all", "all nodes lose their power at once, and what they had not synced"),
        Aim::Any,
        &[Needs::Disk],
        1000,
        || Box::new(Power { all: true, cut: Vec::new() }),
    ),
];

#[derive(Debug)]
struct Power {
    all: bool,
    cut: Vec<u64>,
}

#[async_trait]
impl Fault for Power {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let struck: Vec<u64> = world.ids().filter(|id| self.all || *id == target.node).collect();
        let tools = world.tools.clone().ok_or_else(|| anyhow::anyhow!("no tools"))?;
        // First the disks: a process that is killed first would have its writes kept.
        for id in &struck {
            if let Some(disk) = world.disks.get(id) {
                disk.cut_power(&tools)?;
                self.cut.push(*id);
            }
        }
        for id in struck {
            // It may have died of its disk already.
            if !world.reap(id).await? {
                world.cluster.kill(id)?;
            }
        }
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        let struck: Vec<u64> = world.ids().filter(|id| self.all || *id == target.node).collect();
        let mut dead = Vec::new();
        for id in &self.cut {
            // A file system that was shut down refuses everything (EIO).
            let refused =
                world.disks.get(id).map(|disk| std::fs::write(disk.path().join("x"), "x"));
            if refused.is_some_and(|result| result.is_err()) {
                dead.push(*id);
            }
        }
        Ok(Evidence::new(dead == struck, format!("the disks of nodes {dead:?} refuse writes")))
    }

    async fn heal(&mut self, world: &mut World, _target: Target) -> anyhow::Result<()> {
        for id in &self.cut {
            if let Some(disk) = world.disks.get(id) {
                disk.power_on()?;
            }
        }
        Ok(())
    }
}
