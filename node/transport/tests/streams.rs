//! Connections on real sockets: one suite for every transport, and what only some of them have.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use holdline_model::{Hop, Transport};
use holdline_transport::{
    ClientCertificates, StreamEvents, StreamOptions, StreamOutcome, Streams, Tls, TlsFiles,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const LIMIT: Duration = Duration::from_secs(10);
const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const OPTIONS: &str = "OPTIONS sip:a@h SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\nbody";
const OK: &str = "SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// The far end of a connection.
enum Client {
    Bytes(Box<dyn Wire>),
    WebSocket(Box<WebSocketStream<Box<dyn Wire>>>),
}

impl Client {
    async fn connect(transport: Transport, to: SocketAddr, folder: &Path) -> Self {
        let socket = TcpStream::connect(to).await.unwrap();
        let wire: Box<dyn Wire> = if transport.is_secure() {
            let name = ServerName::IpAddress(to.ip().into());
            let connector = TlsConnector::from(Arc::new(client_config(folder)));
            Box::new(connector.connect(name, socket).await.unwrap())
        } else {
            Box::new(socket)
        };
        if matches!(transport, Transport::Tcp | Transport::Tls) {
            return Self::Bytes(wire);
        }
        let mut request = format!("ws://{to}/").into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
        let (socket, answer) = tokio_tungstenite::client_async(request, wire).await.unwrap();
        assert_eq!(answer.headers().get("Sec-WebSocket-Protocol").unwrap(), "sip");
        Self::WebSocket(Box::new(socket))
    }

    async fn send(&mut self, text: &str) {
        match self {
            Self::Bytes(wire) => {
                wire.write_all(text.as_bytes()).await.unwrap();
                wire.flush().await.unwrap();
            }
            Self::WebSocket(socket) => socket.send(Message::text(text)).await.unwrap(),
        }
    }

    /// Reads as many bytes as `expected` has.
    async fn expect(&mut self, expected: &str) {
        match self {
            Self::Bytes(wire) => {
                let mut found = vec![0; expected.len()];
                timeout(LIMIT, wire.read_exact(&mut found)).await.unwrap().unwrap();
                assert_eq!(String::from_utf8(found).unwrap(), expected);
            }
            Self::WebSocket(socket) => {
                let found = timeout(LIMIT, socket.next()).await.unwrap().unwrap().unwrap();
                assert_eq!(found.into_text().unwrap().as_str(), expected);
            }
        }
    }

    /// Waits until the other side has closed.
    async fn expect_end(&mut self) {
        match self {
            Self::Bytes(wire) => {
                let mut rest = Vec::new();
                let _reset = timeout(LIMIT, wire.read_to_end(&mut rest)).await.unwrap();
            }
            Self::WebSocket(socket) => {
                while let Some(Ok(_)) = timeout(LIMIT, socket.next()).await.unwrap() {}
            }
        }
    }
}

fn client_config(folder: &Path) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Writes a certificate of its own for 127.0.0.1, valid until the given year.
fn write_certificate(folder: &Path, until: i32) {
    write_certificate_for(folder, until, Vec::new());
}

/// The same, with other names, too.
fn write_certificate_for(folder: &Path, until: i32, names: Vec<rcgen::SanType>) {
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let mut leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    leaf.not_after = rcgen::date_time_ymd(until, 1, 1);
    leaf.subject_alt_names.extend(names);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("certificate.pem"), leaf.pem()).unwrap();
}

struct Bench {
    streams: Streams,
    events: StreamEvents,
    folder: tempfile::TempDir,
    files: TlsFiles,
    stop: CancellationToken,
}

impl Bench {
    fn new(options: StreamOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_certificate(folder.path(), 2040);
        let path = |name: &str| folder.path().join(name);
        let files = TlsFiles {
            certificate: path("certificate.pem"),
            key: path("key.pem"),
            ca: Some(path("ca.pem")),
            clients: ClientCertificates::Ignored,
        };
        let tls = Tls::default();
        tls.load(&files).unwrap();
        let stop = CancellationToken::new();
        let (streams, events) = Streams::new(options, tls, TaskTracker::new(), stop.clone());
        Self { streams, events, folder, files, stop }
    }

    async fn packet(&mut self) -> (Hop, String) {
        let packet = timeout(LIMIT, self.events.packets.recv()).await.unwrap().unwrap();
        (packet.hop, String::from_utf8(packet.bytes.to_vec()).unwrap())
    }

    async fn until_connections(&self, wanted: usize) {
        let reached = async {
            while self.streams.connections().iter().sum::<usize>() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, reached).await.unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn suite(transport: Transport) {
    let mut bench = Bench::new(StreamOptions::default());
    let local = bench.streams.listen(transport, HERE).unwrap();
    let mut client = Client::connect(transport, local, bench.folder.path()).await;
    client.send(OPTIONS).await;
    let (hop, text) = bench.packet().await;
    assert_eq!((hop.transport, hop.local, text.as_str()), (transport, local, OPTIONS));
    assert_eq!(bench.streams.send(hop, Bytes::from_static(OK.as_bytes())), StreamOutcome::Queued);
    client.expect(OK).await;
    client.send("\r\n\r\n").await;
    client.expect("\r\n").await;
    client.send(OPTIONS).await;
    assert_eq!(bench.packet().await.0, hop, "the same connection");
    let stranger = hop.to("127.0.0.1:1".parse().unwrap());
    assert_eq!(bench.streams.send(stranger, Bytes::new()), StreamOutcome::NoConnection);
    assert!(bench.streams.close(transport, local));
    client.expect_end().await;
    bench.until_connections(0).await;
    assert_eq!(bench.streams.send(hop, Bytes::new()), StreamOutcome::NoConnection);
    assert!(TcpStream::connect(local).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn messages_keepalives_and_closing_over_tcp() {
    suite(Transport::Tcp).await;
}

#[tokio::test]
async fn messages_keepalives_and_closing_over_tls() {
    suite(Transport::Tls).await;
}

#[tokio::test]
async fn messages_keepalives_and_closing_over_web_sockets() {
    suite(Transport::Ws).await;
}

#[tokio::test]
async fn messages_keepalives_and_closing_over_encrypted_web_sockets() {
    suite(Transport::Wss).await;
}

#[tokio::test]
async fn a_connection_is_opened_once_and_used_for_both_directions() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut far = Bench::new(StreamOptions::default());
        let mut near = Bench::new(StreamOptions::default());
        near.streams.tls().load(&far.files).unwrap();
        let peer = far.streams.listen(transport, HERE).unwrap();
        let local = near.streams.listen(transport, HERE).unwrap();
        let hop = Hop { transport, local, peer };
        for _ in 0..2 {
            let outcome = near.streams.dial(hop, None, Bytes::from_static(OPTIONS.as_bytes()));
            assert_eq!(outcome, StreamOutcome::Queued);
        }
        let (back, _) = far.packet().await;
        assert_eq!(far.packet().await.0, back);
        assert_eq!(back.peer.ip(), local.ip(), "it comes from our address");
        far.streams.send(back, Bytes::from_static(OK.as_bytes()));
        assert_eq!(near.packet().await, (hop, OK.to_owned()));
        far.until_connections(1).await;
    }
}

#[tokio::test]
async fn what_cannot_be_sent_comes_back() {
    let mut bench = Bench::new(StreamOptions::default());
    let nobody = TcpListener::bind(HERE).await.unwrap().local_addr().unwrap();
    let local = bench.streams.listen(Transport::Tcp, HERE).unwrap();
    let hop = Hop { transport: Transport::Tcp, local, peer: nobody };
    bench.streams.dial(hop, None, Bytes::from_static(b"lost"));
    let unsent = timeout(LIMIT, bench.events.unsent.recv()).await.unwrap().unwrap();
    assert_eq!((unsent.hop, unsent.bytes.as_ref()), (hop, b"lost".as_slice()));
    bench.until_connections(0).await;
    let web_socket = Hop { transport: Transport::Ws, ..hop };
    let outcome = bench.streams.dial(web_socket, None, Bytes::new());
    assert_eq!(outcome, StreamOutcome::Refused, "only clients open those");
}

#[tokio::test]
async fn a_peer_whose_certificate_is_not_trusted_is_not_spoken_to() {
    let far = Bench::new(StreamOptions::default());
    let mut near = Bench::new(StreamOptions::default());
    let peer = far.streams.listen(Transport::Tls, HERE).unwrap();
    let local = near.streams.listen(Transport::Tls, HERE).unwrap();
    let hop = Hop { transport: Transport::Tls, local, peer };
    near.streams.dial(hop, None, Bytes::from_static(b"secret"));
    let unsent = timeout(LIMIT, near.events.unsent.recv()).await.unwrap().unwrap();
    assert_eq!(unsent.bytes.as_ref(), b"secret");
}

#[tokio::test]
async fn a_peer_has_to_prove_the_sip_domain_that_was_meant() {
    let uri = rcgen::SanType::URI("sip:carrier.test".try_into().unwrap());
    let dns = rcgen::SanType::DnsName("other.test".try_into().unwrap());
    // Of two kinds of names the URIs count alone (RFC 5922 section 7.1).
    for (names, good, bad) in [
        (vec![uri, dns.clone()], "carrier.test", "other.test"),
        (vec![dns], "other.test", "carrier.test"),
    ] {
        let mut far = Bench::new(StreamOptions::default());
        write_certificate_for(far.folder.path(), 2040, names);
        far.streams.tls().load(&far.files).unwrap();
        let mut near = Bench::new(StreamOptions::default());
        near.streams.tls().load(&far.files).unwrap();
        let peer = far.streams.listen(Transport::Tls, HERE).unwrap();
        let local = near.streams.listen(Transport::Tls, HERE).unwrap();
        let hop = Hop { transport: Transport::Tls, local, peer };
        near.streams.dial(hop, Some(bad), Bytes::from_static(b"secret"));
        let unsent = timeout(LIMIT, near.events.unsent.recv()).await.unwrap().unwrap();
        assert_eq!(unsent.bytes.as_ref(), b"secret", "{bad}");
        near.until_connections(0).await;
        near.streams.dial(hop, Some(good), Bytes::from_static(OPTIONS.as_bytes()));
        assert_eq!(far.packet().await.1, OPTIONS);
    }
}

#[tokio::test]
async fn a_trunk_is_shown_a_certificate_of_its_own() {
    let far = Bench::new(StreamOptions::default());
    let mut near = Bench::new(StreamOptions::default());
    let peer = far.streams.listen(Transport::Tls, HERE).unwrap();
    let local = near.streams.listen(Transport::Tls, HERE).unwrap();
    // The far end wants certificates of its own authority, and only the trunk's is.
    let files = TlsFiles { clients: ClientCertificates::Required, ..far.files.clone() };
    far.streams.tls().load(&files).unwrap();
    let identity = Tls::for_trunk("carrier");
    identity.load(&far.files).unwrap();
    assert_eq!(identity.facts()[0].names, ["127.0.0.1"]);
    let mut far = far;
    let hop = Hop { transport: Transport::Tls, local, peer };
    let message = Bytes::from_static(OPTIONS.as_bytes());
    near.streams.dial_as(hop, None, Some(identity), message);
    let (came_over, packet) = far.packet().await;
    assert_eq!(packet, OPTIONS);
    assert!(near.events.unsent.try_recv().is_err());
    for (side, hop) in [(&near, hop), (&far, came_over)] {
        let identities = side.streams.identities(&hop);
        assert_eq!(
            identities.as_deref(),
            Some(&["127.0.0.1".to_owned()][..]),
            "each knows the other"
        );
    }
}

#[tokio::test]
async fn a_client_that_shows_no_certificate_is_nobody() {
    let mut bench = Bench::new(StreamOptions::default());
    let files = TlsFiles { clients: ClientCertificates::Asked, ..bench.files.clone() };
    bench.streams.tls().load(&files).unwrap();
    let local = bench.streams.listen(Transport::Tls, HERE).unwrap();
    let mut client = Client::connect(Transport::Tls, local, bench.folder.path()).await;
    client.send(OPTIONS).await;
    let (hop, _) = bench.packet().await;
    assert_eq!(bench.streams.identities(&hop), None);
}

#[tokio::test]
async fn the_only_connection_from_a_host_is_found_and_of_two_none() {
    let mut bench = Bench::new(StreamOptions::default());
    let local = bench.streams.listen(Transport::Tcp, HERE).unwrap();
    let gone = Hop { transport: Transport::Tcp, local, peer: "127.0.0.1:1".parse().unwrap() };
    assert_eq!(bench.streams.only_one_from(gone), None);
    let mut one = Client::connect(Transport::Tcp, local, bench.folder.path()).await;
    one.send(OPTIONS).await;
    let (hop, _) = bench.packet().await;
    assert_eq!(bench.streams.only_one_from(gone), Some(hop));
    let _two = Client::connect(Transport::Tcp, local, bench.folder.path()).await;
    bench.until_connections(2).await;
    assert_eq!(bench.streams.only_one_from(gone), None);
}

#[tokio::test]
async fn clients_without_a_certificate_are_refused_if_one_is_required() {
    let bench = Bench::new(StreamOptions::default());
    let files = TlsFiles { clients: ClientCertificates::Required, ..bench.files.clone() };
    bench.streams.tls().load(&files).unwrap();
    let local = bench.streams.listen(Transport::Tls, HERE).unwrap();
    let socket = TcpStream::connect(local).await.unwrap();
    let connector = TlsConnector::from(Arc::new(client_config(bench.folder.path())));
    // With TLS 1.3 the client learns of the refusal when it reads.
    let connected = connector.connect(ServerName::IpAddress(local.ip().into()), socket).await;
    if let Ok(mut stream) = connected {
        let mut rest = Vec::new();
        assert!(timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_certificate_is_read_again_and_open_connections_stay() {
    let mut bench = Bench::new(StreamOptions::default());
    let local = bench.streams.listen(Transport::Tls, HERE).unwrap();
    let every = Duration::from_millis(20);
    let follow = bench.streams.tls().clone().follow(bench.files.clone(), every, bench.stop.clone());
    TaskTracker::new().spawn(follow);
    let mut old = Client::connect(Transport::Tls, local, bench.folder.path()).await;
    let before = bench.streams.tls().not_after().unwrap();
    tokio::time::sleep(every).await;
    write_certificate(bench.folder.path(), 2050);
    let read = async {
        while bench.streams.tls().not_after() == Some(before) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, read).await.unwrap();
    let mut new = Client::connect(Transport::Tls, local, bench.folder.path()).await;
    for client in [&mut old, &mut new] {
        client.send(OPTIONS).await;
        assert_eq!(bench.packet().await.1, OPTIONS);
    }
}

#[tokio::test]
async fn idle_stalled_and_wrong_peers_are_closed() {
    let options = StreamOptions {
        idle_timeout: Duration::from_millis(150),
        message_timeout: Duration::from_millis(100),
        handshake_timeout: Duration::from_millis(100),
        ..StreamOptions::default()
    };
    let bench = Bench::new(options);
    let tcp = bench.streams.listen(Transport::Tcp, HERE).unwrap();
    let tls = bench.streams.listen(Transport::Tls, HERE).unwrap();
    for (to, text) in
        [(tcp, ""), (tcp, "OPTIONS sip:a SIP/2.0\r\n"), (tcp, "GET / HTTP/1.1\r\n"), (tls, "")]
    {
        let mut client = Client::Bytes(Box::new(TcpStream::connect(to).await.unwrap()));
        client.send(text).await;
        client.expect_end().await;
    }
    bench.until_connections(0).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_and_holds_no_memory() {
    let options = StreamOptions {
        write_timeout: Duration::from_millis(200),
        write_queue_bytes: 64 << 10,
        ..StreamOptions::default()
    };
    let mut bench = Bench::new(options);
    let local = bench.streams.listen(Transport::Tcp, HERE).unwrap();
    let mut client = Client::connect(Transport::Tcp, local, bench.folder.path()).await;
    client.send(OPTIONS).await;
    let (hop, _) = bench.packet().await;
    let large = Bytes::from(vec![b'x'; 32 << 10]);
    let cut = async {
        while bench.streams.send(hop, large.clone()) == StreamOutcome::Queued {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, cut).await.unwrap();
    bench.until_connections(0).await;
}

#[tokio::test]
async fn connections_are_limited_in_total_and_by_source() {
    let options = StreamOptions {
        max_connections: 3,
        max_connections_per_source: 2,
        ..StreamOptions::default()
    };
    let bench = Bench::new(options);
    let local = bench.streams.listen(Transport::Tcp, HERE).unwrap();
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(TcpStream::connect(local).await.unwrap());
    }
    bench.until_connections(2).await;
    let mut refused = Client::Bytes(Box::new(TcpStream::connect(local).await.unwrap()));
    refused.expect_end().await;
    assert_eq!(bench.streams.connections()[1], 2);
    kept.pop();
    bench.until_connections(1).await;
    kept.push(TcpStream::connect(local).await.unwrap());
    bench.until_connections(2).await;
}
