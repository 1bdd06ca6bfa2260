//! What openraft sends to the other nodes.
//!
//! Time limits come from openraft's `RPCOption`, except for appends with entries: openraft would
//! give them three quarters of a heartbeat, less than one slow sync of the follower's disk, and send
//! everything again. They get `append_timeout`.

use std::future::Future;
use std::iter;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{BoxStream, Stream};
use holdline_model::NodeId;
use openraft::entry::RaftEntry;
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{Backoff, RPCOption, stream_append_sequential};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError,
    StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use tonic::{Code, Response, Status};

use crate::clock;
use crate::network::append_stream;
use crate::network::exchange::Pool;
use crate::network::peers::{Client, Lane, Peers};
use crate::network::snapshot_stream;
use crate::network::wire::{Append, AppendOutcome};
use crate::store::{SnapshotData, Snapshots};
use crate::types::{Member, Snapshot, TypeConfig, Vote};

/// The answers to a stream of appends.
type Answers<'s> = BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>>;

/// Makes clients for openraft.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    peers: Peers,
    snapshots: Snapshots,
}

impl Network {
    pub(crate) fn new(peers: Peers, snapshots: Snapshots) -> Self {
        Self { peers, snapshots }
    }

    fn link(&self, target: NodeId, member: &Member, lane: Lane) -> Link {
        let (peers, snapshots) = (self.peers.clone(), self.snapshots.clone());
        Link {
            peers,
            snapshots,
            target,
            address: member.rpc,
            lane,
            single: Pool::new(),
            failed_at: None,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Link {
        self.link(target, node, Lane::Log)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &Member) -> Link {
        self.link(target, node, Lane::Pulse)
    }

    async fn new_snapshot_client(&mut self, target: NodeId, node: &Member) -> Link {
        self.link(target, node, Lane::Bulk)
    }
}

/// A client for one node, for one purpose.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) peers: Peers,
    snapshots: Snapshots,
    pub(super) target: NodeId,
    address: SocketAddr,
    lane: Lane,
    /// For single appends: heartbeats.
    single: Pool<Append, AppendOutcome>,
    /// When the last stream of appends could not be opened; `None` if it could.
    pub(super) failed_at: Option<Instant>,
}

impl Link {
    pub(super) fn client(&self) -> Client {
        self.peers.client(self.address, self.lane)
    }

    /// Waits if a stream could not be opened a moment ago.
    pub(super) async fn rest_after_failure(&self) {
        let Some(failed_at) = self.failed_at else { return };
        let since = clock::now().saturating_duration_since(failed_at);
        tokio::time::sleep(self.peers.tuning().reconnect.saturating_sub(since)).await;
    }

    /// Waits for an answer, but not longer than `limit`.
    async fn within<T>(
        &self,
        action: RPCTypes,
        limit: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, RPCError<TypeConfig>> {
        if self.peers.is_cut(self.target) {
            return Err(RPCError::Unreachable(Unreachable::from_string("the link is cut")));
        }
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failure(&status)),
            Err(_) => Err(RPCError::Timeout(Timeout {
                action,
                id: self.peers.node(),
                target: self.target,
                timeout: limit,
            })),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Link {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let limit = match rpc.entries.is_empty() {
            true => option.soft_ttl(),
            false => option.soft_ttl().max(self.peers.tuning().append_timeout),
        };
        let last = rpc.entries.last().map_or(rpc.prev_log_id, |entry| Some(entry.log_id()));
        let message = self.peers.envelope(self.target, rpc);
        let mut client = self.client();
        let asked = async {
            let open = |asked| async move { client.appends(asked).await };
            self.single.ask(message, open).await.map(Response::new)
        };
        Ok(match self.within(RPCTypes::AppendEntries, limit, asked).await? {
            Ok(matching) if matching == last => AppendEntriesResponse::Success,
            Ok(matching) => AppendEntriesResponse::PartialSuccess(matching),
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<Answers<'s>, RPCError<TypeConfig>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        match self.lane {
            Lane::Log => append_stream::open(self, input),
            // A heartbeat is one message, and must not wait behind a large append.
            Lane::Pulse | Lane::Bulk => stream_append_sequential(self, input, option),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = self.peers.envelope(self.target, rpc);
        let mut client = self.client();
        let voted = async {
            let answer = client.vote(message).await?;
            // Before the vote counts.
            self.peers.longest().heard(answer.metadata())?;
            Ok(answer)
        };
        self.within(RPCTypes::Vote, option.soft_ttl(), voted).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = self.peers.envelope(self.target, rpc);
        let mut client = self.client();
        self.within(RPCTypes::Vote, option.soft_ttl(), client.pre_vote(message)).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let mut client = self.client();
        let sent = async {
            let offer = self.peers.envelope(self.target, snapshot_stream::offer(&snapshot));
            let asked = client.snapshot_offer(offer);
            let limit = option.soft_ttl();
            let wanted = self.within(RPCTypes::InstallSnapshot, limit, asked).await?;
            let (to, snapshots) = (self.target, &self.snapshots);
            let frames =
                snapshot_stream::frames(&self.peers, snapshots, to, vote, snapshot, wanted.from);
            self.within(RPCTypes::InstallSnapshot, limit, client.snapshot(frames)).await
        };
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = sent => answer.map_err(StreamingError::from),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = self.peers.envelope(self.target, rpc);
        let mut client = self.client();
        self.within(RPCTypes::TransferLeader, option.soft_ttl(), client.transfer_leader(message))
            .await
    }

    /// A node that comes back is replicated to at once; one that stays away costs a refused
    /// connection now and then.
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(iter::repeat(self.peers.tuning().reconnect)))
    }
}

/// A node that refuses or cannot be reached is left alone for a moment; anything else may be
/// tried again at once.
pub(super) fn failure(status: &Status) -> RPCError<TypeConfig> {
    let lasting = matches!(
        status.code(),
        Code::Unavailable
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::InvalidArgument
    );
    if lasting {
        RPCError::Unreachable(Unreachable::new(status))
    } else {
        RPCError::Network(NetworkError::new(status))
    }
}
