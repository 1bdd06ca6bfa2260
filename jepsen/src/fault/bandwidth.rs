//! A thin line: a node's host gets 256 kbit/s.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Lan, Needs, World};

pub(super) const CHOICE: Choice = Choice::new(
    ("bandwidth", "what a follower gets from the network is cut down to 256 kbit/s (tbf)"),
    Aim::Follower,
    &[Needs::Lan],
    6000,
    || Box::new(Bandwidth),
);

#[derive(Debug)]
struct Bandwidth;

#[async_trait]
impl Fault for Bandwidth {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let port = Lan::host_name(target.node);
        let how = "root tbf rate 256kbit burst 4kb latency 400ms";
        world.hosts()?.tc(&format!("qdisc add dev {port} {how}"))?;
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let port = Lan::host_name(target.node);
        let text = world.hosts()?.tc(&format!("-s qdisc show dev {port}"))?;
        let over = number_behind(&text, "overlimits", 1).unwrap_or(0);
        Ok(Evidence::new(over > 0, format!("tbf made {over} frames wait in 2 s")))
    }

    async fn heal(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        world.hosts()?.tc(&format!("qdisc del dev {} root", Lan::host_name(target.node)))?;
        Ok(())
    }
}

/// The number that stands so many words behind a word.
fn number_behind(text: &str, word: &str, behind: usize) -> Option<u64> {
    let mut words = text.split_whitespace().skip_while(|other| *other != word);
    words.nth(behind)?.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}
