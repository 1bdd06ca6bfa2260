//! What is answered to the other nodes.

use std::sync::Arc;

use openraft::raft;
use tokio::sync::Semaphore;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use crate::RaftInstance;
use crate::clock;
use crate::leadership::Observer;
use crate::lease::{Board, Lease, grant};
use crate::network::peers::Peers;
use crate::network::service::raft_server::{Raft, RaftServer};
use crate::network::snapshot_stream;
use crate::network::token::{Check, ClusterToken};
use crate::network::wire::{
    self, Append, AppendAnswer, Envelope, LeaseAnswer, LeaseRequest, Probe, ProbeAnswer, Propose,
    ProposeAnswer, SnapshotAnswer, SnapshotFrame, TransferLeader, TransferLeaderAnswer, VoteAnswer,
};
use crate::proposal::{self, Proposals};
use crate::store::{SnapshotData, Snapshots};
use crate::types::{Snapshot, TypeConfig};

/// Answers the RPCs of one group.
pub(crate) struct Server {
    pub(crate) raft: RaftInstance,
    pub(crate) peers: Peers,
    pub(crate) observer: Observer,
    pub(crate) lease: Lease,
    pub(crate) board: Board,
    pub(crate) proposals: Proposals,
    pub(crate) snapshots: Snapshots,
    /// Batches of other nodes that are worked on.
    pub(crate) remote: Arc<Semaphore>,
}

impl Server {
    /// The service, behind the check of the token.
    pub(crate) fn routes(self, token: &ClusterToken) -> Routes {
        let limit = self.peers.tuning().message_bytes();
        let inner =
            RaftServer::new(self).max_decoding_message_size(limit).max_encoding_message_size(limit);
        Routes::new(tonic::service::interceptor::InterceptedService::new(inner, Check::new(token)))
    }

    /// Takes the message out of its envelope if it is for this node and group.
    fn open<T>(&self, envelope: Envelope<T>) -> Result<T, Status> {
        if let Some(what) = self.peers.misaddressed(&envelope) {
            metrics::counter!("holdline_rpc_refused_total", "reason" => what).increment(1);
            let text = format!("the message is for another {what}");
            return Err(Status::failed_precondition(text));
        }
        if self.peers.is_cut(envelope.from) {
            return Err(Status::unavailable("the link is cut"));
        }
        Ok(envelope.body)
    }
}

/// The Raft of this node has stopped, and with it soon the node.
fn stopped(error: impl std::error::Error) -> Status {
    Status::unavailable(format!("the node is stopping: {error}"))
}

#[tonic::async_trait]
impl Raft for Server {
    async fn append(&self, request: Request<Append>) -> Result<Response<AppendAnswer>, Status> {
        let append = self.open(request.into_inner())?;
        self.raft.append_entries(append).await.map(Response::new).map_err(stopped)
    }

    async fn vote(&self, request: Request<wire::Vote>) -> Result<Response<VoteAnswer>, Status> {
        let vote = self.open(request.into_inner())?;
        self.raft.vote(vote).await.map(Response::new).map_err(stopped)
    }

    async fn pre_vote(&self, request: Request<wire::Vote>) -> Result<Response<VoteAnswer>, Status> {
        let vote = self.open(request.into_inner())?;
        self.raft.pre_vote(vote).await.map(Response::new).map_err(stopped)
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<SnapshotFrame>>,
    ) -> Result<Response<SnapshotAnswer>, Status> {
        let mut frames = request.into_inner();
        let head = self.open(snapshot_stream::head(&mut frames).await?)?;
        let file = snapshot_stream::file(&mut frames, &self.snapshots, head.bytes).await?;
        let snapshot = Snapshot { meta: head.meta, snapshot: SnapshotData { file: Some(file) } };
        let answer: raft::SnapshotResponse<TypeConfig> =
            self.raft.install_full_snapshot(head.vote, snapshot).await.map_err(stopped)?;
        Ok(Response::new(answer))
    }

    async fn transfer_leader(
        &self,
        request: Request<TransferLeader>,
    ) -> Result<Response<TransferLeaderAnswer>, Status> {
        let transfer = self.open(request.into_inner())?;
        self.raft.handle_transfer_leader(transfer).await.map(Response::new).map_err(stopped)
    }

    async fn propose(&self, request: Request<Propose>) -> Result<Response<ProposeAnswer>, Status> {
        let proposal = self.open(request.into_inner())?;
        if !self.observer.leadership().is_me {
            return Ok(Response::new(ProposeAnswer::NotLeader));
        }
        let Ok(_permit) = self.remote.try_acquire() else {
            metrics::counter!("holdline_propose_remote_busy_total").increment(1);
            return Ok(Response::new(ProposeAnswer::Busy));
        };
        let longest = self.peers.tuning().propose_timeout;
        Ok(Response::new(proposal::answer(&self.proposals, proposal, longest).await))
    }

    async fn lease(&self, request: Request<LeaseRequest>) -> Result<Response<LeaseAnswer>, Status> {
        let from = request.get_ref().from;
        let ask = self.open(request.into_inner())?;
        let acked = self.observer.quorum_acked();
        let now = clock::now();
        // Noted before it is granted: a grant is never younger than the note of its request.
        if !self.board.heard(from, ask.applied, now) {
            return Ok(Response::new(LeaseAnswer::Refused));
        }
        let tuning = self.peers.tuning();
        Ok(Response::new(grant(acked, now, tuning.election_max, tuning.lease)))
    }

    async fn probe(&self, request: Request<Probe>) -> Result<Response<ProbeAnswer>, Status> {
        self.open(request.into_inner())?;
        Ok(Response::new(ProbeAnswer { leased: self.lease.is_valid(clock::now()) }))
    }
}
