//! One frame of twenty is lost, between all hosts.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Lan, Needs, Rule, World};

pub(super) const CHOICE: Choice = Choice::new(
    ("loss", "5 % of all frames between all hosts are lost"),
    Aim::Any,
    &[Needs::Lan],
    8000,
    || Box::new(Loss { before: 0 }),
);

#[derive(Debug)]
struct Loss {
    before: u64,
}

#[async_trait]
impl Fault for Loss {
    async fn inject(&mut self, world: &mut World, _target: Target) -> anyhow::Result<()> {
        let lan = world.hosts()?;
        self.before = lan.dropped(Rule::Lossy)?;
        let mut hosts: Vec<String> = world.ids().map(Lan::host_name).collect();
        hosts.push("client".into());
        for from in &hosts {
            for to in hosts.iter().filter(|to| *to != from) {
                lan.set(Rule::Lossy, from, to)?;
            }
        }
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, _target: Target) -> anyhow::Result<Evidence> {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let dropped = world.hosts()?.dropped(Rule::Lossy)?.saturating_sub(self.before);
        Ok(Evidence::new(dropped > 0, format!("{dropped} frames lost in 2 s")))
    }

    async fn heal(&mut self, world: &mut World, _target: Target) -> anyhow::Result<()> {
        Ok(world.hosts()?.clear(Rule::Lossy)?)
    }
}
