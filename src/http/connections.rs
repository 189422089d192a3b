//! Connections of a plain HTTP listener, each served within its limits. On one there is one request at a time.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, response::Response};
use http::{
    Request,
    header::{CONNECTION, HeaderValue},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::listener::{Accepted, Counted, Limits, Listener, WriteLimited};

/// Bytes of a request's head, and of what is read ahead.
const MAX_BUFFER: usize = 32 << 10;

/// Requests of one connection: then it goes back to the end of the line. One that pipelines without reading has more in
/// store than the others' turn may wait for.
const MAX_REQUESTS: usize = 100;

/// Serves until `stop` is done, then lets requests end that have begun.
pub(super) async fn serve(listener: Listener, router: Router, stop: impl Future<Output = ()> + Send) {
    let limits = listener.limits();
    let (stopping, connections) = (CancellationToken::new(), TaskTracker::new());
    // Cut with this function, whatever ends it.
    let _stopped = stopping.clone().drop_guard();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        connections.spawn(connection(accepted, limits, router.clone(), stopping.clone()));
    }
    let open = listener.close();
    stopping.cancel();
    connections.close();
    connections.wait().await;
    drop(open);
}

async fn connection(accepted: Accepted, limits: Limits, router: Router, stopping: CancellationToken) {
    let Accepted { stream, peer, place } = accepted;
    let aged_at = Instant::now() + limits.age;
    // One that says nothing costs no more than its descriptor.
    let speaks = tokio::select! {
        () = place.is_cut() => return,
        () = stopping.cancelled() => return,
        speaks = tokio::time::timeout(limits.first_request, stream.readable()) => speaks,
    };
    if speaks.is_err() {
        place.count_cut("silent");
        tracing::debug!(%peer, limit = ?limits.first_request, "a connection was cut: nothing came in time");
        return;
    }
    let seat = place.seat();
    let service = router.map_request(|request: Request<_>| request.map(Body::new));
    let answered = Arc::new(AtomicUsize::new(0));
    let service = service.map_response(move |mut answer: Response| {
        if answered.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_REQUESTS || seat.is_crowded() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    });
    let service = TowerToHyperService::new(Counted::new(service, place.seat()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also the time between two requests.
        .header_read_timeout(limits.first_request)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(WriteLimited::new(stream, place.seat(), limits.write)), service);
    let mut connection = pin!(connection);
    let mut is_ending = false;
    loop {
        tokio::select! {
            // One that breaks off is its caller's affair.
            _ = &mut connection => return,
            () = place.is_cut() => return,
            () = stopping.cancelled(), if !is_ending => {}
            () = tokio::time::sleep_until(aged_at), if !is_ending => {}
        }
        is_ending = true;
        connection.as_mut().graceful_shutdown();
    }
}
