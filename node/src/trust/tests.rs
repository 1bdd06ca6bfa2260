//! Connections on real sockets: who gets one, whom it is from, and when it ends.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use holdline_model::{ClusterId, Millis, Name, NodeId, NodeRole, Roster, RosterEntry, Standing};
use holdline_transport::{ClientCertificates, Tls, TlsFiles};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tonic::codegen::http::Uri;
use tonic::transport::server::{Connected, TcpIncoming};

use super::authority::Authority;
use super::guarded::Guarded;
use super::{Trust, secure};

const CLUSTER: ClusterId = ClusterId(7);

/// A folder with an authority for this cluster, which has issued for nodes 1 and 2.
fn certificates(cluster: ClusterId) -> TempDir {
    let folder = TempDir::new().unwrap();
    let now = OffsetDateTime::now_utc();
    let authority = Authority::init(folder.path(), "test", cluster, now).unwrap();
    for node in [1, 2] {
        authority.issue(NodeId(node), 1, now).unwrap();
    }
    folder
}

fn files(folder: &Path, ca: &Path, node: u64) -> TlsFiles {
    TlsFiles {
        certificate: folder.join(format!("node-{node}.pem")),
        key: folder.join(format!("node-{node}.key")),
        ca: Some(ca.join("ca.pem")),
        clients: ClientCertificates::Required,
    }
}

/// What node `node` with a certificate from `folder` trusts, if it trusts the authority of `ca`.
fn trust(folder: &Path, ca: &Path, node: u64) -> Trust {
    let trust = Trust::new(CLUSTER, Tls::told_as("holdline_test_expiry_seconds"));
    trust.tls.load(&files(folder, ca, node)).unwrap();
    trust
}

type Accepted = Guarded<TlsStream<TcpStream>>;

/// Node 1 listens; what it accepts comes from the stream.
async fn listening(
    trust: Trust,
) -> (SocketAddr, Pin<Box<dyn Stream<Item = std::io::Result<Accepted>> + Send>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = secure(TcpIncoming::from(listener), trust, |it| it.peer_addr().ok());
    (address, Box::pin(accepted))
}

fn uri(address: SocketAddr) -> Uri {
    format!("http://{address}").parse().unwrap()
}

/// The next connection that is accepted; `None` if there is none in time.
async fn next(
    accepted: &mut Pin<Box<dyn Stream<Item = std::io::Result<Accepted>> + Send>>,
) -> Option<Accepted> {
    let within = tokio::time::timeout(Duration::from_millis(500), accepted.next()).await;
    within.ok().flatten().map(|it| it.unwrap())
}

#[tokio::test]
async fn both_sides_know_the_other_by_its_certificate_until_it_is_removed() {
    let folder = certificates(CLUSTER);
    let [one, two] = [1, 2].map(|node| trust(folder.path(), folder.path(), node));
    let book = one.book.clone();
    let (address, mut accepted) = listening(one).await;
    let uri = uri(address);
    let (dialled, met) = tokio::join!(two.dial(&uri), next(&mut accepted));
    let (mut dialled, mut met) = (dialled.unwrap(), met.unwrap());
    assert_eq!(met.connect_info().0, NodeId(2));
    assert_eq!(dialled.connect_info().0, NodeId(1));
    let mut read = [0; 5];
    dialled.write_all(b"hello").await.unwrap();
    dialled.flush().await.unwrap();
    met.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"hello");
    book.follow_roster(&removed(2), Millis(20_000));
    dialled.write_all(b"again").await.unwrap();
    dialled.flush().await.unwrap();
    let error = met.read_exact(&mut read).await.unwrap_err();
    assert!(error.to_string().contains("node 2 was removed"), "{error}");
    // Nor does it get another connection, and a program that has just been started hears why.
    let again = trust(folder.path(), folder.path(), 2);
    let hears = async {
        let mut dialled = again.dial(&uri).await.unwrap();
        let _refused = dialled.read(&mut read).await.unwrap_err();
        again.book.told().await
    };
    let (told, met) = tokio::join!(hears, next(&mut accepted));
    assert!(met.is_none());
    assert_eq!(told, NodeId(1));
}

fn removed(node: u64) -> Roster {
    let entry = RosterEntry {
        node: NodeId(node),
        standing: Standing::Removed,
        rpc: ([127, 0, 0, 1], 7060).into(),
        pop: Name::from("a"),
        role: NodeRole::Full,
        nonce: 1,
        held: false,
        at: Millis(0),
    };
    Roster { highest: NodeId(node), entries: vec![entry] }
}

#[tokio::test]
async fn strangers_get_no_connection() {
    let folder = certificates(CLUSTER);
    let (address, mut accepted) = listening(trust(folder.path(), folder.path(), 1)).await;
    let uri = uri(address);
    // Another authority's certificate, whose holder trusts ours.
    let other = certificates(CLUSTER);
    let forger = trust(other.path(), folder.path(), 2);
    let (_dialled, met) = tokio::join!(forger.dial(&uri), next(&mut accepted));
    assert!(met.is_none(), "a certificate of another authority");
    // Our authority has issued for another cluster, too.
    let mixed = TempDir::new().unwrap();
    for name in ["ca.pem", "ca.key", "issued"] {
        std::fs::copy(folder.path().join(name), mixed.path().join(name)).unwrap();
    }
    let authority = Authority::open(mixed.path(), |_| ClusterId(8)).unwrap();
    authority.issue(NodeId(2), 1, OffsetDateTime::now_utc()).unwrap();
    let elsewhere = trust(mixed.path(), mixed.path(), 2);
    let (_dialled, met) = tokio::join!(elsewhere.dial(&uri), next(&mut accepted));
    assert!(met.is_none(), "a certificate of another cluster");
    // The other way round: whoever dials meets a stranger.
    let (address, mut strangers) = listening(elsewhere).await;
    let two = trust(folder.path(), folder.path(), 2);
    let uri = self::uri(address);
    let (dialled, _met) = tokio::join!(two.dial(&uri), next(&mut strangers));
    assert!(dialled.is_err(), "it is asked for a name that its certificate does not have");
    // In clear.
    let mut clear = TcpStream::connect(uri.authority().unwrap().as_str()).await.unwrap();
    clear.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(next(&mut strangers).await.is_none());
}
