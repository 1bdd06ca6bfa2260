//! The disk of a node is full: it cannot store, so it must not acknowledge.

use std::io::Write as _;

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Needs, World};

pub(super) const CHOICE: Choice = Choice::new(
    ("disk-full", "the disk of the node that owns the calls fills up to the last byte"),
    Aim::Any,
    &[Needs::Disk],
    4000,
    || Box::new(Full),
);

/// What fills the disk.
const BALLAST: &str = "ballast";
const BLOCK: usize = 1 << 20;

#[derive(Debug)]
struct Full;

#[async_trait]
impl Fault for Full {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let Some(disk) = world.disks.get(&target.node) else { anyhow::bail!("no disk of its own") };
        let mut file = std::fs::File::create(disk.path().join(BALLAST))?;
        let mut block = BLOCK;
        while block > 0 {
            // When no large block fits any more, smaller ones do.
            if file.write_all(&vec![1; block]).is_err() {
                block /= 16;
            }
        }
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        let Some(disk) = world.disks.get(&target.node) else { anyhow::bail!("no disk of its own") };
        let refused = std::fs::write(disk.path().join("more"), vec![1; 1 << 16]);
        let full = refused.is_err_and(|error| error.kind() == std::io::ErrorKind::StorageFull);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let dead = world.reap(target.node).await?;
        let what = format!("ENOSPC: {full}; the process ended by itself: {dead}");
        Ok(Evidence::new(full, what))
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let Some(disk) = world.disks.get(&target.node) else { anyhow::bail!("no disk of its own") };
        for name in [BALLAST, "more"] {
            // The second one may not have got a name.
            let _gone = std::fs::remove_file(disk.path().join(name));
        }
        Ok(())
    }
}
