//! The Raft leader's duties: form the cluster, move slots, sweep tombstones, let time pass for limits, raise
//! the format.
//!
//! The task runs on every node and does nothing unless the node leads. It proposes and forgets:
//! every command it makes names what it expects (epochs, a cluster not yet formed), so one that is
//! late, repeated, or made by a leader of yesterday does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use holdline_cluster::gossip::ClusterView;
use holdline_cluster::ownership::{NodeState, PlanOptions, Verdict, plan};
use holdline_model::{
    ClusterId, Command, FormCluster, LimitTick, Name, NodeId, NodeRecord, NodeRole, SetDraining,
    SlotId, SlotMove, SlotRecord, Sweep, SweepBindings, TransferSlots,
};
use holdline_raft::{Fence, NodeContact, RaftHandle, Status};
use holdline_storage::StateReader;
use metrics::counter;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::clock::Clock;

/// What the duties need.
#[derive(Debug)]
pub(crate) struct Duties {
    pub(crate) me: NodeId,
    pub(crate) cluster: ClusterId,
    pub(crate) slots: u16,
    /// The first members that own calls, in order of id.
    pub(crate) owners: Vec<NodeId>,
    /// Whether a node that joined gets a vote by itself.
    pub(crate) auto_promote: bool,
    /// Sites from which the leader should come, the best first.
    pub(crate) leader_pops: Vec<Name>,
    pub(crate) plan: PlanOptions,
    pub(crate) raft: RaftHandle,
    pub(crate) state: StateReader,
    /// What the nodes say of themselves.
    pub(crate) view: watch::Receiver<ClusterView>,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskTracker,
}

/// Since when each node has been up without a break, as this leader saw it.
#[derive(Debug, Default)]
pub(super) struct UpSince(BTreeMap<NodeId, (holdline_model::Incarnation, Instant)>);

/// Runs the duties until `stop` is cancelled.
pub(crate) async fn run(duties: Duties, stop: CancellationToken) {
    let mut up = UpSince::default();
    let mut swept_at = duties.clock.monotonic();
    let mut leadership = duties.raft.leadership();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TURN) => {}
        }
        if !leadership.borrow_and_update().is_me {
            up.0.clear();
            tokio::select! {
                () = stop.cancelled() => return,
                changed = leadership.changed() => if changed.is_err() { return },
            }
            continue;
        }
        if duties.state.cluster().is_none() {
            duties.form().await;
            continue;
        }
        duties.move_slots(&mut up).await;
        let now = duties.clock.monotonic();
        if now.saturating_duration_since(swept_at) >= SWEEP_EVERY {
            swept_at = now;
            duties.sweep().await;
            duties.tick().await;
            duties.look_after_members(&mut up).await;
            duties.raise_format().await;
        }
    }
}

impl Duties {
    async fn form(&self) {
        let form = FormCluster {
            cluster: self.cluster,
            slots: self.slots,
            members: self.owners.clone(),
            at: self.clock.now(),
        };
        self.propose(Command::FormCluster(form), "form the cluster").await;
    }

    async fn move_slots(&self, up: &mut UpSince) {
        let nodes = self.nodes(up);
        let slots = self.state.slots();
        for (reason, moves) in plan(&slots, &nodes, &self.plan) {
            let to: Vec<_> = moves.iter().map(|step| step.to.0).collect();
            info!(reason = reason.as_str(), slots = moves.len(), ?to, "moving slots");
            // Kept until the move is decided: a dead node that comes back meanwhile gets no lease, so
            // it cannot act for slots that it does not know to be lost.
            let Some(_fences) = self.fence_dead(&slots, &moves, &nodes) else { continue };
            let transfer = TransferSlots { moves, reason, at: self.clock.now() };
            self.propose(Command::TransferSlots(transfer), "move slots").await;
        }
    }

    /// Fences the dead owners of the slots that are to move. `None` if one of them was heard again
    /// since it was judged: the next turn judges anew.
    fn fence_dead(
        &self,
        slots: &[SlotRecord],
        moves: &[SlotMove],
        nodes: &[NodeState],
    ) -> Option<Vec<Fence>> {
        let moving: BTreeSet<SlotId> = moves.iter().map(|step| step.slot).collect();
        let owners = slots.iter().filter(|record| moving.contains(&record.slot));
        let owners: BTreeSet<NodeId> = owners.map(|record| record.owner).collect();
        let dead = nodes.iter().filter(|state| state.verdict == Verdict::Dead);
        let dead = dead.filter(|state| owners.contains(&state.node));
        dead.map(|state| self.raft.fence(state.node)).collect()
    }

    /// The members as this leader sees them: contact from `raft`, marks from the state.
    pub(super) fn nodes(&self, up: &mut UpSince) -> Vec<NodeState> {
        let contacts = self.raft.contacts();
        let status = self.raft.status();
        let now = self.clock.monotonic();
        let records: BTreeMap<NodeId, NodeRecord> =
            self.state.nodes().into_iter().map(|record| (record.node, record)).collect();
        let leader = std::iter::once((self.me, None));
        let others = contacts.nodes.iter().map(|(node, contact)| (*node, Some(contact)));
        let mut nodes = Vec::new();
        for (node, contact) in leader.chain(others) {
            let record = records.get(&node);
            let verdict = judge(contact, record);
            let lag = status.lag.get(&node).copied();
            nodes.push(NodeState {
                node,
                pop: record.map(|record| record.pop.clone()).unwrap_or_default(),
                verdict,
                caught_up: node == self.me || lag.is_some_and(|entries| entries <= CAUGHT_UP),
                up_for_ms: up.follow(node, verdict, record, now),
                draining: record.is_some_and(|record| record.draining),
                voter: status.voters.contains(&node),
                may_own: may_own(&status, node),
            });
        }
        nodes
    }

    async fn sweep(&self) {
        let now = self.clock.now();
        if self.state.has_expired(now).unwrap_or(false) {
            self.propose(Command::Sweep(Sweep { up_to: now }), "sweep tombstones").await;
        }
        if self.state.has_ended_bindings(now).unwrap_or(false) {
            let sweep = SweepBindings { up_to: now };
            self.propose(Command::SweepBindings(sweep), "sweep bindings").await;
        }
    }

    /// Time passes for buckets that are not full, whether or not calls come.
    async fn tick(&self) {
        if self.state.limits(|table| table.needs_tick()).unwrap_or(false) {
            let tick = LimitTick { node: self.me, at: self.clock.now() };
            self.propose(Command::LimitTick(tick), "let time pass for the limits").await;
        }
    }

    pub(super) async fn propose(&self, command: Command, what: &'static str) {
        match self.raft.propose(&command).await {
            Ok(holdline_model::Reply::Rejected(rejection)) => {
                counter!("holdline_leader_rejected_total").increment(1);
                warn!(%rejection, "the leader could not {what}");
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "the leader could not {what}; trying again"),
        }
    }
}

impl UpSince {
    /// How long the present run of `node` has been alive without a break, in milliseconds.
    fn follow(
        &mut self,
        node: NodeId,
        verdict: Verdict,
        record: Option<&NodeRecord>,
        now: Instant,
    ) -> u64 {
        let run = record.map(|record| record.incarnation).filter(|_| verdict == Verdict::Alive);
        let Some(run) = run else {
            self.0.remove(&node);
            return 0;
        };
        let (known, since) = self.0.entry(node).or_insert((run, now));
        if *known != run {
            (*known, *since) = (run, now);
        }
        let up = now.saturating_duration_since(*since);
        u64::try_from(up.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A node that may own slots votes, and is no witness.
fn may_own(status: &Status, node: NodeId) -> bool {
    let full = status.members.get(&node).is_some_and(|member| member.role == NodeRole::Full);
    full && status.voters.contains(&node)
}

/// A node that never announced itself is no candidate, whatever its contact: it cannot own.
fn judge(contact: Option<&NodeContact>, record: Option<&NodeRecord>) -> Verdict {
    let verdict = match contact.map(|contact| contact.verdict) {
        None | Some(holdline_raft::Verdict::Alive) => Verdict::Alive,
        Some(holdline_raft::Verdict::Suspect) => Verdict::Suspect,
        Some(holdline_raft::Verdict::Dead) => Verdict::Dead,
    };
    match (verdict, record) {
        (Verdict::Alive, None) => Verdict::Suspect,
        (Verdict::Alive | Verdict::Suspect | Verdict::Dead, _) => verdict,
    }
}

/// Marks a node as draining, or no longer.
pub(crate) const fn drain(node: NodeId, draining: bool, clock: holdline_model::Millis) -> Command {
    Command::SetDraining(SetDraining { node, draining, at: clock })
}

/// How often the leader looks after its duties.
const TURN: Duration = Duration::from_millis(20);

/// How often tombstones are swept, and time passes for the limits.
const SWEEP_EVERY: Duration = Duration::from_millis(holdline_model::limits::LIMIT_TICK_MS);

/// A follower that is behind by no more entries than this is caught up.
pub(crate) const CAUGHT_UP: u64 = 1_000;
