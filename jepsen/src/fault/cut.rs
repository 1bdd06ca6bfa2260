//! Hosts cannot hear each other: frames are dropped at the bridge.

use async_trait::async_trait;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::world::{Lan, Needs, Rule, World};

/// How long, in milliseconds.
const CUT_MS: u64 = 5000;

pub(super) const CHOICES: [Choice; 5] = [
    choice(
        "cut-leader-minority",
        "the leader, which owns the calls, and the other nodes do not hear each other",
        Aim::Leader,
        || Box::new(Cut { shape: Shape::Node, before: 0 }),
    ),
    choice(
        "cut-leader-majority",
        "a follower, which owns the calls, and the other nodes do not hear each other",
        Aim::Follower,
        || Box::new(Cut { shape: Shape::Node, before: 0 }),
    ),
    choice(
        "isolate",
        "any node, which owns the calls, is cut off from the nodes and from the peers",
        Aim::Any,
        || Box::new(Cut { shape: Shape::Host, before: 0 }),
    ),
    choice(
        "cut-one-way-out",
        "the other nodes do not hear the leader, which hears them",
        Aim::Leader,
        || Box::new(Cut { shape: Shape::Out, before: 0 }),
    ),
    choice(
        "cut-one-way-in",
        "a follower, which owns the calls, does not hear the other nodes, which hear it",
        Aim::Follower,
        || Box::new(Cut { shape: Shape::In, before: 0 }),
    ),
];

const fn choice(
    name: &'static str,
    about: &'static str,
    aim: Aim,
    make: fn() -> Box<dyn Fault>,
) -> Choice {
    Choice::new((name, about), aim, &[Needs::Lan], CUT_MS, make)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Both ways, from the other nodes.
    Node,
    /// Both ways, from the other nodes and the agents.
    Host,
    /// What it sends to the other nodes.
    Out,
    /// What the other nodes send to it.
    In,
}

#[derive(Debug)]
struct Cut {
    shape: Shape,
    before: u64,
}

#[async_trait]
impl Fault for Cut {
    async fn inject(&mut self, world: &mut World, target: Target) -> anyhow::Result<()> {
        let lan = world.hosts()?;
        self.before = lan.dropped(Rule::Cut)?;
        let own = Lan::host_name(target.node);
        let mut others: Vec<String> =
            world.ids().filter(|id| *id != target.node).map(Lan::host_name).collect();
        if self.shape == Shape::Host {
            others.push("client".into());
        }
        for other in others {
            if self.shape != Shape::In {
                lan.set(Rule::Cut, &own, &other)?;
            }
            if self.shape != Shape::Out {
                lan.set(Rule::Cut, &other, &own)?;
            }
        }
        Ok(())
    }

    async fn evidence(&mut self, world: &mut World, target: Target) -> anyhow::Result<Evidence> {
        let moved = super::slots_moved(world, target.node, super::kill::MOVE_LIMIT).await;
        let dropped = world.hosts()?.dropped(Rule::Cut)?.saturating_sub(self.before);
        let what = format!("{dropped} frames dropped at the bridge; {}", moved.what);
        Ok(Evidence::new(dropped > 0, what))
    }

    async fn heal(&mut self, world: &mut World, _target: Target) -> anyhow::Result<()> {
        Ok(world.hosts()?.clear(Rule::Cut)?)
    }
}
