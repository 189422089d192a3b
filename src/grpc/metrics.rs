//! Counts and times every call by method and code.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, body::Body as TonicBody};
use tower::Service;

/// A service whose calls are measured.
#[derive(Clone)]
pub(super) struct Measured<S> {
    inner: S,
}

impl<S> Measured<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for Measured<S>
where
    S: Service<Request<B>, Response = Response<TonicBody>>,
    S::Future: Send + 'static,
{
    type Response = Response<TonicBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = Measurement { method: method(request.uri().path()), started: Instant::now(), code: None };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut call = call;
            let response = answer.await?;
            // A refusal comes in the head, everything else in the trailers behind the last message.
            call.code = code(response.headers());
            Ok(response.map(|body| TonicBody::new(MeasuredBody { inner: body, call })))
        })
    }
}

/// Known methods by name; what callers make up must not become labels without end.
fn method(path: &str) -> String {
    let known = path.starts_with("/haier.integration.v1.") || path.starts_with("/grpc.");
    if known { path.trim_start_matches('/').to_owned() } else { "unknown".to_owned() }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

/// One call; recorded when it is over, however it ends.
struct Measurement {
    method: String,
    started: Instant,
    code: Option<Code>,
}

impl Drop for Measurement {
    fn drop(&mut self) {
        // Dropped without a status: the caller went away.
        let code = self.code.unwrap_or(Code::Cancelled);
        let (method, code) = (std::mem::take(&mut self.method), format!("{code:?}"));
        metrics::counter!("haier_grpc_calls_total", "method" => method.clone(), "code" => code).increment(1);
        metrics::histogram!("haier_grpc_call_duration_seconds", "method" => method)
            .record(self.started.elapsed());
    }
}

struct MeasuredBody {
    inner: TonicBody,
    call: Measurement,
}

impl Body for MeasuredBody {
    type Data = bytes::Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.call.code = code(trailers).or(self.call.code);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
