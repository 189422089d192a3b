//! Counts, times and records every call: one line at its end with who, from where, what, how it ended and how long it took.
//! Never what was asked or answered.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, body::Body as TonicBody};
use tower::Service;

use crate::auth::rules::{self, Need};

/// Target of the lines, for directives such as `info,calls=off`.
const TARGET: &str = "calls";

/// Who calls, for the record: told by the gate, which stands further in.
#[derive(Debug, Clone, Default)]
pub(super) struct Record(Arc<OnceLock<Who>>);

/// A caller as he is recorded. Of one who was refused only what is certain.
#[derive(Debug, Default)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) address: String,
}

impl Record {
    /// Says who it is; the first word counts.
    pub(super) fn tell(&self, who: Who) {
        // Told once a call.
        let _ = self.0.set(who);
    }
}

/// A service whose calls are recorded.
#[derive(Clone)]
pub(super) struct Recorded<S> {
    inner: S,
}

impl<S> Recorded<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for Recorded<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let call = Call::new(request.uri().path());
        request.extensions_mut().insert(call.record.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut call = call;
            let response = answer.await?;
            // A refusal comes in the head, everything else in the trailers behind the last message.
            call.code = code(response.headers());
            Ok(response.map(|body| TonicBody::new(RecordedBody { inner: body, call })))
        })
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

/// One call; recorded when it is over, however it ends.
struct Call {
    method: String,
    /// Asked for by anybody, all the time: health.
    is_quiet: bool,
    started: Instant,
    code: Option<Code>,
    record: Record,
}

impl Call {
    fn new(path: &str) -> Self {
        let rule = rules::find(path);
        // What callers make up must become neither labels without end nor words in our log.
        let method = rule.map_or("unknown".to_owned(), |rule| format!("{}/{}", rule.service, rule.method));
        let is_quiet = rule.is_some_and(|rule| rule.need == Need::Nothing);
        Self { method, is_quiet, started: Instant::now(), code: None, record: Record::default() }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Dropped without a status: the caller went away.
        let code = format!("{:?}", self.code.unwrap_or(Code::Cancelled));
        let (method, took) = (std::mem::take(&mut self.method), self.started.elapsed());
        let nobody = Who::default();
        let Who { name, role, address } = self.record.0.get().unwrap_or(&nobody);
        // To the microsecond.
        let duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(target: TARGET, caller = name, role, address, method, code, duration_ms, "call")
            };
        }
        if self.is_quiet {
            line!(debug)
        } else {
            line!(info)
        }
        metrics::counter!("haier_grpc_calls_total", "method" => method.clone(), "code" => code).increment(1);
        metrics::histogram!("haier_grpc_call_duration_seconds", "method" => method).record(took);
    }
}

struct RecordedBody {
    inner: TonicBody,
    call: Call,
}

impl Body for RecordedBody {
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
