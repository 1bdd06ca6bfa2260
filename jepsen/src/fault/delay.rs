//! 40 ± 5 ms between nodes, each frame with a delay of its own, so that frames overtake each other:
//! the distance between sites.
//!
//! Frames between nodes go through a queue of the kernel (NFQUEUE) to a thread of ours, which lets
//! each of them pass when it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use nfq::{Message, Queue, Verdict};
use tokio::time::Instant;

use super::{Aim, Choice, Evidence, Fault, Target};
use crate::workload::Dice;
use crate::world::{Lan, Needs, World, run};

pub(super) const CHOICE: Choice = Choice::new(
    ("delay", "40 ± 5 ms between all nodes, reordering included"),
    Aim::Any,
    &[Needs::Lan, Needs::Queue],
    8000,
    || Box::new(Delay::default()),
);

/// Number of the kernel's queue.
const QUEUE: u16 = 7;
const LEAST_US: u64 = 35_000;
const MOST_US: u64 = 45_000;
/// Frames that may wait; more are dropped, as on any network.
const LENGTH: u32 = 20_000;
/// Pause between two looks at the queue.
const POLL: Duration = Duration::from_micros(300);

#[derive(Debug, Default)]
struct Delay {
    stop: Arc<AtomicBool>,
    held: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    rules: Vec<String>,
}

#[async_trait]
impl Fault for Delay {
    async fn inject(&mut self, world: &mut World, _target: Target) -> anyhow::Result<()> {
        let lan = world.hosts()?;
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let bridge = std::fs::File::open(format!("/run/netns/{}", lan.namespace("bridge")))?;
        let (stop, held) = (Arc::clone(&self.stop), Arc::clone(&self.held));
        let work = move || match open(bridge) {
            Ok(queue) => {
                // Whoever waits is told that frames may come.
                let _waits = tell.send(Ok(()));
                hold(queue, &stop, &held);
            }
            Err(error) => {
                let _waits = tell.send(Err(error));
            }
        };
        self.thread = Some(std::thread::Builder::new().name("delay".into()).spawn(work)?);
        told.recv()??;
        for from in world.ids() {
            for to in world.ids().filter(|to| *to != from) {
                let (from, to) = (Lan::host_name(from), Lan::host_name(to));
                let rule = format!(
                    "FORWARD -m physdev --physdev-in {from} --physdev-out {to} -j NFQUEUE \
                     --queue-num {QUEUE} --queue-bypass"
                );
                let namespace = world.hosts()?.namespace("bridge");
                run(&format!("ip netns exec {namespace} iptables -I {rule}"))?;
                self.rules.push(rule);
            }
        }
        Ok(())
    }

    async fn evidence(&mut self, _world: &mut World, _target: Target) -> anyhow::Result<Evidence> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let held = self.held.load(Ordering::Relaxed);
        Ok(Evidence::new(held > 0, format!("{held} frames were held for 35 to 45 ms")))
    }

    async fn heal(&mut self, world: &mut World, _target: Target) -> anyhow::Result<()> {
        let namespace = world.hosts()?.namespace("bridge");
        for rule in self.rules.drain(..) {
            run(&format!("ip netns exec {namespace} iptables -D {rule}"))?;
        }
        // The last frames are let go first.
        tokio::time::sleep(Duration::from_micros(2 * MOST_US)).await;
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing else to it.
            let _panicked = thread.join();
        }
        Ok(())
    }
}

fn open(bridge: std::fs::File) -> anyhow::Result<Queue> {
    nix::sched::setns(bridge, nix::sched::CloneFlags::CLONE_NEWNET)?;
    let mut queue = Queue::open()?;
    queue.bind(QUEUE)?;
    queue.set_queue_max_len(QUEUE, LENGTH)?;
    queue.set_nonblocking(true);
    Ok(queue)
}

struct Held(Reverse<(Instant, u64)>, Message);

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// Lets frames pass when they are due, until it is told to stop.
fn hold(mut queue: Queue, stop: &AtomicBool, held: &AtomicU64) {
    let mut dice = Dice::new(u64::from(QUEUE));
    let mut waiting = BinaryHeap::new();
    while !stop.load(Ordering::Relaxed) {
        while let Ok(frame) = queue.recv() {
            let due = Instant::now() + Duration::from_micros(dice.between(LEAST_US, MOST_US));
            let number = held.fetch_add(1, Ordering::Relaxed);
            waiting.push(Held(Reverse((due, number)), frame));
        }
        let now = Instant::now();
        while waiting.peek().is_some_and(|Held(Reverse((due, _)), _)| *due <= now) {
            let Some(Held(_, mut frame)) = waiting.pop() else { break };
            frame.set_verdict(Verdict::Accept);
            // A frame that cannot be let go is lost, as on any network.
            let _lost = queue.verdict(frame);
        }
        std::thread::park_timeout(POLL);
    }
}
