//! An operator drains a node, and lets it have its slots again.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::World;

pub(super) const CHOICE: Choice = Choice::new(
    ("drain", "the node that owns the calls is drained, and undrained"),
    Aim::Any,
    &[],
    3000,
    || Box::new(Drain),
);

#[derive(Debug)]
struct Drain;

#[async_trait]
impl Fault for Drain {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        Ok(world.cluster.admin(target.leader).drain(target.node).await?)
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        Ok(super::slots_moved(world, target.node, super::kill::MOVE_LIMIT).await)
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        // Whoever can be reached will do.
        let mut last = Ok(());
        for (_, admin) in world.admins() {
            last = admin.undrain(target.node).await;
            if last.is_ok() {
                break;
            }
        }
        Ok(last?)
    }
}
