//! One fault: calls are brought into every phase, the fault strikes, is looked at, ends, and the
//! cluster comes back.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Run;
use super::salvo::{Half, Salvo};
use crate::fact::{Effect, Heal, Inject};
use crate::fault::{Aim, Choice, Target};
use crate::runner::Workload;
use crate::workload::{Kind, Registers};

/// The fault strikes so long after the first half of what is in flight, at most.
const FLIGHT_US: u64 = 6000;
/// Calls that a timer is about to end.
const EXPIRING: u32 = 10;
/// How far apart they end.
const EXPIRE_APART: Duration = Duration::from_millis(25);
/// Clients of the admin API while a fault lasts.
const CLIENTS: u64 = 4;
/// How long they work before it strikes.
const CLIENTS_FIRST: Duration = Duration::from_millis(400);

impl Run<'_> {
    pub(super) async fn strike(&mut self, id: u64, choice: Choice) -> anyhow::Result<()> {
        let target = self.target(choice.aim).await?;
        let owner = if choice.aim == Aim::Bystander { target.leader } else { target.node };
        let planned = self.plan.faults.len();
        (self.say)(&format!("fault {id} of {planned}: {} (node {})", choice.name, target.node));
        let calls = Arc::clone(&self.calls);
        let via = (owner, self.world.cluster.sip(owner));
        let mut salvo = Salvo::load(&calls, id, via).await?;
        let mut clients = self.admin_clients(choice, target).await;

        if choice.name == crate::checker::TIMER_FAULT {
            // One after the other, so that some end before the node notices that it is alone.
            for _ in 0..EXPIRING {
                calls.place(Kind::EXPIRING, via, 1, Some(id)).await?;
                tokio::time::sleep(EXPIRE_APART).await;
            }
            let last = Duration::from_millis(crate::world::SHORT_CALLS_MS);
            tokio::time::sleep(last - EXPIRE_APART * EXPIRING).await;
        }
        let mut fault = choice.make();
        let recorder = self.world.recorder.clone();
        let began = Instant::now();
        salvo.fire(Half::Before).await?;
        tokio::time::sleep(Duration::from_micros(self.dice.between(0, FLIGHT_US))).await;
        let (name, targets) = (choice.name.to_owned(), vec![target.node]);
        let inject = Inject { id, fault: name, targets, leader: Some(target.leader) };
        recorder.fact("nemesis", "inject", &inject);
        fault.inject(&mut self.world, target).await.context("it could not begin")?;
        salvo.fire(Half::After).await?;
        fault.go_on(&mut self.world, target).await.context("it could not go on")?;
        let seen = fault.evidence(&mut self.world, target).await.context("nobody could look")?;
        (self.say)(&format!("  {}", seen.what));
        let (took_effect, evidence) = (seen.took_effect, seen.what);
        recorder.fact("nemesis", "effect", &Effect { id, took_effect, evidence });

        salvo.go_on().await?;
        tokio::time::sleep_until(began + choice.lasts).await;
        recorder.fact("nemesis", "heal", &Heal { id });
        fault.heal(&mut self.world, target).await.context("it could not be healed")?;
        recorder.fact("nemesis", "healed", &Heal { id });
        clients.shutdown().await;
        if self.plan.workload == Workload::Admin {
            self.start_dead().await?;
            self.registers.clear(super::CLEAR_LIMIT).await.map_err(anyhow::Error::msg)?;
        }
        self.converged(Some(id)).await;
        salvo.finish().await?;
        Ok(())
    }

    /// Clients that write and read one register while the fault lasts. It is not that of a node that
    /// may restart meanwhile: a restart undrains a node, which nobody would have written.
    async fn admin_clients(&mut self, choice: Choice, target: Target) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        if self.plan.workload == Workload::Admin && choice.name != "rolling-restart" {
            let keys: Vec<u64> = self.world.ids().filter(|id| *id != target.node).collect();
            let key = self.dice.pick(&keys).copied().unwrap_or(1);
            for _ in 0..CLIENTS {
                let registers = Arc::clone(&self.registers);
                clients.spawn(Registers::client(registers, key, self.dice.fork()));
            }
            tokio::time::sleep(CLIENTS_FIRST).await;
        }
        clients
    }

    /// Whom a fault strikes.
    async fn target(&mut self, aim: Aim) -> anyhow::Result<Target> {
        let leader = self.world.leader().await?;
        let others: Vec<u64> = self.world.ids().filter(|id| *id != leader).collect();
        let all: Vec<u64> = self.world.ids().collect();
        let node = match aim {
            Aim::Leader => leader,
            Aim::Follower | Aim::Bystander => *self.dice.pick(&others).unwrap_or(&leader),
            Aim::Any => *self.dice.pick(&all).unwrap_or(&leader),
        };
        Ok(Target { node, leader })
    }

    /// Starts the nodes that are dead.
    async fn start_dead(&mut self) -> anyhow::Result<()> {
        for id in self.world.ids() {
            self.world.reap(id).await?;
            if !self.world.cluster.node(id)?.started() {
                self.world.cluster.restart(id)?;
            }
        }
        Ok(())
    }
}
