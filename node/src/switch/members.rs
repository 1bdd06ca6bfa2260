//! The leader looks after the members: gives votes to those that have caught up, spreads slots to new
//! ones, and finishes the removal of those that are gone.

use holdline_cluster::ownership::{NodeState, Verdict, balance};
use holdline_model::{Command, NodeId, RemoveNode, SetHomes};
use holdline_raft::{ChangeError, MemberChange, Status};
use tracing::{debug, info};

use super::leader::{Duties, UpSince};

impl Duties {
    /// Once a second, while this node leads.
    pub(super) async fn look_after_members(&self, up: &mut UpSince) {
        let status = self.raft.status();
        let nodes = self.nodes(up);
        if self.bury_the_gone(&status, &nodes).await {
            return;
        }
        self.spread(&nodes).await;
        if self.auto_promote {
            self.promote(&status, &nodes);
        }
    }

    /// Slots find other homes, so that every member has its share.
    async fn spread(&self, nodes: &[NodeState]) {
        let slots = self.state.slots();
        // One thing at a time: while slots are on their way home, nothing is dealt out anew.
        let back = |home| nodes.iter().any(|it| it.node == home && it.verdict == Verdict::Alive);
        if slots.iter().any(|slot| slot.owner != slot.home && back(slot.home)) {
            return;
        }
        let homes = balance(&slots, nodes, &self.plan);
        if homes.is_empty() {
            return;
        }
        info!(slots = homes.len(), "slots find other homes, so that every member has its share");
        let set = SetHomes { homes, at: self.clock.now() };
        self.propose(Command::SetHomes(set), "spread the slots").await;
    }

    /// Gives a vote to a node that has joined and caught up.
    fn promote(&self, status: &Status, nodes: &[NodeState]) {
        let Some(cluster) = self.state.cluster() else { return };
        let may = |state: &&NodeState| {
            !status.voters.contains(&state.node)
                && status.members.contains_key(&state.node)
                && state.verdict == Verdict::Alive
                && state.caught_up
                && !cluster.roster.is_held(state.node)
        };
        let Some(node) = nodes.iter().find(may).map(|state| state.node) else { return };
        let raft = self.raft.clone();
        // Beside the other duties: it waits for two entries.
        self.tasks.spawn(async move {
            match raft.change_members(MemberChange::Promote { node }).await {
                Ok(_) => info!(%node, "the node has caught up, and votes from now on"),
                Err(ChangeError::Busy | ChangeError::IsVoter { .. }) => {}
                Err(error) => debug!(%node, %error, "the node gets no vote yet"),
            }
        });
    }

    /// A leader may have died between taking a node out of the membership and writing down that it is
    /// gone: the next one finishes that. Says whether there was something to do.
    async fn bury_the_gone(&self, status: &Status, nodes: &[NodeState]) -> bool {
        let slots = self.state.slots();
        let is_gone = |node: &NodeId| {
            !status.members.contains_key(node) && !slots.iter().any(|slot| slot.owner == *node)
        };
        let known = self.state.nodes().into_iter().filter(|record| record.removed.is_none());
        let Some(node) = known.map(|record| record.node).find(is_gone) else { return false };
        let homes = |heir: NodeId| slots.iter().filter(|slot| slot.home == heir).count();
        let may = nodes.iter().filter(|state| state.may_own && state.verdict == Verdict::Alive);
        let heir = may.map(|state| state.node).min_by_key(|heir| (homes(*heir), *heir));
        let remove = RemoveNode { node, heir, at: self.clock.now() };
        self.propose(Command::RemoveNode(remove), "finish the removal of a node").await;
        true
    }
}
