//! Callbacks of the order system, on a listener of their own: `POST /callbacks/ylh`. Whoever reaches it sees nothing else.

mod answer;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest as _, Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::Response,
    routing::post,
};

use super::connections;
use crate::{
    app::{App, CallbackOutcome},
    error::{Causes, Error},
    listener::Listener,
};
use answer::{Answer, Fault};

/// Where callbacks are posted.
pub const PATH: &str = "/callbacks/ylh";
/// Largest body in bytes; real ones have some hundred.
const MAX_BODY: usize = 64 * 1024;

#[derive(Clone)]
struct Shared {
    app: Arc<App>,
    /// Longest time to a body's last byte.
    body_timeout: Duration,
}

/// Serves on a listener until the process goes down.
pub async fn serve(app: Arc<App>, listener: Listener, body_timeout: Duration) {
    let shared = Shared { app: Arc::clone(&app), body_timeout };
    let router = Router::new()
        .route(PATH, post(receive))
        .fallback(async || (StatusCode::NOT_FOUND, "not found\n"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared);
    connections::serve(listener, router, app.stopping.cancelled()).await;
}

async fn receive(State(shared): State<Shared>, request: Request) -> Response {
    let answer = match read(&shared, request).await {
        Ok((content_type, body)) => take(&shared.app, &content_type, &body).await,
        Err(fault) => Answer::Failed(fault),
    };
    answer.into_response(shared.app.clock().now())
}

/// The body, and what it is said to be.
async fn read(shared: &Shared, request: Request) -> Result<(String, Bytes), Fault> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    match tokio::time::timeout(shared.body_timeout, Bytes::from_request(request, &())).await {
        Err(_) => Err(Fault::TooSlow),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Fault::TooLarge),
        Ok(Err(_)) => Err(Fault::Unreadable),
        Ok(Ok(body)) => Ok((content_type, body)),
    }
}

async fn take(app: &Arc<App>, content_type: &str, body: &[u8]) -> Answer {
    match app.callback_receive(content_type, body).await {
        Ok(CallbackOutcome::Taken { platform_order_no }) => Answer::Taken { platform_order_no },
        Ok(CallbackOutcome::Refused(refusal)) => Answer::Refused(refusal),
        Err(error @ Error::StoreUnavailable(_)) => {
            tracing::debug!(error = %Causes(&error), "a callback could not be stored");
            Answer::Failed(Fault::Unavailable)
        }
        Err(error) => {
            tracing::error!(error = format!("{error:?}"), "a callback could not be stored");
            Answer::Failed(Fault::Internal)
        }
    }
}
