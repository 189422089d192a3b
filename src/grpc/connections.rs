//! Connections as they come in: plain, or by TLS with whoever has shown a certificate; each served within its limits.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::server::TlsStream;
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};
use tonic::{body::Body as TonicBody, transport::server::TcpConnectInfo};
use tower::{Service, ServiceExt as _};

use super::sending::StreamExecutor;
use crate::{
    domain::callers::PeerName,
    listener::{Accepted, Counted, Limits, Listener, Place, Seat, WriteLimited},
    tls::ServerTls,
};

/// Streams that a peer may reset before they are looked at. A process that stood still finds all at once that its callers
/// gave up meanwhile; h2's own limit of 20 then cuts their connections. They cost a peer nothing, so that there is a limit.
const MAX_PENDING_RESETS: usize = 1_000;
/// Bytes of answers that wait for one stream's peer.
const SEND_BUFFER: usize = 64 << 10;
/// Finds peers that are gone without a word, so that their streams end.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// Serves every connection that a listener takes, until `stopping`; then asks them to end, and waits until they have.
pub(super) async fn serve<S>(
    listener: Listener,
    tls: Option<Arc<ServerTls>>,
    service: S,
    max_streams: u32,
    stopping: CancellationToken,
) where
    S: Service<Request<TonicBody>, Response = Response<TonicBody>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let mut builder = http2::Builder::new(StreamExecutor);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(max_streams)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_send_buf_size(SEND_BUFFER);
    let server = Server { builder, limits: listener.limits(), tls, stopping: stopping.clone() };
    let server = Arc::new(server);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (server, service) = (Arc::clone(&server), service.clone());
        connections.spawn(async move { server.connection(accepted, service).await });
    }
    let open = listener.close();
    connections.close();
    connections.wait().await;
    drop(open);
}

struct Server {
    builder: http2::Builder<StreamExecutor>,
    limits: Limits,
    tls: Option<Arc<ServerTls>>,
    stopping: CancellationToken,
}

impl Server {
    async fn connection<S>(&self, accepted: Accepted, service: S)
    where
        S: Service<Request<TonicBody>, Response = Response<TonicBody>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let Accepted { stream, peer, place } = accepted;
        let silent_until = Instant::now() + self.limits.first_request;
        let local = stream.local_addr().ok();
        let begun = tokio::select! {
            () = place.is_cut() => return,
            () = self.stopping.cancelled() => return,
            begun = tokio::time::timeout_at(silent_until, self.begin(stream, peer)) => begun,
        };
        let (stream, identity) = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => return,
            Err(_) => {
                place.count_cut("silent");
                let limit = self.limits.first_request;
                tracing::debug!(%peer, ?limit, "a connection was cut: nothing, or no whole TLS handshake, in time");
                return;
            }
        };
        let addresses = TcpConnectInfo { local_addr: local, remote_addr: Some(peer) };
        let seat = place.seat();
        let service = service.map_request(move |request: Request<_>| {
            introduce(request.map(TonicBody::new), &addresses, identity.as_ref(), &seat)
        });
        let service = TowerToHyperService::new(Counted::new(service, place.seat()));
        let stream = TokioIo::new(WriteLimited::new(stream, place.seat(), self.limits.write));
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        let mut course = Course::new(self.limits, silent_until);
        loop {
            let next = tokio::select! {
                // One that breaks off is its caller's affair.
                _ = &mut connection => return,
                () = place.is_cut() => return,
                () = self.stopping.cancelled(), if !course.is_ending => Next::End,
                () = tokio::time::sleep_until(course.look_at) => course.look(&place),
            };
            match next {
                Next::GoOn => {}
                Next::End => {
                    course.end(Instant::now());
                    connection.as_mut().graceful_shutdown();
                }
                Next::Cut(why) => {
                    place.count_cut(why);
                    tracing::debug!(%peer, why, "a connection was cut");
                    return;
                }
            }
        }
    }

    /// From the first byte to the end of the TLS handshake. A connection that says nothing costs no more than its
    /// descriptor: no buffer and no TLS session is made for it.
    async fn begin(&self, stream: TcpStream, peer: SocketAddr) -> Option<(Stream, Option<PeerName>)> {
        stream.readable().await.ok()?;
        let Some(tls) = &self.tls else { return Some((Either::Left(stream), None)) };
        match tls.acceptor().accept(stream).await {
            Ok(stream) => {
                let identity = tls.peer(stream.get_ref().1);
                return Some((Either::Right(stream), identity));
            }
            // A probe that opens the port and closes it again.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                tracing::debug!(%peer, "a connection was closed before its TLS handshake was done");
                return None;
            }
            Err(error) => tracing::info!(%peer, %error, "a connection was refused: no TLS"),
        }
        metrics::counter!("haier_tls_handshakes_failed_total").increment(1);
        None
    }
}

/// Puts what is known of a connection where every layer and every method looks for it: the addresses, the
/// [`PeerName`] of a client certificate, and the seat.
fn introduce(
    mut request: Request<TonicBody>,
    addresses: &TcpConnectInfo,
    identity: Option<&PeerName>,
    seat: &Seat,
) -> Request<TonicBody> {
    let extensions = request.extensions_mut();
    extensions.insert(addresses.clone());
    extensions.insert(seat.clone());
    if let Some(identity) = identity {
        extensions.insert(identity.clone());
    }
    request
}

/// What a look at a connection's times says.
enum Next {
    GoOn,
    /// No new calls; those that run end.
    End,
    Cut(&'static str),
}

/// The times of one connection.
struct Course {
    limits: Limits,
    silent_until: Instant,
    look_at: Instant,
    aged_at: Instant,
    is_ending: bool,
}

impl Course {
    /// With an age of its own, up to a tenth longer, so that connections that came together do not come back together.
    fn new(limits: Limits, silent_until: Instant) -> Self {
        let age = limits.age.mul_f64(1.0 + rand::random::<f64>() / 10.0);
        let now = Instant::now();
        let aged_at = now + age;
        let look_at = silent_until.min(aged_at).min(now + limits.idle);
        Self { limits, silent_until, look_at, aged_at, is_ending: false }
    }

    fn look(&mut self, place: &Place) -> Next {
        let now = Instant::now();
        if !place.has_head() && now >= self.silent_until {
            return Next::Cut("silent");
        }
        let idle = place.idle_since();
        if self.is_ending {
            // It was asked to end, has nothing to wait for, and does not.
            self.look_at = now + self.limits.first_request;
            let is_over = idle.is_some_and(|since| now >= since + self.limits.first_request);
            return if is_over { Next::Cut("not ended") } else { Next::GoOn };
        }
        let idle_at = idle.unwrap_or(now) + self.limits.idle;
        if now >= idle_at || now >= self.aged_at {
            return Next::End;
        }
        self.look_at = idle_at.min(self.aged_at);
        if !place.has_head() {
            self.look_at = self.look_at.min(self.silent_until);
        }
        Next::GoOn
    }

    fn end(&mut self, now: Instant) {
        self.is_ending = true;
        self.look_at = now + self.limits.first_request;
    }
}
