//! Counts a connection's requests for its place: from the last byte of a request to the last one of its answer.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::Service;

use super::Seat;

/// One connection's service.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    seat: Seat,
}

impl<S> Counted<S> {
    /// Counts the requests of the connection with this seat.
    pub const fn new(inner: S, seat: Seat) -> Self {
        Self { inner, seat }
    }
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    B: Body,
    S: Service<Request<Whole<B>>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<Held<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let exchange = Arc::new(Exchange::new(self.seat.clone()));
        if request.body().is_end_stream() {
            exchange.is_whole_now();
        }
        let answer = self.inner.call(request.map(|inner| Whole { inner, exchange: Arc::clone(&exchange) }));
        Box::pin(async move { Ok(answer.await?.map(|inner| Held { inner, _exchange: exchange })) })
    }
}

/// A request and its answer.
struct Exchange {
    seat: Seat,
    is_whole: AtomicBool,
}

impl Exchange {
    fn new(seat: Seat) -> Self {
        seat.begin_head();
        Self { seat, is_whole: AtomicBool::new(false) }
    }

    fn is_whole_now(&self) {
        if !self.is_whole.swap(true, Ordering::Relaxed) {
            self.seat.begin_request();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_whole.load(Ordering::Relaxed) {
            self.seat.end_request();
        }
        self.seat.end_call();
    }
}

/// A request's body, which is known to be whole once its end was read.
pub struct Whole<B> {
    inner: B,
    exchange: Arc<Exchange>,
}

impl<B: Body + Unpin> Body for Whole<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if frame.is_none() || self.inner.is_end_stream() {
            self.exchange.is_whole_now();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body; the exchange is over when it is dropped.
pub struct Held<B> {
    inner: B,
    _exchange: Arc<Exchange>,
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
