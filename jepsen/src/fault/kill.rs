//! A process dies of SIGKILL.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Lan, Needs, Rule, World};

/// Longer than 64 × T1, in milliseconds.
const LONG_DEAD_MS: u64 = 38_000;
/// How long a node's last words are lost.
const MUTE: std::time::Duration = std::time::Duration::from_millis(400);
/// How long it is dead, in milliseconds; then it is started again.
const DEAD_MS: u64 = 4000;

pub(super) const CHOICES: [Choice; 6] = [
    choice("kill-leader", "SIGKILL of the leader, which owns the calls", Aim::Leader),
    choice("kill-follower", "SIGKILL of a follower, which owns the calls", Aim::Follower),
    choice("kill-bystander", "SIGKILL of a node that owns none of the calls", Aim::Bystander),
    Choice::new(
        ("kill-long", "SIGKILL of the leader, dead for longer than any retransmission lasts"),
        Aim::Leader,
        &[],
        LONG_DEAD_MS,
        || Box::new(Kill { pid: None, mute: false }),
    ),
    Choice::new(
        ("mute-kill", "what a node sends to the agents is lost for 0.4 s, then it is killed"),
        Aim::Any,
        &[Needs::Lan],
        DEAD_MS,
        || Box::new(Kill { pid: None, mute: true }),
    ),
    choice("kill-random", "SIGKILL of any node, which owns the calls", Aim::Any),
];

const fn choice(name: &'static str, about: &'static str, aim: Aim) -> Choice {
    Choice::new((name, about), aim, &[], DEAD_MS, || Box::new(Kill { pid: None, mute: false }))
}

#[derive(Debug)]
struct Kill {
    pid: Option<u32>,
    /// Its last words are lost: everything that it has committed and said is to be said again.
    mute: bool,
}

#[async_trait]
impl Fault for Kill {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        self.pid = world.cluster.node(target.node)?.pid();
        if self.mute {
            Ok(world.hosts()?.set(Rule::Cut, &Lan::host_name(target.node), "client")?)
        } else {
            Ok(world.cluster.kill(target.node).map(drop)?)
        }
    }

    async fn go_on(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        if self.mute {
            tokio::time::sleep(MUTE).await;
            world.cluster.kill(target.node)?;
            world.hosts()?.clear(Rule::Cut)?;
        }
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        let pid = self.pid.unwrap_or_default();
        let gone = pid > 0 && !std::path::Path::new(&format!("/proc/{pid}")).exists();
        if !gone {
            return Ok(Evidence::new(false, format!("process {pid} is still there")));
        }
        let moved = super::slots_moved(world, target.node, MOVE_LIMIT).await;
        Ok(Evidence::new(moved.took_effect, format!("the process is gone; {}", moved.what)))
    }

    async fn heal(&mut self, _world: &mut World, _target: Target) -> anyhow::Result<()> {
        Ok(())
    }
}

/// A takeover takes less than that.
pub(super) const MOVE_LIMIT: std::time::Duration = std::time::Duration::from_secs(3);
