//! Connections that peers open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdline_model::{Hop, Transport};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Inner;
use super::connection::{Connection, End};
use super::counters::Counters;

/// Opens a listener. It shares its address: a survivor on the same host can bind the address of a
/// process that still exists but is paused.
pub(super) fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until `stop`.
pub(super) async fn run(
    inner: Arc<Inner>,
    transport: Transport,
    local: SocketAddr,
    listener: TcpListener,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                start(&inner, Hop { transport, local, peer }, socket);
            }
            Err(error) => {
                Counters::refused("accept");
                warn!(%local, %error, "cannot accept a connection; trying again");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

fn start(inner: &Arc<Inner>, hop: Hop, socket: TcpStream) {
    // Without room the socket is dropped, which closes it.
    let Some((handle, mut queue)) = inner.admit(hop) else { return };
    Counters::opened(hop.transport, "peer");
    tune(&socket);
    let inner = Arc::clone(inner);
    let tasks = inner.tasks.clone();
    tasks.spawn(async move {
        let id = handle.id;
        let connection = inner.connection(hop, handle);
        let end = Box::pin(serve(&inner, &connection, socket, &mut queue)).await;
        inner.ended(&hop, id, end);
    });
}

async fn serve(
    inner: &Inner,
    connection: &Connection,
    socket: TcpStream,
    queue: &mut tokio::sync::mpsc::Receiver<bytes::Bytes>,
) -> End {
    let limit = inner.options.handshake_timeout;
    match connection.hop.transport {
        Transport::Udp | Transport::Tcp => connection.run_bytes(socket, queue).await,
        Transport::Tls => match timeout(limit, encrypted(inner, connection, socket)).await {
            Ok(Some(stream)) => connection.run_bytes(stream, queue).await,
            Ok(None) | Err(_) => End::Handshake,
        },
        Transport::Ws => match timeout(limit, web_socket(socket)).await {
            Ok(Some(stream)) => connection.run_web_socket(stream, queue).await,
            Ok(None) | Err(_) => End::Handshake,
        },
        Transport::Wss => {
            let handshakes =
                async { web_socket(encrypted(inner, connection, socket).await?).await };
            match timeout(limit, handshakes).await {
                Ok(Some(stream)) => connection.run_web_socket(stream, queue).await,
                Ok(None) | Err(_) => End::Handshake,
            }
        }
    }
}

async fn encrypted(
    inner: &Inner,
    connection: &Connection,
    socket: TcpStream,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let tls = inner.tls.current()?;
    let stream = TlsAcceptor::from(Arc::clone(&tls.server)).accept(socket).await.ok()?;
    connection.handle.certify(stream.get_ref().1.peer_certificates());
    Some(stream)
}

/// The WebSocket handshake: the client has to ask for the subprotocol `sip` (RFC 7118 section 4).
async fn web_socket<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Option<WebSocketStream<S>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(WS_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WS_MAX_WRITE_BYTES)
        .max_message_size(Some(holdline_sip::message::limits::MAX_MESSAGE_BYTES))
        .max_frame_size(Some(holdline_sip::message::limits::MAX_MESSAGE_BYTES));
    tokio_tungstenite::accept_hdr_async_with_config(stream, choose_sip, Some(config)).await.ok()
}

#[allow(clippy::result_large_err, reason = "the callback's signature is the library's")]
fn choose_sip(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all(PROTOCOL);
    let has_sip = offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("sip"));
    if has_sip {
        response.headers_mut().insert(PROTOCOL, HeaderValue::from_static("sip"));
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some("the subprotocol sip is needed\n".to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}

/// Small messages go at once, and a peer that vanished is found out before the idle time is over.
pub(super) fn tune(socket: &TcpStream) {
    // Neither can fail on a live socket; on a dead one the first read says so.
    let _without = socket.set_nodelay(true);
    let probe = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
    let _without = SockRef::from(socket).set_tcp_keepalive(&probe);
}

const PROTOCOL: &str = "sec-websocket-protocol";

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Keeps a host without file descriptors from using a whole core.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// The library would keep 128 KiB for each connection.
const WS_BUFFER_BYTES: usize = 4_096;
const WS_MAX_WRITE_BYTES: usize = 256 << 10;
