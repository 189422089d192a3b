//! Connections as they come in: plain, or by TLS with whoever has shown a certificate.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::server::TlsStream;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::either::Either;
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

use crate::{domain::callers::PeerName, tls::ServerTls};

/// Longest time of a handshake: whoever opens a connection and says nothing is cut.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Most handshakes at a time; more connections wait with the kernel.
const MAX_HANDSHAKES: usize = 512;

/// One connection, ready for calls.
pub(super) struct Connection {
    stream: Either<TcpStream, TlsStream<TcpStream>>,
    /// Who has shown a certificate.
    peer: Option<PeerName>,
}

/// What is known of a connection.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) addresses: TcpConnectInfo,
    pub(super) peer: Option<PeerName>,
}

/// Every connection that a listener takes, those by TLS once their handshake is done.
pub(super) fn of(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
) -> impl Stream<Item = io::Result<Connection>> + Send {
    // Without it small answers wait some 40 ms for the peer's delayed acknowledgement.
    let mut incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    async_stream::stream! {
        let mut shaking = JoinSet::new();
        loop {
            tokio::select! {
                accepted = incoming.next(), if shaking.len() < MAX_HANDSHAKES => match (accepted, &tls) {
                    (Some(Ok(stream)), None) => yield Ok(Connection { stream: Either::Left(stream), peer: None }),
                    (Some(Ok(stream)), Some(tls)) => {
                        shaking.spawn(handshake(stream, Arc::clone(tls)));
                    }
                    (Some(Err(error)), _) => yield Err(error),
                    (None, _) => return,
                },
                Some(done) = shaking.join_next() => {
                    if let Ok(Some(connection)) = done {
                        yield Ok(connection);
                    }
                }
            }
        }
    }
}

/// Nothing comes of a failed one: the other side has been told, and the log.
async fn handshake(stream: TcpStream, tls: Arc<ServerTls>) -> Option<Connection> {
    let peer = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
    match tokio::time::timeout(HANDSHAKE_LIMIT, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let peer = tls.peer(stream.get_ref().1);
            return Some(Connection { stream: Either::Right(stream), peer });
        }
        // A probe that opens the port and closes it again.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::debug!(peer, "a connection was closed before its TLS handshake was done");
            return None;
        }
        Ok(Err(error)) => tracing::info!(peer, %error, "a connection was refused: no TLS"),
        Err(_) => {
            tracing::info!(peer, limit = ?HANDSHAKE_LIMIT, "a connection was cut: its TLS handshake took too long")
        }
    }
    metrics::counter!("haier_tls_handshakes_failed_total").increment(1);
    None
}

impl Connected for Connection {
    type ConnectInfo = Known;

    fn connect_info(&self) -> Known {
        let addresses = match &self.stream {
            Either::Left(stream) => stream.connect_info(),
            Either::Right(stream) => stream.get_ref().0.connect_info(),
        };
        Known { addresses, peer: self.peer.clone() }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
