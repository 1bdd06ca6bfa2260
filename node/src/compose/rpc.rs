//! The server that other nodes call: Raft and forwarding on one port.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpIncoming};
use tracing::error;

use super::NodeError;

/// Opens the port; nothing is answered yet.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpIncoming, NodeError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| NodeError::Rpc { address, source })?;
    Ok(TcpIncoming::from(listener).with_nodelay(Some(true)))
}

/// Answers on connections until `stop` is cancelled.
pub(super) fn serve<C>(
    incoming: impl Stream<Item = io::Result<C>> + Send + 'static,
    routes: Routes,
    tasks: &TaskTracker,
    stop: CancellationToken,
) where
    C: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
{
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
    tasks.spawn(async move {
        if let Err(error) = server.await {
            error!(%error, "the server for other nodes has ended");
        }
    });
}

/// A node that does not answer a ping for so long is cut off; it connects again.
const KEEPALIVE: Duration = Duration::from_secs(1);
