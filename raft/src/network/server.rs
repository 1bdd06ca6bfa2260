//! What is answered to the other nodes.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use holdline_model::Certified;
use openraft::raft;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use crate::RaftInstance;
use crate::clock;
use crate::door::service::door_server::DoorServer;
use crate::door::{Door, Gate};
use crate::handle::RaftHandle;
use crate::leadership::Observer;
use crate::lease::{Board, Lease, grant};
use crate::membership::ready;
use crate::network::append_stream;
use crate::network::exchange;
use crate::network::peers::Peers;
use crate::network::service::raft_server::{Raft, RaftServer};
use crate::network::snapshot_stream;
use crate::network::token::{Check, ClusterToken, Spoken};
use crate::network::wire::{
    self, Append, AppendOutcome, ChangeAnswer, ChangeAsk, Envelope, LeaseAnswer, LeaseRequest,
    Probe, ProbeAnswer, Propose, ProposeAnswer, ReadIndexAnswer, SnapshotAnswer, SnapshotFrame,
    SnapshotOffer, SnapshotWanted, TransferLeader, TransferLeaderAnswer, VoteAnswer,
};
use crate::placement::Origins;
use crate::proposal::{self, Proposals};
use crate::read;
use crate::store::{SnapshotData, Snapshots};
use crate::types::{Snapshot, TypeConfig};

/// Answers the RPCs of one group.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) raft: RaftInstance,
    pub(crate) peers: Peers,
    pub(crate) observer: Observer,
    pub(crate) held: Lease,
    pub(crate) board: Board,
    pub(crate) proposals: Proposals,
    pub(crate) origins: Origins,
    pub(crate) snapshots: Snapshots,
    /// Batches of other nodes that are worked on.
    pub(crate) remote: Arc<Semaphore>,
    pub(crate) handle: RaftHandle,
    pub(crate) tasks: TaskTracker,
    /// Closed while this node may not take part.
    pub(crate) gate: Gate,
}

impl Server {
    pub(crate) fn new(
        handle: &RaftHandle,
        snapshots: Snapshots,
        origins: Origins,
        tasks: TaskTracker,
    ) -> Self {
        let shared = &handle.shared;
        Self {
            raft: shared.raft.clone(),
            peers: shared.peers.clone(),
            observer: shared.observer.clone(),
            held: shared.lease.clone(),
            board: shared.board.clone(),
            proposals: shared.proposals.clone(),
            origins,
            snapshots,
            remote: Arc::new(Semaphore::new(shared.peers.tuning().propose_remote.get())),
            handle: handle.clone(),
            tasks,
            gate: shared.gate.clone(),
        }
    }

    /// The service, behind the check of the token.
    pub(crate) fn routes(self, door: Door, token: &ClusterToken, spoken: Spoken) -> Routes {
        let limit = self.peers.tuning().message_bytes();
        let inner =
            RaftServer::new(self).max_decoding_message_size(limit).max_encoding_message_size(limit);
        let door = DoorServer::new(door).max_decoding_message_size(DOOR_BYTES);
        let check = Check::new(token, spoken);
        Routes::new(InterceptedService::new(inner, check.clone()))
            .add_service(InterceptedService::new(door, check))
    }

    fn open<T>(&self, shown: Option<Certified>, envelope: Envelope<T>) -> Result<T, Status> {
        open(&self.peers, &self.gate, shown, envelope)
    }

    /// The message of a request that is no stream.
    fn take<T>(&self, request: Request<Envelope<T>>) -> Result<T, Status> {
        let shown = certified(&request);
        self.open(shown, request.into_inner())
    }
}

impl Server {
    async fn propose(
        &self,
        shown: Option<Certified>,
        proposal: Propose,
    ) -> Result<ProposeAnswer, Status> {
        let proposal = self.open(shown, proposal)?;
        if !self.observer.leadership().is_me {
            return Ok(ProposeAnswer::NotLeader);
        }
        let Ok(_permit) = self.remote.try_acquire() else {
            metrics::counter!("holdline_propose_remote_busy_total").increment(1);
            return Ok(ProposeAnswer::Busy);
        };
        let longest = self.peers.tuning().propose_timeout;
        Ok(proposal::answer(&self.proposals, proposal, longest).await)
    }

    fn lease(
        &self,
        shown: Option<Certified>,
        request: LeaseRequest,
    ) -> Result<LeaseAnswer, Status> {
        let from = request.from;
        let ask = self.open(shown, request)?;
        let acked = self.observer.quorum_acked();
        let now = clock::now();
        // Noted before it is granted: a grant is never younger than the note of its request.
        if !self.board.heard(from, ask.applied, now) {
            return Ok(LeaseAnswer::Refused);
        }
        self.origins.told(from, ask.proposed, Duration::from_micros(ask.round_trip_us));
        let tuning = self.peers.tuning();
        let votes = self.observer.leadership().voters.contains(&from);
        let safe = votes && ready(self.observer.last_log(), ask.applied);
        Ok(grant(acked, now, tuning.election_max, tuning.lease, safe))
    }
}

/// Whom the certificate of a request's connection names, if there are certificates.
pub(crate) fn certified<T>(request: &Request<T>) -> Option<Certified> {
    request.extensions().get().copied()
}

/// Takes the message out of its envelope if it is for this node and group, and from whom it says.
pub(crate) fn open<T>(
    peers: &Peers,
    gate: &Gate,
    shown: Option<Certified>,
    envelope: Envelope<T>,
) -> Result<T, Status> {
    if let Some(node) = Certified::other_than(shown, envelope.from) {
        let from = envelope.from;
        metrics::counter!("holdline_rpc_refused_total", "reason" => "impostor").increment(1);
        tracing::warn!(%node, %from, "a node is refused: it speaks as another than its certificate");
        let text =
            format!("the message says it is node {from}'s, its certificate is node {node}'s");
        return Err(Status::permission_denied(text));
    }
    if !gate.is_open() {
        return Err(Status::unavailable("this node has no log, and was not let in yet"));
    }
    if let Some(what) = peers.misaddressed(&envelope) {
        metrics::counter!("holdline_rpc_refused_total", "reason" => what).increment(1);
        let text = format!("the message is for another {what}");
        return Err(Status::failed_precondition(text));
    }
    if peers.is_cut(envelope.from) {
        return Err(Status::unavailable("the link is cut"));
    }
    Ok(envelope.body)
}

/// The Raft of this node has stopped, and with it soon the node.
fn stopped(error: impl std::error::Error) -> Status {
    Status::unavailable(format!("the node is stopping: {error}"))
}

/// Larger than any question at the door.
const DOOR_BYTES: usize = 64 << 10;

#[tonic::async_trait]
impl Raft for Server {
    type AppendsStream = BoxStream<'static, Result<AppendOutcome, Status>>;

    async fn appends(
        &self,
        request: Request<Streaming<Append>>,
    ) -> Result<Response<Self::AppendsStream>, Status> {
        let (peers, gate, shown) = (self.peers.clone(), self.gate.clone(), certified(&request));
        let leases = peers.longest().heard(request.metadata())?;
        let open = move |append| {
            let append = open(&peers, &gate, shown, append)?;
            leases.again().map(|()| append)
        };
        Ok(Response::new(append_stream::serve(&self.raft, open, request.into_inner())))
    }

    async fn vote(&self, request: Request<wire::Vote>) -> Result<Response<VoteAnswer>, Status> {
        let vote = self.take(request)?;
        let mut answer = self.raft.vote(vote).await.map(Response::new).map_err(stopped)?;
        self.peers.longest().tell(answer.metadata_mut());
        Ok(answer)
    }

    async fn pre_vote(&self, request: Request<wire::Vote>) -> Result<Response<VoteAnswer>, Status> {
        let vote = self.take(request)?;
        self.raft.pre_vote(vote).await.map(Response::new).map_err(stopped)
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<SnapshotFrame>>,
    ) -> Result<Response<SnapshotAnswer>, Status> {
        let shown = certified(&request);
        let leases = self.peers.longest().heard(request.metadata())?;
        let mut frames = request.into_inner();
        let head = self.open(shown, snapshot_stream::head(&mut frames).await?)?;
        let file = snapshot_stream::file(&mut frames, &self.snapshots, &head).await?;
        let snapshot = Snapshot { meta: head.meta, snapshot: SnapshotData { file: Some(file) } };
        leases.again()?;
        let answer: raft::SnapshotResponse<TypeConfig> =
            self.raft.install_full_snapshot(head.vote, snapshot).await.map_err(stopped)?;
        Ok(Response::new(answer))
    }

    async fn snapshot_offer(
        &self,
        request: Request<SnapshotOffer>,
    ) -> Result<Response<SnapshotWanted>, Status> {
        let offered = self.take(request)?;
        let from = snapshot_stream::wanted(&self.snapshots, &offered).await?;
        Ok(Response::new(SnapshotWanted { from }))
    }

    async fn transfer_leader(
        &self,
        request: Request<TransferLeader>,
    ) -> Result<Response<TransferLeaderAnswer>, Status> {
        let transfer = self.take(request)?;
        self.raft.handle_transfer_leader(transfer).await.map(Response::new).map_err(stopped)
    }

    type ProposalsStream = BoxStream<'static, Result<ProposeAnswer, Status>>;

    async fn proposals(
        &self,
        request: Request<Streaming<Propose>>,
    ) -> Result<Response<Self::ProposalsStream>, Status> {
        let (this, shown) = (self.clone(), certified(&request));
        let answer = move |proposal| {
            let this = this.clone();
            async move { this.propose(shown, proposal).await }
        };
        Ok(Response::new(exchange::answers(request.into_inner(), answer)))
    }

    type LeasesStream = BoxStream<'static, Result<LeaseAnswer, Status>>;

    async fn leases(
        &self,
        request: Request<Streaming<LeaseRequest>>,
    ) -> Result<Response<Self::LeasesStream>, Status> {
        let (this, shown) = (self.clone(), certified(&request));
        let answer = move |ask| std::future::ready(this.lease(shown, ask));
        Ok(Response::new(exchange::answers(request.into_inner(), answer)))
    }

    async fn members(&self, request: Request<ChangeAsk>) -> Result<Response<ChangeAnswer>, Status> {
        let change = self.take(request)?;
        let handle = self.handle.clone();
        // It goes on if the node that asked has gone.
        let made = self.tasks.spawn(async move { handle.lead().change(change).await });
        Ok(Response::new(made.await.map_err(stopped)?))
    }

    async fn read_index(
        &self,
        request: Request<wire::ReadIndex>,
    ) -> Result<Response<ReadIndexAnswer>, Status> {
        let ask = self.take(request)?;
        let index = read::here(&self.raft, ask.on_lease).await;
        Ok(Response::new(index.map_or(ReadIndexAnswer::NotNow, ReadIndexAnswer::At)))
    }

    async fn probe(&self, request: Request<Probe>) -> Result<Response<ProbeAnswer>, Status> {
        self.take(request)?;
        Ok(Response::new(ProbeAnswer { leased: self.held.is_valid(clock::now()) }))
    }
}
