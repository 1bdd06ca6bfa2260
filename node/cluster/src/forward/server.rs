//! What other nodes call. To be mounted on the node's RPC server.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use holdline_model::{CallId, Certified};
use metrics::{Counter, counter};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, warn};

use super::generated::forward_server::{Forward, ForwardServer};
use super::link::{MESSAGE_LIMIT_BYTES, dropped};
use super::token::Check;
use super::wire::{Answer, Ask, Batch, HangUp, HangUpAnswer, Hello, Route};
use super::{ForwardOptions, HangUpOutcome, MAX_HOPS, Received};

/// The service to mount: `Server::builder().add_service(service)`.
pub type ForwardService = InterceptedService<ForwardServer<Inbox>, Check>;

/// What other nodes may ask of this one. Implemented by the node.
#[async_trait]
pub trait Requests: Send + Sync + 'static {
    /// Hangs up a call, if this node owns its slot.
    async fn hang_up(&self, call: CallId) -> HangUpOutcome;

    /// Answers a question of the admin API.
    ///
    /// # Errors
    /// [`Refusal`] if the question makes no sense or cannot be answered here.
    async fn answer(&self, question: Bytes) -> Result<Bytes, Refusal>;
}

/// A question was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Cause and next step, for the person who asked.
    pub reason: String,
}

/// Makes the service, and the queue on which forwarded datagrams arrive, in batches.
///
/// Streams run on `tasks` until their peer ends them or `stop` is cancelled.
#[must_use]
pub fn service(
    options: &ForwardOptions,
    requests: Arc<dyn Requests>,
    tasks: TaskTracker,
    stop: CancellationToken,
) -> (ForwardService, mpsc::Receiver<Vec<Received>>) {
    let (deliver, received) = mpsc::channel(options.inbox_batches.max(1));
    let counters = Counters {
        received: counter!("holdline_forward_received_total"),
        inbox_full: dropped("inbox_full"),
        hops: dropped("hops"),
        misdirected: counter!(REFUSED, "reason" => "misdirected"),
    };
    let own = Own { cluster: options.cluster, node: options.node };
    let inbox = Inbox { own, deliver, requests, tasks, stop, counters: Arc::new(counters) };
    let server = ForwardServer::new(inbox)
        .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
        .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
    (InterceptedService::new(server, Check(options.token.clone())), received)
}

/// Takes what other nodes send.
#[derive(Clone)]
pub struct Inbox {
    own: Own,
    deliver: mpsc::Sender<Vec<Received>>,
    requests: Arc<dyn Requests>,
    tasks: TaskTracker,
    stop: CancellationToken,
    counters: Arc<Counters>,
}

#[derive(Clone, Copy)]
struct Own {
    cluster: holdline_model::ClusterId,
    node: holdline_model::NodeId,
}

struct Counters {
    received: Counter,
    inbox_full: Counter,
    hops: Counter,
    misdirected: Counter,
}

impl Inbox {
    /// Refuses what is not for this node of this cluster, or not from whom it says.
    fn check(&self, shown: Option<Certified>, route: Route) -> Result<(), Status> {
        if let Some(node) = Certified::other_than(shown, route.from) {
            counter!(REFUSED, "reason" => "impostor").increment(1);
            warn!(%node, from = %route.from, "a node is refused: it speaks as another than its certificate");
            let text = format!(
                "this is said to be from node {}, its certificate is node {node}'s",
                route.from
            );
            return Err(Status::permission_denied(text));
        }
        if route.cluster == self.own.cluster && route.to == self.own.node {
            return Ok(());
        }
        self.counters.misdirected.increment(1);
        let Own { cluster, node } = self.own;
        Err(Status::failed_precondition(format!(
            "this is node {node} of cluster {cluster}, not node {} of cluster {}",
            route.to, route.cluster
        )))
    }

    /// Reads one stream until it ends.
    async fn read(
        self,
        shown: Option<Certified>,
        mut batches: Streaming<Batch>,
    ) -> Result<(), Status> {
        while let Some(batch) = batches.message().await? {
            self.check(shown, batch.route)?;
            self.take(batch);
        }
        Ok(())
    }

    fn take(&self, batch: Batch) {
        let from = batch.route.from;
        let total = batch.datagrams.len();
        let within = |hops: u8| (1..=MAX_HOPS).contains(&hops);
        let received: Vec<_> = batch
            .datagrams
            .into_iter()
            .filter(|datagram| within(datagram.hops))
            .map(|datagram| Received { from, datagram })
            .collect();
        self.counters.hops.increment(total.saturating_sub(received.len()) as u64);
        if received.is_empty() {
            return;
        }
        let count = received.len() as u64;
        match self.deliver.try_send(received) {
            Ok(()) => self.counters.received.increment(count),
            // Closed: the node is stopping.
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.counters.inbox_full.increment(count);
            }
        }
    }
}

#[async_trait]
impl Forward for Inbox {
    type DatagramsStream = Pin<Box<dyn Stream<Item = Result<Hello, Status>> + Send>>;

    async fn datagrams(
        &self,
        request: Request<Streaming<Batch>>,
    ) -> Result<Response<Self::DatagramsStream>, Status> {
        let shown = certified(&request);
        let batches = request.into_inner();
        let (end, ended) = mpsc::channel(1);
        let inbox = self.clone();
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let outcome = tokio::select! {
                outcome = inbox.read(shown, batches) => outcome,
                () = stop.cancelled() => Err(Status::unavailable("the node is stopping")),
            };
            if let Err(status) = outcome {
                debug!(reason = status.message(), "incoming forwarding stream ended");
                // The peer may be gone; then nobody is there to be told.
                let _peer_is_gone = end.send(Err(status)).await;
            }
        });
        let hello = Hello { node: self.own.node };
        let answer = stream::once(async move { Ok(hello) }).chain(ReceiverStream::new(ended));
        Ok(Response::new(Box::pin(answer)))
    }

    async fn hang_up(&self, request: Request<HangUp>) -> Result<Response<HangUpAnswer>, Status> {
        let shown = certified(&request);
        let HangUp { route, call } = request.into_inner();
        self.check(shown, route)?;
        let outcome = self.requests.hang_up(call).await;
        Ok(Response::new(HangUpAnswer { outcome }))
    }

    async fn ask(&self, request: Request<Ask>) -> Result<Response<Answer>, Status> {
        let shown = certified(&request);
        let Ask { route, question } = request.into_inner();
        self.check(shown, route)?;
        match self.requests.answer(question).await {
            Ok(answer) => Ok(Response::new(Answer { answer })),
            Err(refusal) => Err(Status::failed_precondition(refusal.reason)),
        }
    }
}

/// Whom the certificate of a request's connection names, if there are certificates.
fn certified<T>(request: &Request<T>) -> Option<Certified> {
    request.extensions().get().copied()
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("node", &self.own.node).finish_non_exhaustive()
    }
}

pub(super) const REFUSED: &str = "holdline_forward_refused_total";
