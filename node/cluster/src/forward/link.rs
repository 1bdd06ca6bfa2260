//! The task that keeps the stream to one peer: opened when there is something to send, opened again
//! after it broke, with growing pauses that end at once when the peer is said to be alive.
//!
//! What a stream had taken when it broke is lost; it counts as sent, as it does with UDP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, counter};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::generated::forward_client::ForwardClient;
use super::token::Show;
use super::wire::{Batch, Hello, Route};
use super::{ForwardOptions, Forwarded, Peer};

/// A client for one node.
pub(super) type Client = ForwardClient<InterceptedService<Channel, Show>>;

/// A datagram that waits for its peer.
pub(super) struct Queued {
    pub(super) datagram: Forwarded,
    pub(super) since: Instant,
}

/// The connection to one peer, for its stream and for questions. It connects when it is used, and
/// again when it is used after it broke.
pub(super) struct Channels {
    options: ForwardOptions,
    current: Mutex<Option<(SocketAddr, Channel)>>,
}

/// Runs the stream to one peer.
pub(super) struct Link {
    route: Route,
    options: ForwardOptions,
    queue: mpsc::Receiver<Queued>,
    peer: watch::Receiver<Peer>,
    channels: Arc<Channels>,
    stop: CancellationToken,
    /// The datagram for which the stream is opened.
    first: Option<Queued>,
    failures: u32,
    sent: Counter,
    stale: Counter,
}

/// Why a stream ended.
enum Ended {
    /// This node does not want it any more.
    Stopped,
    /// The peer's address changed.
    Moved,
    /// The peer or the network broke it.
    Broken(Status),
}

impl Channels {
    pub(super) fn new(options: ForwardOptions) -> Self {
        Self { options, current: Mutex::default() }
    }

    /// A client for the peer at `rpc`. Does not connect.
    pub(super) fn client(&self, rpc: SocketAddr) -> Client {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = match &*current {
            Some((addr, channel)) if *addr == rpc => channel.clone(),
            Some(_) | None => {
                let channel = self.channel(rpc);
                *current = Some((rpc, channel.clone()));
                channel
            }
        };
        ForwardClient::with_interceptor(channel, Show(self.options.token.clone()))
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
    }

    fn channel(&self, rpc: SocketAddr) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{rpc}"))
            .expect("a socket address makes a valid authority")
            .connect_timeout(self.options.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(self.options.keepalive)
            .keep_alive_timeout(self.options.keepalive)
            .keep_alive_while_idle(true);
        self.options.connect.channel(endpoint)
    }
}

impl Link {
    pub(super) fn new(
        route: Route,
        options: ForwardOptions,
        queue: mpsc::Receiver<Queued>,
        peer: watch::Receiver<Peer>,
        channels: Arc<Channels>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            route,
            options,
            queue,
            peer,
            channels,
            stop,
            first: None,
            failures: 0,
            sent: counter!("holdline_forward_sent_total"),
            stale: dropped("stale"),
        }
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            if self.first.is_none() {
                self.first = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    queued = self.queue.recv() => queued,
                };
                if self.first.is_none() {
                    return;
                }
            }
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                ended = self.stream() => ended,
            };
            match ended {
                Ended::Stopped => return,
                Ended::Moved => {}
                Ended::Broken(status) => self.pause_after(&status).await,
            }
        }
    }

    /// Opens a stream and sends on it until it ends.
    async fn stream(&mut self) -> Ended {
        let rpc = self.peer.borrow_and_update().rpc;
        let (batches, outgoing) = mpsc::channel(BATCHES_IN_FLIGHT);
        let mut client = self.channels.client(rpc);
        let opening = client.datagrams(ReceiverStream::new(outgoing));
        let limit = self.options.connect_timeout.saturating_mul(2);
        let mut incoming = match tokio::time::timeout(limit, opening).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return Ended::Broken(status),
            Err(_) => return Ended::Broken(Status::deadline_exceeded("the stream does not open")),
        };
        match tokio::time::timeout(limit, incoming.message()).await {
            Ok(Ok(Some(hello))) if hello.node == self.route.to => {}
            Ok(Ok(Some(hello))) => {
                let reason = format!("node {} answers there", hello.node);
                return Ended::Broken(Status::failed_precondition(reason));
            }
            Ok(Ok(None)) => {
                return Ended::Broken(Status::unavailable("the peer closed the stream"));
            }
            Ok(Err(status)) => return Ended::Broken(status),
            Err(_) => return Ended::Broken(Status::deadline_exceeded("the peer says no hello")),
        }
        info!(node = %self.route.to, %rpc, "forwarding stream open");
        counter!(STREAMS, "outcome" => "opened").increment(1);
        self.failures = 0;
        self.pump(rpc, &batches, &mut incoming).await
    }

    async fn pump(
        &mut self,
        rpc: SocketAddr,
        batches: &mpsc::Sender<Batch>,
        incoming: &mut Streaming<Hello>,
    ) -> Ended {
        tokio::select! {
            biased;
            ended = watch_stream(incoming) => ended,
            () = moved(&mut self.peer, rpc) => Ended::Moved,
            ended = send_all(
                &mut self.queue, &mut self.first, batches, self.route, &self.options,
                &self.sent, &self.stale,
            ) => ended,
        }
    }

    async fn pause_after(&mut self, status: &Status) {
        counter!(STREAMS, "outcome" => "broken").increment(1);
        let factor = 1u32 << self.failures.min(16);
        let pause = self.options.retry_pause.saturating_mul(factor);
        let pause = pause.min(self.options.retry_pause_max);
        // One line for the first failure; the repetitions are only counted.
        if self.failures == 0 {
            warn!(node = %self.route.to, reason = %status.message(), "forwarding stream broken");
        } else {
            debug!(node = %self.route.to, reason = %status.message(), ?pause, "no stream");
        }
        self.failures = self.failures.saturating_add(1);
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = said_alive(&mut self.peer) => self.failures = 0,
        }
        self.drop_stale();
    }

    /// After a pause, only what is still of use is sent.
    fn drop_stale(&mut self) {
        if self.first.as_ref().is_some_and(|queued| is_stale(queued, self.options.stale_after)) {
            self.stale.increment(1);
            self.first = None;
        }
    }
}

/// Takes what is queued, in batches, and gives it to the stream.
async fn send_all(
    queue: &mut mpsc::Receiver<Queued>,
    first: &mut Option<Queued>,
    batches: &mpsc::Sender<Batch>,
    route: Route,
    options: &ForwardOptions,
    sent: &Counter,
    stale: &Counter,
) -> Ended {
    loop {
        // Room first: what waits in the queue is still there when the stream breaks meanwhile.
        let Ok(room) = batches.reserve().await else {
            return Ended::Broken(Status::unavailable("the stream ended"));
        };
        if first.is_none() {
            *first = queue.recv().await;
        }
        let Some(mut next) = first.take() else { return Ended::Stopped };
        let mut batch = Batch { route, datagrams: Vec::new() };
        let mut bytes = 0;
        loop {
            if is_stale(&next, options.stale_after) {
                stale.increment(1);
            } else {
                bytes += next.datagram.bytes.len();
                batch.datagrams.push(next.datagram);
            }
            if batch.datagrams.len() >= BATCH_DATAGRAMS || bytes >= BATCH_BYTES {
                break;
            }
            let Ok(queued) = queue.try_recv() else { break };
            next = queued;
        }
        if !batch.datagrams.is_empty() {
            sent.increment(batch.datagrams.len() as u64);
            room.send(batch);
        }
    }
}

fn is_stale(queued: &Queued, limit: Duration) -> bool {
    queued.since.elapsed() > limit
}

/// Ends when the stream does.
async fn watch_stream(incoming: &mut Streaming<Hello>) -> Ended {
    loop {
        match incoming.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Ended::Broken(Status::unavailable("the peer closed the stream")),
            Err(status) => return Ended::Broken(status),
        }
    }
}

/// Ends when the peer is somewhere else.
async fn moved(peer: &mut watch::Receiver<Peer>, rpc: SocketAddr) {
    if peer.wait_for(|peer| peer.rpc != rpc).await.is_err() {
        // The forwarder is gone; `stop` or the closed queue end the task.
        std::future::pending::<()>().await;
    }
}

/// Ends when something was said about the peer and it is alive.
async fn said_alive(peer: &mut watch::Receiver<Peer>) {
    loop {
        if peer.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if peer.borrow_and_update().alive {
            return;
        }
    }
}

/// The counter of datagrams that were not forwarded.
pub(super) fn dropped(reason: &'static str) -> Counter {
    counter!("holdline_forward_dropped_total", "reason" => reason)
}

const STREAMS: &str = "holdline_forward_streams_total";

/// Datagrams in one batch at most.
const BATCH_DATAGRAMS: usize = 64;

/// A batch is closed when it has this many bytes; one more datagram may have carried it beyond.
const BATCH_BYTES: usize = 256 << 10;

/// Batches that the stream takes before the first of them is written.
const BATCHES_IN_FLIGHT: usize = 4;

/// Largest message that is accepted from a peer, in bytes.
pub(super) const MESSAGE_LIMIT_BYTES: usize = 4 << 20;
