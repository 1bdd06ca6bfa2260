//! A connection whose peer is known, and which ends when that node is removed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use holdline_model::{Certified, NodeId};
use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::Book;

/// A connection with a node that has shown its certificate.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    peer: NodeId,
    book: Book,
}

impl<S> Guarded<S> {
    pub(super) const fn new(stream: S, peer: NodeId, book: Book) -> Self {
        Self { stream, peer, book }
    }

    fn check(&self) -> io::Result<()> {
        if self.book.is_removed(self.peer) {
            let text = format!("node {} was removed from the cluster", self.peer);
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, text));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Err(error)) = &read
            && says_revoked(error)
        {
            self.book.told_by(self.peer);
        }
        read
    }
}

/// Whether the peer ended the connection because our certificate is revoked.
pub(super) fn says_revoked(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner == Some(&rustls::Error::AlertReceived(AlertDescription::CertificateRevoked))
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Services ask it of each request.
impl<S> Connected for Guarded<S> {
    type ConnectInfo = Certified;

    fn connect_info(&self) -> Certified {
        Certified(self.peer)
    }
}
