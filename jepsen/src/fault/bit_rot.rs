//! Bits rot on the disk of a node that is down: one byte in the middle of its log, and one in each of
//! its tables. It must refuse to start, or be as right as before; it must not forget in silence.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::World;

pub(super) const CHOICE: Choice = Choice::new(
    ("bit-rot", "a byte in each file of a node's log and tables is flipped while it is down"),
    Aim::Any,
    &[],
    3000,
    || Box::new(BitRot { rotten: Vec::new(), refused: false }),
);

#[derive(Debug)]
struct BitRot {
    rotten: Vec<PathBuf>,
    refused: bool,
}

#[async_trait]
impl Fault for BitRot {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        world.cluster.kill(target.node)?;
        let data_dir = world.cluster.node(target.node)?.data_dir.clone();
        for path in files(&data_dir)? {
            if flip(&path)? {
                self.rotten.push(path);
            }
        }
        world.cluster.restart(target.node)?;
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        self.refused = world.reap(target.node).await?;
        let what =
            format!("{} files rotten; refused to start: {}", self.rotten.len(), self.refused);
        Ok(Evidence::new(!self.rotten.is_empty(), what))
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        // A node that has served on has written over its files: they are its own again.
        if self.refused || world.reap(target.node).await? {
            for path in &self.rotten {
                flip(path)?;
            }
        }
        Ok(())
    }
}

/// Flips some bits of the byte in the middle; doing it twice undoes it.
fn flip(path: &Path) -> anyhow::Result<bool> {
    let mut bytes = fs::read(path)?;
    let middle = bytes.len() / 2;
    let Some(byte) = bytes.get_mut(middle) else { return Ok(false) };
    *byte ^= 0x55;
    fs::write(path, bytes)?;
    Ok(true)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|it| it == "log" || it == "sst") {
            found.push(path);
        }
    }
    Ok(found)
}
