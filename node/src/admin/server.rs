//! The HTTP/1.1 server of the admin API: bounded connections, bounded time for a request's head,
//! tasks under the node's tracker, a graceful end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::metered::Peer;
use super::{AdminLimits, AdminOptions, router};

/// The admin API, listening.
#[derive(Debug)]
pub struct AdminServer {
    address: SocketAddr,
}

/// The admin API cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum AdminServerError {
    /// The address is in use, or not this host's.
    #[error("admin.listen: cannot listen on {address}: {source}; {}", next_step(.source))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It would be open to the network.
    #[error(
        "admin.listen: {address} is not a loopback address and there is no token; set \
         admin.token_file, or listen on 127.0.0.1"
    )]
    TokenNeeded {
        /// Where.
        address: SocketAddr,
    },
}

impl AdminServer {
    /// Starts to listen and to answer. Ends when `stop` is cancelled: requests being answered are
    /// answered, for at most [`AdminLimits::request_timeout`].
    ///
    /// # Errors
    /// The address cannot be listened on, or needs a token.
    pub async fn start(
        listen: SocketAddr,
        options: AdminOptions,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, AdminServerError> {
        if options.token.is_none() && !listen.ip().to_canonical().is_loopback() {
            return Err(AdminServerError::TokenNeeded { address: listen });
        }
        let failed = |source| AdminServerError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let limits = options.limits;
        let router = router(options);
        tasks.spawn(accept(listener, router, limits, tasks.clone(), stop));
        tracing::info!(%address, "the admin API listens");
        Ok(Self { address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    limits: AdminLimits,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Some((Ok((stream, peer)), permit)) => {
                let (router, stop) = (router.clone(), stop.clone());
                tasks.spawn(async move {
                    serve(stream, Peer(peer.ip()), router, limits, stop).await;
                    drop(permit);
                });
            }
            Some((Err(error), _)) => {
                // Out of file descriptors, or a client that is gone already: both pass.
                tracing::warn!(%error, "the admin API cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None => return,
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    limits: AdminLimits,
    stop: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.request_timeout, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the admin API ended early");
    }
}

fn next_step(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another process listens there (see: ss -ltnp): end it, or give another port"
        }
        std::io::ErrorKind::AddrNotAvailable => "give an address that this host has (see: ip addr)",
        std::io::ErrorKind::PermissionDenied => "give a port above 1023",
        _ => "give another address",
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A request's head, in bytes.
const HEAD_BYTES: usize = 32 << 10;
