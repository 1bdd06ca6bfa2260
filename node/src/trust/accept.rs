//! Connections from other nodes: each shows its certificate before anything else is read.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::guarded::Guarded;
use super::{Stranger, Trust};

/// The connections whose peers have shown that they belong to the cluster. The others are counted
/// and named. `peer_of` says where a connection comes from, for that.
pub(crate) fn secure<C>(
    incoming: impl Stream<Item = io::Result<C>> + Send + 'static,
    trust: Trust,
    peer_of: fn(&C) -> Option<SocketAddr>,
) -> impl Stream<Item = io::Result<Guarded<TlsStream<C>>>> + Send + 'static
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    incoming
        .map(move |connection| {
            let trust = trust.clone();
            async move {
                let connection = match connection {
                    Ok(connection) => connection,
                    Err(error) => return Some(Err(error)),
                };
                let peer = peer_of(&connection);
                match trust.accept(connection).await {
                    Ok(secured) => Some(Ok(secured)),
                    Err(stranger) => {
                        stranger.tell(peer);
                        None
                    }
                }
            }
        })
        .buffer_unordered(HANDSHAKES)
        .filter_map(ready)
}

impl Trust {
    async fn accept<C>(&self, connection: C) -> Result<Guarded<TlsStream<C>>, Stranger>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let failed = |text: &str| Stranger::Handshake(text.to_owned());
        let server = self.tls.server().ok_or_else(|| failed("this node has no certificate"))?;
        let handshake = TlsAcceptor::from(server).accept(connection);
        let stream = match tokio::time::timeout(WITHIN, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if is_revoked(&error) => return Err(Stranger::Revoked),
            Ok(Err(error)) => return Err(Stranger::Handshake(error.to_string())),
            Err(_) => return Err(failed("the handshake took too long")),
        };
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let peer = self.judge(shown.map(AsRef::as_ref))?;
        Ok(Guarded::new(stream, peer, self.book.clone()))
    }
}

/// Whether a handshake failed because the certificate was revoked.
fn is_revoked(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner == Some(&rustls::Error::InvalidCertificate(rustls::CertificateError::Revoked))
}

/// Handshakes at a time; further connections wait.
const HANDSHAKES: usize = 64;

/// How long one may take.
const WITHIN: Duration = Duration::from_secs(3);
