//! A node's clocks, the monotonic one too, run a tenth too fast: within the margin of the lease.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Needs, World};

pub(super) const CHOICE: Choice = Choice::new(
    (
        "clock-rate",
        "the clocks of the node that owns the calls run 10 % too fast (from a restart on)",
    ),
    Aim::Follower,
    &[Needs::FakeTime],
    6000,
    || Box::new(Rate { env: Vec::new() }),
);

#[derive(Debug)]
struct Rate {
    env: Vec<(String, String)>,
}

#[async_trait]
impl Fault for Rate {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let node = world.cluster.node(target.node)?;
        node.kill()?;
        self.env.clone_from(&node.env);
        node.env.retain(|(key, _)| !key.starts_with("FAKETIME"));
        node.env.push(("FAKETIME".into(), "+0 x1.1".into()));
        world.cluster.restart(target.node)?;
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        // The process is first the command that takes it to its host.
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(3);
        while !super::clock_jump::preloaded(world, target.node)?
            && tokio::time::Instant::now() < deadline
        {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let preloaded = super::clock_jump::preloaded(world, target.node)?;
        let pid = world.cluster.node(target.node)?.pid().unwrap_or_default();
        let environ = std::fs::read(format!("/proc/{pid}/environ"))?;
        let told = String::from_utf8_lossy(&environ).contains("FAKETIME=+0 x1.1");
        let what = format!("the library is in the process: {preloaded}; its rate is 1.1: {told}");
        Ok(Evidence::new(preloaded && told, what))
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let node = world.cluster.node(target.node)?;
        node.kill()?;
        node.env.clone_from(&self.env);
        Ok(())
    }
}
