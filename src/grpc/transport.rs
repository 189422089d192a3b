//! The edge of the transport: lets in what is gRPC, gives a request's body a time to come and the peer a time to read the
//! answer, and turns what the library refuses by itself into a status like all others.

use std::{
    collections::HashSet,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Method as Verb, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::{Code, Status, body::Body as TonicBody};
use tower::Service;

use super::{
    descriptors::Method,
    sending::{begin_wait, end_wait},
    status,
};

/// Readers of a feed have a time of their own.
const FEEDS: [&str; 2] = ["WatchProductChanges", "WatchOrderChanges"];

/// How long peers may take.
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// To the end of a request.
    pub(super) request: Duration,
    /// To take an answer.
    pub(super) answer: Duration,
    /// To take what a feed sent.
    pub(super) feed: Duration,
    /// Paths of methods to which callers stream for as long as they like.
    endless: Arc<HashSet<String>>,
    feeds: Arc<HashSet<String>>,
}

impl Times {
    pub(super) fn new(request: Duration, answer: Duration, feed: Duration, methods: &[Method]) -> Self {
        let paths = |kept: fn(&&Method) -> bool| methods.iter().filter(kept).map(Method::path).collect();
        Self {
            request,
            answer,
            // A reader that is only slow is told so by the feed itself, when it comes back for more.
            feed: feed + (feed / 2).max(Duration::from_secs(1)),
            endless: Arc::new(paths(|method| method.is_client_stream)),
            feeds: Arc::new(paths(|method| FEEDS.contains(&method.name.as_str()))),
        }
    }
}

/// A service behind the edge.
#[derive(Clone)]
pub(super) struct Edge<S> {
    inner: S,
    times: Times,
}

impl<S> Edge<S> {
    pub(super) const fn new(inner: S, times: Times) -> Self {
        Self { inner, times }
    }
}

impl<S> Service<Request<TonicBody>> for Edge<S>
where
    S: Service<Request<TonicBody>, Response = Response<TonicBody>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<TonicBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<TonicBody>) -> Self::Future {
        if let Err(refused) = check(&request) {
            return Box::pin(std::future::ready(Ok(*refused)));
        }
        let path = request.uri().path();
        let limit = if self.times.feeds.contains(path) { self.times.feed } else { self.times.answer };
        let request = if self.times.endless.contains(path) {
            request
        } else {
            let limit = self.times.request;
            request.map(|inner| TonicBody::new(Timely { inner, limit, timer: None }))
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            // The head holds a status only where the request was refused before a handler answered.
            complete(answer.headers_mut(), status::of_request);
            // A peer without room for a single byte never asks for one.
            begin_wait(limit);
            Ok(answer.map(|inner| TonicBody::new(Sent { inner, limit })))
        })
    }
}

/// Refuses what is no call: as the protocol wants it, by 415 where the content is of another type.
fn check<B>(request: &Request<B>) -> Result<(), Box<Response<TonicBody>>> {
    let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let (code, message) = if request.method() != Verb::POST {
        (StatusCode::METHOD_NOT_ALLOWED, "a gRPC call is a POST")
    } else if media_type.eq_ignore_ascii_case(b"application/grpc")
        || media_type.eq_ignore_ascii_case(b"application/grpc+proto")
    {
        return Ok(());
    } else {
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "a gRPC call has the content type application/grpc")
    };
    let mut refused = status::of_request(&Status::invalid_argument(message)).into_http();
    *refused.status_mut() = code;
    Err(Box::new(refused))
}

/// Replaces a status without details, which none of ours is, by one with a reason.
fn complete(headers: &mut HeaderMap, explain: fn(&Status) -> Status) {
    if headers.contains_key("grpc-status-details-bin") {
        return;
    }
    let Some(given) = Status::from_header_map(headers).filter(|status| status.code() != Code::Ok) else {
        return;
    };
    headers.remove("grpc-message");
    // Headers that cannot be written leave the status as it was.
    let _ = explain(&given).add_header(headers);
}

/// A request's body, of which all must come within a time.
struct Timely {
    inner: TonicBody,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Body for Timely {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if frame.is_ready() {
            return frame;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer.as_mut().poll(cx).map(|()| {
            let limit = humantime::format_duration(limit);
            Some(Err(Status::deadline_exceeded(format!("the request did not come within {limit}"))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body, of which the peer must take each part within a time.
struct Sent {
    inner: TonicBody,
    limit: Duration,
}

impl Body for Sent {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        end_wait();
        let mut frame = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut frame {
            if let Some(trailers) = frame.trailers_mut() {
                complete(trailers, status::of_answer);
            } else {
                begin_wait(self.limit);
            }
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
