//! A listener for strangers: so many connections at once, and none that sits there without a request.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, header::CONNECTION},
    middleware::map_response,
    response::Response,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

/// Connections at once; others wait in the system's queue. On one there is one request at a time.
const CONNECTIONS: usize = 256;
/// Longest time to a request's last header, also between two requests.
const HEADERS: Duration = Duration::from_secs(10);
/// How long nothing is accepted after the system could not accept, of which full tables are the cause.
const PAUSE: Duration = Duration::from_millis(500);

/// Serves until `stop` is done, then lets requests end that have begun.
///
/// # Errors
/// None so far; a listener whose accept fails is tried again.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let router = closing_in_a_crowd(router, &places);
    let open = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((place, listener.accept().await?.0))
        };
        let (place, stream) = tokio::select! {
            () = &mut stop => break,
            next = next => match next {
                Ok(next) => next,
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            // One that breaks off is its caller's affair.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    open.shutdown().await;
    Ok(())
}

/// In a crowd a connection is closed after its answer: whoever keeps it for his next request, and has none, would keep others
/// waiting for as long as a header may take.
fn closing_in_a_crowd(router: Router, places: &Arc<Semaphore>) -> Router {
    let places = Arc::clone(places);
    router.layer(map_response(move |mut answer: Response| {
        let is_crowded = places.available_permits() == 0;
        async move {
            if is_crowded {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    }))
}
