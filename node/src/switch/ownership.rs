//! Makes shards and floating addresses follow the replicated slot table and the lease, has the node's
//! protection follow the limits in force, and announces this run of the process to the cluster.
//!
//! It is level-triggered: whatever was applied only wakes it up, and then it compares what the state
//! says with what the shards were told ([`Holdings`]). Its order for gained slots is: have the shards
//! expect them, take the addresses, then read the calls of one slot after the other and give them to the
//! shard. The state it reads may already hold later entries; none of them concerns the slot's calls,
//! because only this node may change these now.
//!
//! Invariant: no floating address is wished for without a valid lease.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use holdline_call::Listeners;
use holdline_cluster::ownership::SlotTable;
use holdline_model::{Command, Epoch, Incarnation, NodeId, NodeUp, SlotId, TransferReason};
use holdline_raft::{Action, Applied, Lease, RaftHandle};
use holdline_storage::StateReader;
use holdline_transport::floating::FloatingAddresses;
use holdline_transport::{Plan, Ports};
use metrics::{counter, gauge};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::SharedTable;
use super::holdings::{Change, Holdings};
use super::shard::ToShard;
use super::shard_of;
use crate::clock::Clock;
use crate::protect::Protection;

/// What the task works with.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) me: NodeId,
    pub(crate) announcement: NodeUp,
    pub(crate) raft: RaftHandle,
    pub(crate) state: StateReader,
    pub(crate) lease: Lease,
    pub(crate) applied: mpsc::Receiver<Applied>,
    pub(crate) table: SharedTable,
    pub(crate) shards: Vec<mpsc::Sender<ToShard>>,
    pub(crate) floating: FloatingAddresses,
    pub(crate) ports: Ports,
    pub(crate) protection: Arc<Protection>,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskTracker,
    pub(crate) progress: watch::Sender<Progress>,
    /// Told once if the node cannot go on.
    pub(crate) failed: mpsc::Sender<String>,
}

/// What the rest of the node may know of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The table knows of this run of the process.
    pub(crate) is_live: bool,
    /// Slots that this node acts for.
    pub(crate) slots: usize,
    /// Slots whose calls are being read.
    pub(crate) recovering: usize,
    /// Floating addresses that should be bound but are not.
    pub(crate) addresses_missing: usize,
}

/// Runs until `stop` is cancelled.
pub(crate) async fn run(mut keeper: Keeper, stop: CancellationToken) {
    let mut holdings = Holdings::default();
    let mut listeners = Arc::default();
    let mut announced: Option<Instant> = None;
    // Numbers of emergency first: they are not to wait for the calls of the slots.
    let mut limits_read = keeper.follow_limits(true);
    keeper.reconcile(&mut holdings, &mut listeners).await;
    loop {
        let pause = keeper.pause();
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            applied = keeper.applied.recv() => match applied {
                Some(applied) => {
                    let mut concerns = Concerns::default();
                    concerns.add(&applied);
                    while let Ok(applied) = keeper.applied.try_recv() {
                        concerns.add(&applied);
                    }
                    if concerns.limits {
                        limits_read = keeper.follow_limits(limits_read);
                    }
                    if concerns.ownership {
                        keeper.reconcile(&mut holdings, &mut listeners).await;
                    }
                }
                None => break,
            },
            () = tokio::time::sleep(pause) => {}
        }
        if !limits_read {
            limits_read = keeper.follow_limits(false);
        }
        keeper.follow_lease();
        keeper.announce(&mut announced);
    }
    keeper.floating.hold(BTreeSet::new());
}

impl Keeper {
    /// Whether the replicated table knows of this run of the process.
    fn is_live(&self) -> bool {
        let me = self.state.node(self.me);
        me.is_some_and(|record| record.incarnation == self.announcement.incarnation)
    }

    /// How long there is nothing to look after: until the lease ends, if it is not renewed before.
    /// Nobody says when a lease begins.
    fn pause(&self) -> Duration {
        let now = self.clock.monotonic();
        let left = self.lease.valid_until().map(|end| end.saturating_duration_since(now));
        left.unwrap_or_default().clamp(LEASE_POLL, CALM_POLL)
    }

    /// Tells the cluster that this process has started, until it knows.
    fn announce(&self, announced: &mut Option<Instant>) {
        let now = self.clock.monotonic();
        let waiting =
            announced.is_some_and(|at| now.saturating_duration_since(at) < ANNOUNCE_EVERY);
        if waiting || self.is_live() || self.raft.leadership().borrow().leader.is_none() {
            return;
        }
        *announced = Some(now);
        let (raft, at) = (self.raft.clone(), self.clock.now());
        let command = Command::NodeUp(Box::new(NodeUp { at, ..self.announcement.clone() }));
        self.tasks.spawn(async move {
            if let Err(error) = raft.propose(&command).await {
                warn!(%error, "this node could not announce itself; trying again");
            }
        });
    }

    /// Has the protection follow the limits in force; whether they could be read. It is said once
    /// that they cannot, and tried again.
    fn follow_limits(&self, could: bool) -> bool {
        match self.protection.follow_limits(&self.state) {
            Ok(()) => true,
            Err(error) => {
                if could {
                    warn!(%error, "the limits cannot be read; the emergency numbers known so far go on, and it is tried again");
                }
                false
            }
        }
    }

    async fn reconcile(&mut self, holdings: &mut Holdings, listeners: &mut Arc<Listeners>) {
        let slots = self.state.slots();
        let nodes = self.state.nodes();
        let is_live = self.is_live();
        self.table.publish(SlotTable::new(&slots, &nodes));
        self.follow_listeners(listeners).await;
        let changes = holdings.follow(self.me, is_live, &slots);
        let gained =
            changes.iter().filter(|change| matches!(change, Change::Gained { .. })).count();
        self.publish(is_live, holdings.len(), gained);
        let mut gains = Vec::with_capacity(gained);
        for change in changes {
            match change {
                Change::Lost { slot } => self.lose(slot).await,
                Change::Gained { slot, epoch, reason } => {
                    count_change(slot, epoch, reason);
                    gains.push((slot, epoch));
                }
            }
        }
        self.gain(&gains).await;
        self.publish(is_live, holdings.len(), 0);
    }

    /// Has the shards act for slots, for each as soon as its calls are read.
    async fn gain(&self, gains: &[(SlotId, Epoch)]) {
        let seen = self.clock.monotonic();
        for (place, shard) in self.shards.iter().enumerate() {
            let slots = gains.iter().map(|(slot, _)| *slot);
            let slots: Vec<_> =
                slots.filter(|slot| shard_of(*slot, self.shards.len()) == place).collect();
            if !slots.is_empty() {
                // Closed only when the node is stopping.
                let _closed = shard.send(ToShard::Expect(slots)).await;
            }
        }
        self.take_addresses().await;
        // As many are read at once as shards rebuild: each keeps a processor busy, and those that are here
        // already have messages to answer.
        let reads: Vec<_> =
            gains.iter().map(|(slot, epoch)| self.read(*slot, *epoch, seen)).collect();
        let mut reads = stream::iter(reads).buffered(self.shards.len().max(1));
        while let Some(read) = reads.next().await {
            if let Some((slot, gain)) = read {
                self.tell(slot, gain).await;
            }
        }
    }

    /// Has everything opened at an address that listens there, and tells the shards.
    async fn follow_listeners(&self, known: &mut Arc<Listeners>) {
        let table = self.table.load();
        let mut plan = Plan::new();
        for listener in table.listeners().flat_map(|(_, listeners)| listeners) {
            plan.entry(listener.addr).or_default().insert(listener.transport);
        }
        self.ports.set_plan(plan);
        let homes = table.listeners().map(|(_, listeners)| listeners.to_vec()).collect();
        let found = Listeners::new(homes);
        if **known == found {
            return;
        }
        *known = Arc::new(found);
        for shard in &self.shards {
            // Closed only when the node is stopping.
            let _closed = shard.send(ToShard::Listeners(Arc::clone(known))).await;
        }
    }

    async fn lose(&self, slot: SlotId) {
        info!(%slot, "no longer acting for the slot");
        self.tell(slot, ToShard::Engine(holdline_call::Input::Lost { slot })).await;
    }

    /// Reads a slot's calls. A state that cannot be read is fatal to the node, because the calls
    /// would be lost with nobody noticing.
    async fn read(&self, slot: SlotId, epoch: Epoch, seen: Instant) -> Option<(SlotId, ToShard)> {
        let state = self.state.clone();
        let read = holdline_raft::offload(&self.tasks, move || state.calls_of_slot(slot)).await;
        match read {
            Ok(Ok(calls)) => Some((slot, ToShard::Gained { slot, epoch, calls, seen })),
            Ok(Err(error)) => {
                error!(%slot, %error, "the slot's calls cannot be read");
                // Full if it was told before; closed only when the node is stopping.
                let _told = self.failed.try_send(format!(
                    "the calls of slot {slot} cannot be read: {error}; stopping, so that another node takes over"
                ));
                None
            }
            Err(_) => None,
        }
    }

    async fn tell(&self, slot: SlotId, what: ToShard) {
        if let Some(shard) = self.shards.get(shard_of(slot, self.shards.len())) {
            // Closed only when the node is stopping.
            let _closed = shard.send(what).await;
        }
    }

    /// Takes the addresses that go with the slots, and waits a little until they are here, so that
    /// what the shards send first has an address to leave from.
    async fn take_addresses(&self) {
        let wanted = self.follow_lease();
        let mut held = self.floating.held();
        let arrived = held.wait_for(|held| wanted.is_subset(held));
        if tokio::time::timeout(ADDRESS_WAIT, arrived).await.is_err() {
            let missing: Vec<_> = wanted.iter().map(SocketAddr::to_string).collect();
            warn!(?missing, "addresses are not here yet; going on without them");
        }
    }

    /// Wishes for the addresses that go with this node's slots while it holds its lease, else none.
    fn follow_lease(&self) -> BTreeSet<SocketAddr> {
        let may = self.progress.borrow().is_live && self.lease.is_valid(self.clock.monotonic());
        let wanted = if may { self.table.load().addresses_of(self.me) } else { BTreeSet::new() };
        self.floating.hold(wanted.clone());
        let missing = wanted.difference(&self.floating.held().borrow()).count();
        self.progress.send_if_modified(|progress| {
            let changed = progress.addresses_missing != missing;
            progress.addresses_missing = missing;
            changed
        });
        let totals = self.state.registrar_totals();
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        gauge!("holdline_registrar_users").set(count(totals.users));
        gauge!("holdline_registrar_bindings").set(count(totals.bindings));
        gauge!("holdline_lease_held").set(if may { 1.0 } else { 0.0 });
        wanted
    }

    fn publish(&self, is_live: bool, slots: usize, recovering: usize) {
        gauge!("holdline_slots_owned").set(u32::try_from(slots).unwrap_or(u32::MAX));
        self.progress.send_modify(|progress| {
            progress.is_live = is_live;
            progress.slots = slots;
            progress.recovering = recovering;
        });
    }
}

/// What may have changed by what was applied. Most of it is calls that ended: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Concerns {
    /// Who owns what.
    ownership: bool,
    /// The limits in force.
    limits: bool,
}

impl Concerns {
    fn add(&mut self, applied: &Applied) {
        match applied {
            Applied::Replaced { .. } => *self = Self { ownership: true, limits: true },
            Applied::Actions { actions, .. } => {
                for action in actions {
                    match action {
                        Action::SlotMoved { .. }
                        | Action::NodeChanged(_)
                        | Action::HomesChanged
                        | Action::Formed => self.ownership = true,
                        Action::LimitsChanged(_) => self.limits = true,
                        Action::CallEnded(..) => {}
                    }
                }
            }
        }
    }
}

fn count_change(slot: SlotId, epoch: Epoch, reason: TransferReason) {
    counter!("holdline_ownership_changes_total", "reason" => reason.as_str()).increment(1);
    info!(%slot, %epoch, reason = reason.as_str(), "owner of the slot");
}

/// Makes the announcement of this run.
pub(crate) fn incarnation() -> Result<Incarnation, getrandom::Error> {
    getrandom::u64().map(Incarnation)
}

/// How often it is looked whether there is a lease, while there is none.
const LEASE_POLL: Duration = Duration::from_millis(10);

/// How often the wanted addresses are compared with those that are here, while there is a lease.
const CALM_POLL: Duration = Duration::from_millis(100);

/// How long an announcement may take before it is made again.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(500);

/// How long slots wait for their addresses.
const ADDRESS_WAIT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_limits_and_a_new_state_concern_the_limits() {
        let actions = |actions| Applied::Actions { index: 7, actions };
        let ownership = Concerns { ownership: true, limits: false };
        let limits = Concerns { ownership: false, limits: true };
        for (applied, concerns) in [
            (actions(vec![Action::Formed]), ownership),
            (actions(vec![Action::NodeChanged(NodeId(1))]), ownership),
            (actions(vec![Action::LimitsChanged(2)]), limits),
            (Applied::Replaced { index: 9 }, Concerns { ownership: true, limits: true }),
        ] {
            let mut found = Concerns::default();
            found.add(&applied);
            assert_eq!(found, concerns, "{applied:?}");
        }
        let mut both = Concerns::default();
        both.add(&actions(vec![Action::LimitsChanged(2)]));
        both.add(&actions(vec![Action::Formed]));
        assert_eq!(both, Concerns { ownership: true, limits: true });
    }
}
