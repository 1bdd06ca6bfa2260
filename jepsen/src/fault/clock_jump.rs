//! A node's wall clock jumps an hour ahead; its monotonic clock goes on as it should.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Needs, World};

pub(super) const CHOICE: Choice = Choice::new(
    ("clock-jump", "the wall clock of the node that owns the calls jumps an hour ahead, and back"),
    Aim::Any,
    &[Needs::FakeTime],
    4000,
    || Box::new(Jump),
);

#[derive(Debug)]
struct Jump;

#[async_trait]
impl Fault for Jump {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        set(world, target.node, "+3600")
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        // The node stamps its log with its wall clock; so does the process that asks it.
        let clock = world.cluster.folder().join(format!("clock-{}", target.node));
        let env = [
            ("LD_PRELOAD", crate::world::FAKETIME.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
        ];
        let output = std::process::Command::new("date").arg("+%s").envs(env).output()?;
        let faked: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
        let real = std::time::UNIX_EPOCH.elapsed()?.as_secs();
        let preloaded = preloaded(world, target.node)?;
        let ahead = faked.saturating_sub(real);
        let what =
            format!("the library is in the process: {preloaded}; its clock is {ahead} s ahead");
        Ok(Evidence::new(preloaded && ahead > 3000, what))
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        set(world, target.node, "+0")
    }
}

fn set(world: &World, node: u64, offset: &str) -> anyhow::Result<()> {
    let clock = world.cluster.folder().join(format!("clock-{node}"));
    Ok(std::fs::write(clock, format!("{offset}\n"))?)
}

/// Whether the library that fakes clocks is mapped into a node's process.
pub(super) fn preloaded(world: &mut World, node: u64) -> anyhow::Result<bool> {
    let pid = world.cluster.node(node)?.pid().unwrap_or_default();
    Ok(std::fs::read_to_string(format!("/proc/{pid}/maps"))?.contains("libfaketime"))
}
