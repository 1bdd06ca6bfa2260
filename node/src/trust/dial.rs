//! Connections to other nodes: over TLS, to whoever shows a certificate of the cluster.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::guarded::Guarded;
use super::{Stranger, Trust, name};

impl Trust {
    /// How Raft connects.
    pub(crate) fn raft_connect(&self) -> holdline_raft::Connect {
        holdline_raft::Connect::new(self.clone().channels())
    }

    /// How the forwarder connects.
    pub(crate) fn forward_connect(&self) -> holdline_cluster::forward::Connect {
        holdline_cluster::forward::Connect::new(self.clone().channels())
    }

    fn channels(self) -> impl Fn(Endpoint) -> Channel + Send + Sync + 'static {
        let trust = Arc::new(self);
        move |endpoint| {
            let trust = Arc::clone(&trust);
            endpoint.connect_with_connector_lazy(tower::service_fn(move |uri: Uri| {
                let trust = Arc::clone(&trust);
                async move { trust.dial(&uri).await.map(TokioIo::new) }
            }))
        }
    }

    pub(super) async fn dial(&self, uri: &Uri) -> io::Result<Guarded<TlsStream<TcpStream>>> {
        let authority = uri.authority().and_then(|it| it.as_str().parse::<SocketAddr>().ok());
        let address = authority.ok_or_else(|| io::Error::other("the address is none"))?;
        let client = self.tls.plain_client().ok_or_else(|| io::Error::other("no certificate"))?;
        let name = ServerName::try_from(name::of_cluster(self.cluster));
        let name = name.map_err(io::Error::other)?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let secured =
            TlsConnector::from(client).connect(name, stream).await.inspect_err(|error| {
                // A refused or broken connection is no stranger's doing.
                if error.kind() == io::ErrorKind::InvalidData {
                    Stranger::Handshake(error.to_string()).tell(Some(address));
                }
            })?;
        let shown = secured.get_ref().1.peer_certificates().and_then(<[_]>::first);
        match self.judge(shown.map(AsRef::as_ref)) {
            Ok(peer) => Ok(Guarded::new(secured, peer, self.book.clone())),
            Err(stranger) => {
                stranger.tell(Some(address));
                Err(io::Error::new(io::ErrorKind::PermissionDenied, stranger.to_string()))
            }
        }
    }
}
