//! Connections that we open: over TCP and TLS. A WebSocket is always opened by its client (RFC 7118).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use holdline_model::{Hop, Transport};
use metrics::counter;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::{debug, warn};

use super::accept::tune;
use super::connection::{Connection, End};
use super::counters::Counters;
use super::{Inner, StreamOutcome, Tls, Unsent};

/// Begins to open a connection; `first` is sent over it.
pub(super) fn start(
    inner: &Arc<Inner>,
    hop: Hop,
    name: Option<&str>,
    identity: Option<Tls>,
    first: Bytes,
) -> StreamOutcome {
    let name = match hop.transport {
        Transport::Tcp => None,
        Transport::Tls => {
            Some((server_name(hop.peer, name), identity.unwrap_or_else(|| inner.tls.clone())))
        }
        Transport::Udp | Transport::Ws | Transport::Wss => {
            Counters::unsent("no_connection");
            return StreamOutcome::Refused;
        }
    };
    let Some((handle, mut queue)) = inner.admit(hop) else { return StreamOutcome::Refused };
    Counters::opened(hop.transport, "us");
    let outcome = inner.enqueue(&handle, first);
    let inner = Arc::clone(inner);
    let tasks = inner.tasks.clone();
    tasks.spawn(async move {
        let id = handle.id;
        let connection = inner.connection(hop, handle);
        let end = Box::pin(serve(&inner, &connection, name, &mut queue)).await;
        inner.ended(&hop, id, end);
        if matches!(end, End::Unreachable | End::Handshake) {
            give_back(&inner, hop, &mut queue);
        }
    });
    outcome
}

async fn serve(
    inner: &Inner,
    connection: &Connection,
    name: Option<(ServerName<'static>, Tls)>,
    queue: &mut mpsc::Receiver<Bytes>,
) -> End {
    let hop = connection.hop;
    let stop = &connection.handle.stop;
    let opened = tokio::select! {
        () = stop.cancelled() => return End::Unbound,
        opened = timeout(inner.options.connect_timeout, open(hop)) => opened,
    };
    let socket = match opened {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            debug!(%hop, %error, "cannot connect");
            return End::Unreachable;
        }
        Err(_) => return End::Unreachable,
    };
    tune(&socket);
    let Some((name, tls)) = name else { return connection.run_bytes(socket, queue).await };
    let Some(tls) = tls.current() else { return End::Handshake };
    let handshake = TlsConnector::from(Arc::clone(&tls.client)).connect(name, socket);
    match timeout(inner.options.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => {
            connection.handle.certify(stream.get_ref().1.peer_certificates());
            connection.run_bytes(stream, queue).await
        }
        Ok(Err(error)) => {
            counter!("holdline_tls_refused_total").increment(1);
            warn!(%hop, %error, "no TLS with a peer that we connected to");
            End::Handshake
        }
        Err(_) => End::Handshake,
    }
}

/// Connects from our listener's address, at a port of the kernel's choice.
async fn open(hop: Hop) -> std::io::Result<TcpStream> {
    let socket = match hop.peer {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(SocketAddr::new(hop.local.ip(), 0))?;
    socket.connect(hop.peer).await
}

fn give_back(inner: &Inner, hop: Hop, queue: &mut mpsc::Receiver<Bytes>) {
    queue.close();
    while let Ok(bytes) = queue.try_recv() {
        Counters::unsent("unreachable");
        // Whoever sent it finds out by its own timer if even this is full.
        let _full = inner.unsent.try_send(Unsent { hop, bytes });
    }
}

fn server_name(peer: SocketAddr, name: Option<&str>) -> ServerName<'static> {
    name.and_then(|name| ServerName::try_from(name.to_owned()).ok())
        .unwrap_or_else(|| ServerName::IpAddress(peer.ip().into()))
}
