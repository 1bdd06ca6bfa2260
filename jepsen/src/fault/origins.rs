//! The monotonic clock of each host begins at another time: whoever writes a monotonic time into
//! the replicated state is found out by the next takeover. It lasts for the whole run; the fault
//! itself is a takeover between two such hosts.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Needs, World};

pub(super) const CHOICE: Choice = Choice::new(
    ("clock-origins", "SIGKILL of the leader, with monotonic clocks that begin days apart"),
    Aim::Leader,
    &[Needs::Origins],
    4000,
    || Box::new(Origins { apart: None }),
);

#[derive(Debug)]
struct Origins {
    apart: Option<String>,
}

#[async_trait]
impl Fault for Origins {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let pid = world.cluster.node(target.node)?.pid().unwrap_or_default();
        let own = std::fs::read_link(format!("/proc/{pid}/ns/time"))?;
        let root = std::fs::read_link("/proc/self/ns/time")?;
        self.apart = (own != root).then(|| own.display().to_string());
        world.cluster.kill(target.node)?;
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        let moved = super::slots_moved(world, target.node, super::kill::MOVE_LIMIT).await;
        let own = self.apart.as_deref().unwrap_or("none of its own");
        let what = format!("time namespace: {own}; {}", moved.what);
        Ok(Evidence::new(self.apart.is_some() && moved.took_effect, what))
    }

    async fn heal(&mut self, _world: &mut World, _target: Target) -> anyhow::Result<()> {
        Ok(())
    }
}
