//! The leader looks after the members: gives votes to those that have caught up, spreads slots to new
//! ones, and finishes the removal of those that are gone.

use holdline_cluster::ownership::{NodeState, PlanOptions, Verdict, balance};
use holdline_model::{Command, Name, NodeId, NodeRole, RemoveNode, SetHomes};
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
        if let Some(node) = better(self.me, &nodes, &status, &self.leader_pops, &self.plan) {
            self.hand_over(node);
        }
    }

    /// Has another node lead that is a better place for it.
    fn hand_over(&self, node: NodeId) {
        let raft = self.raft.clone();
        info!(%node, "another node is a better place to lead from: leadership goes there");
        self.tasks.spawn(async move {
            if let Err(error) = raft.change_members(MemberChange::Transfer { to: Some(node) }).await
            {
                debug!(%node, %error, "leadership has stayed");
            }
        });
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

/// A healthy voter that is a better place to lead from than this node: no witness, and of a site that
/// is preferred. PURE.
fn better(
    me: NodeId,
    nodes: &[NodeState],
    status: &Status,
    pops: &[Name],
    options: &PlanOptions,
) -> Option<NodeId> {
    let rank = |node: NodeId| {
        let member = status.members.get(&node)?;
        let place = pops.iter().position(|pop| *pop == member.pop).unwrap_or(pops.len());
        Some((member.role == NodeRole::Witness, place))
    };
    let own = rank(me)?;
    let fit = nodes.iter().filter(|state| {
        state.node != me
            && state.voter
            && state.verdict == Verdict::Alive
            && state.caught_up
            && !state.draining
            && u128::from(state.up_for_ms) >= options.hand_back_after.as_millis()
    });
    let best = fit.filter_map(|state| Some((rank(state.node)?, state.node))).min()?;
    (best.0 < own).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use holdline_raft::{Member, Role};

    use super::*;

    const OPTIONS: PlanOptions = PlanOptions { hand_back_after: Duration::from_secs(1) };

    /// Nodes 1, 2, … at these sites; a capital letter is a witness.
    fn cluster(pops: &str) -> (Vec<NodeState>, Status) {
        let mut members = BTreeMap::new();
        let mut nodes = Vec::new();
        for (pop, id) in pops.chars().zip(1_u64..) {
            let (node, is_witness) = (NodeId(id), pop.is_uppercase());
            let pop = Name::from(pop.to_lowercase().to_string());
            let role = if is_witness { NodeRole::Witness } else { NodeRole::Full };
            let rpc = ([127, 0, 0, 1], 7060).into();
            members.insert(node, Member { rpc, pop: pop.clone(), role });
            nodes.push(NodeState {
                node,
                pop,
                verdict: Verdict::Alive,
                caught_up: true,
                up_for_ms: 1_000,
                draining: false,
                voter: true,
                may_own: !is_witness,
            });
        }
        let status = Status {
            node: NodeId(1),
            role: Role::Leader,
            term: 1,
            leader: Some(NodeId(1)),
            last_log: None,
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            voters: members.keys().copied().collect::<BTreeSet<_>>(),
            members,
            lag: BTreeMap::new(),
            quorum_age: None,
            failures_tolerated: None,
        };
        (nodes, status)
    }

    fn found(me: u64, pops: &str, preferred: &[&str]) -> Option<u64> {
        let (nodes, status) = cluster(pops);
        let preferred: Vec<Name> = preferred.iter().map(|pop| Name::from(*pop)).collect();
        better(NodeId(me), &nodes, &status, &preferred, &OPTIONS).map(|node| node.0)
    }

    #[test]
    fn leadership_goes_to_the_best_site_with_a_healthy_voter_and_stays_there() {
        assert_eq!(found(1, "abc", &[]), None);
        assert_eq!(found(1, "abc", &["c", "b"]), Some(3));
        assert_eq!(found(2, "abc", &["c", "b"]), Some(3));
        assert_eq!(found(3, "abc", &["c", "b"]), None);
        assert_eq!(found(1, "aabb", &["b"]), Some(3), "the lowest of several");
        assert_eq!(found(1, "abc", &["d"]), None, "a site without members");
    }

    #[test]
    fn a_witness_does_not_lead_if_another_can() {
        assert_eq!(found(3, "abC", &[]), Some(1));
        assert_eq!(found(1, "abC", &["c"]), None, "not even at the best site");
    }

    #[test]
    fn who_is_not_fit_does_not_get_it() {
        let preferred = [Name::from("b")];
        for change in [
            (|node| node.caught_up = false) as fn(&mut NodeState),
            |node| node.draining = true,
            |node| node.voter = false,
            |node| node.up_for_ms = 999,
            |node| node.verdict = Verdict::Suspect,
        ] {
            let (mut nodes, status) = cluster("aab");
            change(&mut nodes[2]);
            assert_eq!(better(NodeId(1), &nodes, &status, &preferred, &OPTIONS), None);
        }
    }
}
