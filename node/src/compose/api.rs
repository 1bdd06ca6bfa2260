//! The admin API's view of the cluster, over the replicated state and the Raft handle.
//!
//! Reads come from this node's own copy of the state, off the async threads. Who is alive is the
//! leader's knowledge; other nodes say what gossip says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use holdline_call::{TrunkAddress, TrunkView};
use holdline_cluster::forward::{Forwarder, HangUpOutcome, Requests as _};
use holdline_cluster::gossip::{ClusterView, Heard};
use holdline_model::limit::LimitConfig;
use holdline_model::{
    Aor, CallId, CallRecord, Cdr, CdrId, Command, Listener, LocationRecord, Millis, Name, NodeId,
    Rejection, SetTrunk, SlotRecord, Transport, UserRecord,
};
use holdline_raft::{Changed, MemberChange, RaftHandle, Verdict};
use holdline_sip::locate::Location;
use holdline_storage::{DataDir, StateError, StateReader};
use holdline_transport::dns::Locator;
use holdline_transport::{Ports, Streams, Tls};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::fit::Fit;
use super::hang_up::HangUps;
use super::round_trips;
use crate::admin::seam::{
    CallQuery, CdrQuery, ClusterApi, ClusterApiError, ClusterFacts, LimitFacts, ListenerFacts,
    LocalFacts, MemberFacts, NodeCertificate, Page, TrunkFacts,
};
use crate::clock::Clock;
use crate::config::TrunkConfig;
use crate::protect::Protection;
use crate::protect::disk::Fill;
use crate::switch::SharedTable;
use crate::switch::formats;
use crate::switch::leader;
use crate::switch::ownership::Progress;

/// The cluster as this node knows it.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) me: NodeId,
    pub(super) pop: Name,
    pub(super) cluster: Name,
    pub(super) min_free_bytes: u64,
    pub(super) raft: RaftHandle,
    pub(super) state: StateReader,
    pub(super) clock: Clock,
    pub(super) forwarder: Forwarder,
    pub(super) tasks: TaskTracker,
    pub(super) hang_ups: HangUps,
    pub(super) data_dir: Arc<DataDir>,
    pub(super) fill: Option<watch::Receiver<Fill>>,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) view: watch::Receiver<ClusterView>,
    pub(super) protection: Arc<Protection>,
    pub(super) heard: watch::Receiver<Arc<Heard>>,
    pub(super) fit: Fit,
    pub(super) trunk_view: watch::Receiver<Arc<TrunkView>>,
    pub(super) trunks: Vec<TrunkConfig>,
    pub(super) locator: Locator,
    pub(super) table: SharedTable,
    pub(super) ports: Ports,
    /// Where they were read, and what they say.
    pub(super) certificates: Vec<(PathBuf, Tls)>,
}

#[async_trait]
impl ClusterApi for Api {
    fn local(&self) -> LocalFacts {
        let status = self.raft.status();
        let progress = *self.progress.borrow();
        let committed = status.committed.unwrap_or(0);
        LocalFacts {
            node: self.me,
            leader: status.leader,
            term: status.term,
            formed: self.state.cluster().is_some(),
            takes_part: self.raft.takes_part(),
            votes: status.voters.contains(&self.me),
            safe: self.raft.lease().is_safe(),
            lease_held: self.raft.lease().is_valid(self.clock.monotonic()),
            apply_lag: committed.saturating_sub(status.applied.unwrap_or(0)),
            disk_free_bytes: self.data_dir.free_bytes().ok(),
            disk_min_free_bytes: self.min_free_bytes,
            disk_protected: self.fill.as_ref().is_some_and(|fill| *fill.borrow() >= Fill::Protect),
            log_writable: status.role != holdline_raft::Role::Stopped,
            slots_owned: progress.slots,
            slots_recovering: progress.recovering,
            addresses_missing: progress.addresses_missing,
            draining: self.state.node(self.me).is_some_and(|record| record.draining),
            stopping: *self.stopping.borrow(),
        }
    }

    async fn cluster(&self) -> Result<ClusterFacts, ClusterApiError> {
        let counts = self.read(|state| state.count_calls()).await?;
        let status = self.raft.status();
        let slots = self.state.slots();
        let mut calls: BTreeMap<NodeId, u64> = BTreeMap::new();
        for slot in &slots {
            let up = counts.get(&slot.slot).map_or(0, |counts| counts.up());
            *calls.entry(slot.owner).or_default() += up;
        }
        let alive = self.alive();
        let safe = self.safe(&status);
        let reads = formats::readers(&status.members, &self.state, &self.view.borrow());
        let member = |(node, member): (&NodeId, &holdline_raft::Member)| MemberFacts {
            node: *node,
            pop: member.pop.clone(),
            voter: status.voters.contains(node),
            role: member.role,
            rpc: member.rpc,
            safe: safe(*node),
            alive: alive(*node),
            record: self.state.node(*node),
            reads: reads.get(node).copied().flatten(),
            log_lag: if *node == self.me {
                Some(status.last_log.unwrap_or(0).saturating_sub(status.applied.unwrap_or(0)))
            } else {
                status.lag.get(node).copied()
            },
            slots_owned: slots.iter().filter(|slot| slot.owner == *node).count(),
            slots_home: slots.iter().filter(|slot| slot.home == *node).count(),
            calls: calls.get(node).map_or(0, |up| usize::try_from(*up).unwrap_or(usize::MAX)),
        };
        let members = status.members.iter().map(member).collect();
        Ok(ClusterFacts {
            cluster: self.cluster.clone(),
            format: self.state.format(),
            answered_by: self.me,
            leader: status.leader,
            term: status.term,
            committed_index: status.committed.unwrap_or(0),
            // Read last: what is shown is not newer than that.
            applied_index: self.raft.applied_index().unwrap_or(0),
            formed: self.state.cluster().is_some(),
            slots: slots.len(),
            members,
            roster: self.state.cluster().map(|record| record.roster).unwrap_or_default(),
            round_trips: round_trips::matrix(
                self.me,
                &self.raft.round_trips(),
                &self.heard.borrow(),
            ),
            times: self.fit.facts(),
        })
    }

    async fn calls(&self, query: &CallQuery) -> Result<Page<CallRecord, CallId>, ClusterApiError> {
        let query = query.clone();
        self.read(move |state| {
            let mut items = Vec::new();
            let mut after = query.after;
            let mut looked_at = 0;
            loop {
                let page = state.calls(after, CHUNK)?;
                looked_at += page.calls.len();
                for call in page.calls {
                    after = Some(call.call);
                    if query.matches(&call) {
                        items.push(call);
                    }
                    if items.len() >= query.limit {
                        return Ok(Page { items, next: after });
                    }
                }
                if page.next.is_none() || looked_at >= SCAN_LIMIT {
                    return Ok(Page { items, next: page.next });
                }
            }
        })
        .await
    }

    async fn call(
        &self,
        call: CallId,
    ) -> Result<Option<(CallRecord, Option<SlotRecord>)>, ClusterApiError> {
        let record = self.read(move |state| state.call(call)).await?;
        Ok(record.map(|record| (record, self.state.slot(call.slot))))
    }

    async fn cdrs(&self, query: &CdrQuery) -> Result<Page<Cdr, CdrId>, ClusterApiError> {
        let query = holdline_storage::CdrQuery {
            after: query.after,
            ended_from: query.from,
            ended_before: query.to,
            account: query.account.clone(),
            caller: query.caller.clone(),
            callee: query.callee.clone(),
            call_id: query.call_id.clone(),
            limit: query.limit,
            ..holdline_storage::CdrQuery::default()
        };
        let page = self.read(move |state| state.cdrs(&query)).await?;
        Ok(Page { items: page.cdrs, next: page.next })
    }

    async fn slots(&self) -> Result<Vec<SlotRecord>, ClusterApiError> {
        Ok(self.state.slots())
    }

    async fn hang_up(&self, call: CallId) -> Result<(), ClusterApiError> {
        let mut outcome = self.hang_ups.hang_up(call).await;
        // The slot may move while it is asked for: followed once.
        for _ in 0..2 {
            let HangUpOutcome::Moved(owner) = outcome else { break };
            outcome = self
                .forwarder
                .hang_up(owner, call)
                .await
                .map_err(|_| ClusterApiError::OwnerUnreachable { call, owner })?;
        }
        match outcome {
            // A call that ended while it was asked for is what was asked for.
            HangUpOutcome::HungUp | HangUpOutcome::AlreadyOver => Ok(()),
            HangUpOutcome::NotFound => Err(ClusterApiError::UnknownCall(call)),
            HangUpOutcome::Moved(owner) => Err(ClusterApiError::OwnerUnreachable { call, owner }),
            HangUpOutcome::Unavailable => Err(ClusterApiError::NoMajority),
        }
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }

    async fn users(
        &self,
        after: Option<Aor>,
        limit: usize,
    ) -> Result<Page<UserRecord, Aor>, ClusterApiError> {
        self.list_users(after, limit).await
    }

    async fn user(&self, aor: Aor) -> Result<Option<UserRecord>, ClusterApiError> {
        self.read(move |state| state.user(&aor)).await
    }

    async fn put_user(&self, record: UserRecord, replace: bool) -> Result<u64, ClusterApiError> {
        self.write_user(record, replace).await
    }

    async fn remove_user(&self, aor: Aor) -> Result<u64, ClusterApiError> {
        self.delete_user(aor).await
    }

    async fn registrations(
        &self,
        after: Option<Aor>,
        limit: usize,
    ) -> Result<Page<LocationRecord, Aor>, ClusterApiError> {
        self.list_registrations(after, limit).await
    }

    async fn registration(&self, aor: Aor) -> Result<Option<LocationRecord>, ClusterApiError> {
        self.read(move |state| state.location(&aor)).await
    }

    async fn remove_bindings(&self, aor: Aor, key: Option<String>) -> Result<u32, ClusterApiError> {
        self.end_bindings(aor, key).await
    }

    async fn limits(&self) -> Result<LimitFacts, ClusterApiError> {
        self.limit_facts().await
    }

    async fn set_limits(&self, expected: u64, config: LimitConfig) -> Result<u64, ClusterApiError> {
        self.replace_limits(expected, config).await
    }

    async fn reset_limits(&self, class: Option<Name>) -> Result<u64, ClusterApiError> {
        self.fill_buckets(class).await
    }

    async fn set_draining(&self, node: NodeId, draining: bool) -> Result<u64, ClusterApiError> {
        self.change(&leader::drain(node, draining, self.clock.now())).await
    }

    async fn change_members(&self, change: MemberChange) -> Result<Changed, ClusterApiError> {
        let raft = self.raft.clone();
        // It goes on if the one who asked has gone.
        let made = self.tasks.spawn(async move { raft.change_members(change).await });
        match made.await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(ClusterApiError::Stopping),
        }
    }

    async fn trunks(&self) -> Result<Vec<TrunkFacts>, ClusterApiError> {
        let view = Arc::clone(&self.trunk_view.borrow());
        let disabled = self.state.disabled_trunks();
        let facts = self.trunks.iter().map(|trunk| TrunkFacts {
            name: trunk.name.clone(),
            tenant: trunk.tenant.clone(),
            address: trunk.next().0.to_string(),
            leads_to: self.leads_to(trunk),
            is_probed: trunk.probe,
            health: view.trunks.get(&trunk.name).cloned(),
            disabled_since: disabled.since(&trunk.name),
        });
        Ok(facts.collect())
    }

    fn listeners(&self) -> Vec<ListenerFacts> {
        let table = self.table.load();
        let open = self.ports.streams().map(Streams::connections);
        let of_home = |(home, listeners): (NodeId, &[Listener])| {
            let facts = listeners.iter().map(|listener| {
                let Listener { transport, addr, .. } = *listener;
                let is_open_here = self.ports.is_open(transport, addr);
                let count = Transport::ALL.iter().position(|each| *each == transport);
                let count = count.and_then(|at| open.as_ref()?.get(at).copied());
                ListenerFacts {
                    listener: *listener,
                    home,
                    holder: table.holder_of(addr),
                    is_open_here,
                    connections: count.filter(|_| is_open_here && transport.is_reliable()),
                }
            });
            facts.collect::<Vec<_>>()
        };
        table.listeners().flat_map(of_home).collect()
    }

    fn certificates(&self) -> Vec<NodeCertificate> {
        let of_file = |(path, tls): &(PathBuf, Tls)| {
            let (path, trunk) = (path.clone(), tls.trunk().map(str::to_owned));
            let facts = tls.facts().into_iter();
            let all = facts.map(move |facts| NodeCertificate {
                path: path.clone(),
                trunk: trunk.clone(),
                facts,
            });
            all.collect::<Vec<_>>()
        };
        self.certificates.iter().flat_map(of_file).collect()
    }

    async fn set_trunk(&self, trunk: &Name, enabled: bool) -> Result<u64, ClusterApiError> {
        let (trunk, at) = (trunk.clone(), self.clock.now());
        self.change(&Command::SetTrunk(SetTrunk { trunk, enabled, at })).await
    }
}

impl Api {
    /// Where a trunk's name leads, or why nowhere; `None` if it has none.
    fn leads_to(&self, trunk: &TrunkConfig) -> Option<Result<Arc<Location>, String>> {
        let TrunkAddress::Name(asked) = trunk.next().0 else { return None };
        Some(match self.locator.last(asked) {
            Some(found) => found.map_err(|error| error.to_string()),
            None => Err("it was not asked for yet".to_owned()),
        })
    }

    /// Commits an administrator's change; the index of its entry.
    async fn change(&self, command: &Command) -> Result<u64, ClusterApiError> {
        match self.commit(command).await?.entry() {
            Some(Ok(index)) => Ok(index),
            Some(Err(Rejection::UnknownNode { node })) => Err(ClusterApiError::UnknownNode(node)),
            Some(Err(_)) | None => Err(ClusterApiError::NoMajority),
        }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StateReader) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, ClusterApiError> {
        let state = self.state.clone();
        match holdline_raft::offload(&self.tasks, move || read(&state)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(ClusterApiError::Unreadable(Box::new(error))),
            Err(_) => Err(ClusterApiError::Stopping),
        }
    }

    /// Who is alive: as the leader hears it; elsewhere as gossip does, which takes seconds longer.
    fn alive(&self) -> impl Fn(NodeId) -> bool + use<> {
        let contacts = self.raft.contacts();
        let me = self.me;
        let is_leader = contacts.leader_since.is_some();
        let live = self.view.borrow().live.clone();
        move |node| {
            if node == me {
                return true;
            }
            if !is_leader {
                return live.contains_key(&node);
            }
            let contact = contacts.nodes.get(&node);
            contact.is_some_and(|contact| contact.verdict == Verdict::Alive)
        }
    }
}

impl Api {
    /// To whom calls may fail over: as the leader knows; elsewhere as the nodes say in gossip.
    fn safe(&self, status: &holdline_raft::Status) -> impl Fn(NodeId) -> bool + use<> {
        let leads = status.role == holdline_raft::Role::Leader;
        let (voters, lag, me) = (status.voters.clone(), status.lag.clone(), self.me);
        let own = self.raft.lease().is_safe();
        let live = self.view.borrow().live.clone();
        let alive = self.alive();
        move |node| {
            let told = live.get(&node).is_some_and(|member| member.facts.load.safe);
            let caught_up = match (node == me, leads) {
                (true, _) => own,
                (false, true) => lag.get(&node).is_some_and(|lag| *lag <= leader::CAUGHT_UP),
                (false, false) => told,
            };
            voters.contains(&node) && alive(node) && caught_up
        }
    }
}

/// Calls read at a time.
const CHUNK: usize = 512;

/// Calls looked at for one page.
const SCAN_LIMIT: usize = 20_000;
