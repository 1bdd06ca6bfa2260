//! Carries changes of the members out, on the leader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdline_model::{
    AdmitNode, Command, HoldNode, Name, NodeId, NodeRole, RemoveNode, Reply, SetDraining, limits,
};
use openraft::ChangeMembers;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use tokio::sync::MutexGuard;

use crate::RaftInstance;
use crate::clock;
use crate::handle::{RaftHandle, Shared};
use crate::lease::Verdict;
use crate::membership::{ChangeError, Changed, MemberChange, Votes};
use crate::proposal::ProposeError;
use crate::status::{Role, Status};
use crate::types::{Member, TypeConfig};

/// The leader's part of a change.
pub(crate) struct Lead {
    handle: RaftHandle,
}

type Change = ChangeMembers<NodeId, Member>;

impl RaftHandle {
    pub(crate) fn lead(&self) -> Lead {
        Lead { handle: self.clone() }
    }
}

impl Lead {
    /// Makes a change.
    pub(crate) async fn change(&self, change: MemberChange) -> Result<Changed, ChangeError> {
        let _turn = self.turn()?;
        let outcome = self.make(change.clone()).await;
        let word = match &outcome {
            Ok(done) => {
                tracing::info!(?change, node = %done.node, "the members were changed");
                "made"
            }
            Err(error) => {
                tracing::info!(?change, %error, "a change of the members was not made");
                "refused"
            }
        };
        metrics::counter!("holdline_member_changes_total", "outcome" => word).increment(1);
        outcome
    }

    /// One change at a time.
    pub(crate) fn turn(&self) -> Result<MutexGuard<'_, ()>, ChangeError> {
        self.shared().changing.try_lock().map_err(|_| ChangeError::Busy)
    }

    async fn make(&self, change: MemberChange) -> Result<Changed, ChangeError> {
        if self.status().role != Role::Leader {
            return Err(ChangeError::NotLeader);
        }
        match change {
            MemberChange::Expect { rpc, pop, role } => self.expect(rpc, pop, role).await,
            MemberChange::Promote { node } => self.promote(node).await,
            MemberChange::Demote { node } => self.demote(node).await,
            MemberChange::Remove { node, heir } => self.remove(node, None, heir).await,
            MemberChange::Replace { old, new } => self.replace(old, new).await,
            MemberChange::Transfer { to } => self.transfer(to).await,
        }
    }

    async fn expect(
        &self,
        rpc: std::net::SocketAddr,
        pop: Name,
        role: NodeRole,
    ) -> Result<Changed, ChangeError> {
        self.check_room()?;
        let at = self.shared().wall.now();
        let admit = AdmitNode { node: None, nonce: 0, rpc, pop, role, held: false, at };
        let node = admit_node(&self.handle, admit).await?;
        Ok(self.unchanged(node))
    }

    async fn promote(&self, node: NodeId) -> Result<Changed, ChangeError> {
        let status = self.status();
        if status.voters.contains(&node) {
            return Err(ChangeError::IsVoter { node });
        }
        self.check_fit(&status, node)?;
        let (before, after) = self.check(Some(node), None)?;
        self.write(ChangeMembers::AddVoterIds(BTreeSet::from([node])), true).await?;
        let is_held = self.state().cluster().is_some_and(|record| record.roster.is_held(node));
        if is_held {
            self.hold(node, false).await?;
        }
        Ok(Changed { node, before, after })
    }

    async fn demote(&self, node: NodeId) -> Result<Changed, ChangeError> {
        self.check_voter(node)?;
        let (before, after) = self.check(None, Some(node))?;
        self.step_back_if_me(node, None).await?;
        self.empty(node).await?;
        self.hold(node, true).await?;
        let written = self.write(ChangeMembers::RemoveVoters(BTreeSet::from([node])), true).await;
        self.drain(node, false).await?;
        if let Err(error) = written {
            self.hold(node, false).await?;
            return Err(error);
        }
        Ok(Changed { node, before, after })
    }

    async fn remove(
        &self,
        node: NodeId,
        replaced_by: Option<NodeId>,
        heir: Option<NodeId>,
    ) -> Result<Changed, ChangeError> {
        let status = self.status();
        let is_member = status.members.contains_key(&node);
        let cluster = self.state().cluster();
        let is_expected = cluster.is_some_and(|it| !is_member && it.roster.is_present(node));
        if !is_member && !is_expected {
            return Err(ChangeError::UnknownNode { node });
        }
        let heir = self.heir(&status, node, heir)?;
        let add = replaced_by.filter(|new| !status.voters.contains(new));
        let (before, after) = self.check(add, Some(node))?;
        self.step_back_if_me(node, replaced_by).await?;
        self.empty(node).await?;
        let gone = BTreeSet::from([node]);
        let written = if status.voters.contains(&node) {
            let mut steps: Vec<Change> = Vec::new();
            if let Some(new) = add {
                steps.push(ChangeMembers::AddVoterIds(BTreeSet::from([new])));
            }
            steps.push(ChangeMembers::RemoveVoters(gone));
            self.write(ChangeMembers::Batch(steps), false).await
        } else if is_member {
            self.write(ChangeMembers::RemoveNodes(gone), false).await
        } else {
            Ok(())
        };
        if let Err(error) = written {
            self.drain(node, false).await?;
            return Err(error);
        }
        self.bury(node, heir).await?;
        Ok(Changed { node, before, after })
    }

    async fn replace(&self, old: NodeId, new: NodeId) -> Result<Changed, ChangeError> {
        let status = self.status();
        let role = |node| status.members.get(&node).map(|member: &Member| member.role);
        let (Some(old_role), Some(new_role)) = (role(old), role(new)) else {
            let node = if role(old).is_none() { old } else { new };
            return Err(ChangeError::UnknownNode { node });
        };
        if old_role == NodeRole::Full && new_role == NodeRole::Witness {
            return Err(ChangeError::Witness { node: new });
        }
        self.check_fit(&status, new)?;
        let heir = (new_role == NodeRole::Full).then_some(new);
        let done = self.remove(old, Some(new), heir).await?;
        Ok(Changed { node: new, ..done })
    }

    async fn transfer(&self, to: Option<NodeId>) -> Result<Changed, ChangeError> {
        let status = self.status();
        let node = match to {
            Some(node) => node,
            None => self.successor(&status).ok_or(ChangeError::NotLeader)?,
        };
        if node == status.node {
            return Ok(self.unchanged(node));
        }
        if !status.voters.contains(&node) {
            return Err(ChangeError::NoVoter { node });
        }
        if !self.votes().alive.contains(&node) {
            return Err(ChangeError::NotAlive { node });
        }
        self.hand_over(node).await?;
        Ok(self.unchanged(node))
    }

    /// The home slots of a node that is no member any more become another's.
    pub(crate) async fn bury(&self, node: NodeId, heir: Option<NodeId>) -> Result<(), ChangeError> {
        let at = self.shared().wall.now();
        let remove = RemoveNode { node, heir, at };
        self.propose(&Command::RemoveNode(remove)).await.map(drop)
    }

    /// A learner is added, with a log that may be empty although it was not.
    pub(crate) async fn add(&self, node: NodeId, member: Member) -> Result<(), ChangeError> {
        let nodes = BTreeMap::from([(node, member)]);
        self.write(ChangeMembers::AddNodes(nodes), true).await?;
        self.allow_empty(node).await
    }

    /// A member lost its data: it loses its vote until it has everything again.
    pub(crate) async fn forgive(&self, node: NodeId) -> Result<(), ChangeError> {
        if self.status().voters.contains(&node) {
            let mut votes = self.votes();
            votes.alive.remove(&node);
            let (before, after) = (votes.tolerance(), votes.after(None, Some(node)).tolerance());
            if before.may_fail().is_none() || after.may_fail().is_none() {
                return Err(ChangeError::LosesMajority { before, after });
            }
            self.write(ChangeMembers::RemoveVoters(BTreeSet::from([node])), true).await?;
        }
        self.allow_empty(node).await
    }

    async fn allow_empty(&self, node: NodeId) -> Result<(), ChangeError> {
        let allowed = self.shared().raft.trigger().allow_next_revert(&node, true).await;
        match allowed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%node, %error, "replication to the node cannot begin anew");
                Err(ChangeError::NotLeader)
            }
            Err(_) => Err(ChangeError::NotLeader),
        }
    }

    /// Refuses one more member than there may be.
    pub(crate) fn check_room(&self) -> Result<(), ChangeError> {
        let limit = limits::MAX_MEMBERS;
        if self.status().members.len() < limit {
            return Ok(());
        }
        Err(ChangeError::TooMany { limit: u32::try_from(limit).unwrap_or(u32::MAX) })
    }

    fn check_voter(&self, node: NodeId) -> Result<(), ChangeError> {
        let status = self.status();
        if !status.members.contains_key(&node) {
            return Err(ChangeError::UnknownNode { node });
        }
        if !status.voters.contains(&node) {
            return Err(ChangeError::NoVoter { node });
        }
        Ok(())
    }

    /// Refuses a node that could not vote at once.
    fn check_fit(&self, status: &Status, node: NodeId) -> Result<(), ChangeError> {
        if !status.members.contains_key(&node) {
            return Err(ChangeError::UnknownNode { node });
        }
        if node == status.node {
            return Ok(());
        }
        if !self.votes().alive.contains(&node) {
            return Err(ChangeError::NotAlive { node });
        }
        match status.lag.get(&node) {
            Some(lag) if *lag <= CAUGHT_UP => Ok(()),
            lag => {
                let entries = lag.copied().unwrap_or(status.last_log.unwrap_or(0));
                Err(ChangeError::CatchingUp { node, entries })
            }
        }
    }

    /// Refuses a change without a majority before or after it.
    fn check(
        &self,
        add: Option<NodeId>,
        remove: Option<NodeId>,
    ) -> Result<(crate::Tolerance, crate::Tolerance), ChangeError> {
        let votes = self.votes();
        let (before, after) = (votes.tolerance(), votes.after(add, remove).tolerance());
        if before.may_fail().is_none() || after.may_fail().is_none() || after.voters == 0 {
            return Err(ChangeError::LosesMajority { before, after });
        }
        Ok((before, after))
    }

    fn votes(&self) -> Votes {
        let contacts = self.handle.contacts();
        let alive = contacts.nodes.iter().filter(|(_, it)| it.verdict == Verdict::Alive);
        let status = self.status();
        let alive = alive.map(|(node, _)| *node).chain([status.node]).collect();
        Votes { voters: status.voters, alive }
    }

    fn unchanged(&self, node: NodeId) -> Changed {
        let now = self.votes().tolerance();
        Changed { node, before: now, after: now }
    }

    /// Who gets the home slots of a node that goes: the one that was named, or whoever has fewest.
    fn heir(
        &self,
        status: &Status,
        node: NodeId,
        named: Option<NodeId>,
    ) -> Result<Option<NodeId>, ChangeError> {
        let slots = self.state().slots();
        let may = |heir: &NodeId| {
            *heir != node
                && status.voters.contains(heir)
                && status.members.get(heir).is_some_and(|member| member.role == NodeRole::Full)
                && self.state().node(*heir).is_some()
        };
        if let Some(heir) = named {
            // One that replaces another gets its vote by the same change.
            let known = status.members.get(&heir);
            return match known.map(|member| member.role) {
                None => Err(ChangeError::UnknownNode { node: heir }),
                Some(NodeRole::Witness) => Err(ChangeError::Witness { node: heir }),
                Some(NodeRole::Full) => Ok(Some(heir)),
            };
        }
        let homes = |heir: &NodeId| slots.iter().filter(|slot| slot.home == *heir).count();
        let heir = status.members.keys().copied().filter(may).min_by_key(|it| (homes(it), *it));
        Ok(heir)
    }

    /// Moves a node's slots away, and waits until it owns none.
    async fn empty(&self, node: NodeId) -> Result<(), ChangeError> {
        if self.owned(node) == 0 {
            return Ok(());
        }
        self.drain(node, true).await?;
        let deadline = clock::now() + SLOTS_WITHIN;
        while self.owned(node) > 0 {
            if clock::now() >= deadline {
                let slots = self.owned(node);
                self.drain(node, false).await?;
                return Err(ChangeError::SlotsStay { node, slots });
            }
            if self.status().role != Role::Leader {
                return Err(ChangeError::NotLeader);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn owned(&self, node: NodeId) -> u32 {
        let slots = self.state().slots();
        let owned = slots.iter().filter(|slot| slot.owner == node).count();
        u32::try_from(owned).unwrap_or(u32::MAX)
    }

    async fn drain(&self, node: NodeId, draining: bool) -> Result<(), ChangeError> {
        if self.state().node(node).is_none_or(|record| record.draining == draining) {
            return Ok(());
        }
        let at = self.shared().wall.now();
        self.propose(&Command::SetDraining(SetDraining { node, draining, at })).await.map(drop)
    }

    async fn hold(&self, node: NodeId, held: bool) -> Result<(), ChangeError> {
        let at = self.shared().wall.now();
        self.propose(&Command::HoldNode(HoldNode { node, held, at })).await.map(drop)
    }

    /// A leader that goes has another lead first; that one makes the change.
    async fn step_back_if_me(
        &self,
        node: NodeId,
        rather: Option<NodeId>,
    ) -> Result<(), ChangeError> {
        let status = self.status();
        if node != status.node {
            return Ok(());
        }
        let rather = rather.filter(|next| status.voters.contains(next));
        let next = rather.or_else(|| self.successor(&status)).ok_or(ChangeError::NotLeader)?;
        self.hand_over(next).await?;
        Err(ChangeError::NotLeader)
    }

    async fn hand_over(&self, node: NodeId) -> Result<(), ChangeError> {
        let handed = self.handle.transfer_leader(node).await;
        handed.map_err(|error| match error {
            crate::TransferError::TimedOut { node, .. } => ChangeError::NotTakenOver { node },
            crate::TransferError::NotAVoter { node } => ChangeError::NoVoter { node },
            crate::TransferError::NotLeader { .. } | crate::TransferError::Stopped => {
                ChangeError::NotLeader
            }
        })
    }

    /// Who should lead next: alive, no witness if possible, furthest along.
    fn successor(&self, status: &Status) -> Option<NodeId> {
        let alive = self.votes().alive;
        let may = status.voters.iter().filter(|id| **id != status.node && alive.contains(id));
        let rank = |id: &&NodeId| {
            let witness =
                status.members.get(id).is_some_and(|member| member.role == NodeRole::Witness);
            (witness, status.lag.get(id).copied().unwrap_or(u64::MAX), **id)
        };
        may.min_by_key(rank).copied()
    }

    async fn write(&self, change: Change, retain: bool) -> Result<(), ChangeError> {
        let write = write(&self.shared().raft, change, retain);
        match tokio::time::timeout(WRITE_WITHIN, write).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ChangeError::Undecided),
        }
    }

    async fn propose(&self, command: &Command) -> Result<Reply, ChangeError> {
        propose(&self.handle, command).await
    }

    fn status(&self) -> Status {
        self.handle.status()
    }

    fn state(&self) -> &holdline_storage::StateReader {
        &self.shared().reader
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

/// Gives a node a number.
pub(crate) async fn admit(handle: &RaftHandle, ask: AdmitNode) -> Result<NodeId, ChangeError> {
    admit_node(handle, ask).await
}

/// Whether a member has nearly everything: it could act at once.
pub(crate) fn ready(last_log: Option<u64>, applied: Option<u64>) -> bool {
    let behind = last_log.unwrap_or(0).saturating_sub(applied.unwrap_or(0));
    applied.is_some() && behind <= CAUGHT_UP
}

async fn admit_node(handle: &RaftHandle, ask: AdmitNode) -> Result<NodeId, ChangeError> {
    match propose(handle, &Command::AdmitNode(Box::new(ask))).await? {
        Reply::Node(node) => Ok(node),
        // No reply that apply gives to this command.
        _ => Err(ChangeError::Undecided),
    }
}

async fn propose(handle: &RaftHandle, command: &Command) -> Result<Reply, ChangeError> {
    match handle.propose(command).await {
        Ok(Reply::Rejected(rejection)) => Err(ChangeError::Rejected(rejection)),
        Ok(reply) => Ok(reply),
        Err(ProposeError::Submit(_)) => Err(ChangeError::NotLeader),
        Err(ProposeError::Undecided(_)) => Err(ChangeError::Undecided),
    }
}

async fn write(raft: &RaftInstance, change: Change, retain: bool) -> Result<(), ChangeError> {
    match raft.change_membership(change, retain).await {
        Ok(_) => Ok(()),
        Err(RaftError::Fatal(_)) => Err(ChangeError::NotLeader),
        Err(RaftError::APIError(error)) => Err(refused(error)),
    }
}

fn refused(error: ClientWriteError<TypeConfig>) -> ChangeError {
    match error {
        ClientWriteError::ForwardToLeader(_) => ChangeError::NotLeader,
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => {
            ChangeError::Busy
        }
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::LearnerNotFound(
            not_found,
        )) => ChangeError::UnknownNode { node: not_found.node_id },
        ClientWriteError::ChangeMembershipError(error) => {
            tracing::warn!(%error, "a change of the members was refused by Raft");
            ChangeError::Busy
        }
        ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::PreconditionFailed(_) => {
            ChangeError::Undecided
        }
    }
}

/// A member that lacks no more entries than this is caught up.
pub(crate) const CAUGHT_UP: u64 = 1_000;

/// How long a node's slots may take to move away.
const SLOTS_WITHIN: Duration = Duration::from_secs(6);
const POLL: Duration = Duration::from_millis(20);

/// How long a change may take to be committed.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
