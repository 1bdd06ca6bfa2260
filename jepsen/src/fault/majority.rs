//! The majority is gone: all nodes but one sleep. The one that is left must say nothing new.

use std::time::Duration;

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Needs, World};

pub(super) const CHOICES: [Choice; 2] = [
    Choice::new(
        (
            crate::checker::MAJORITY_GONE,
            "SIGSTOP of all nodes but the leader, which owns the calls",
        ),
        Aim::Leader,
        &[],
        1500,
        || Box::new(Majority),
    ),
    Choice {
        alone: true,
        ..Choice::new(
            (
                crate::checker::TIMER_FAULT,
                "the same, while calls come to their longest duration (3 s)",
            ),
            Aim::Leader,
            &[Needs::ShortCalls],
            1500,
            || Box::new(Majority),
        )
    },
];

#[derive(Debug)]
struct Majority;

#[async_trait]
impl Fault for Majority {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        for id in world.ids().filter(|id| *id != target.node) {
            world.cluster.node(id)?.pause().await?;
        }
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        let mut asleep = Vec::new();
        for id in world.ids().filter(|id| *id != target.node) {
            if world.cluster.node(id)?.is_paused()? {
                asleep.push(id);
            }
        }
        // What was on its way when they fell asleep has arrived by then.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(Evidence::new(asleep.len() == 2, format!("nodes {asleep:?} are in state T")))
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        for id in world.ids().filter(|id| *id != target.node) {
            world.cluster.node(id)?.resume()?;
        }
        Ok(())
    }
}
