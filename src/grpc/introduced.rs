//! Puts what is known of a connection where every later layer and every method looks for it: the addresses, and the
//! [`PeerName`](crate::domain::callers::PeerName) of a client certificate.

use std::task::{Context, Poll};

use http::Request;
use tower::Service;

use super::connections::Known;

/// A service whose requests say who is on the other side.
#[derive(Clone)]
pub(super) struct Introduced<S> {
    inner: S,
}

impl<S> Introduced<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Introduced<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(known) = request.extensions_mut().remove::<Known>() {
            request.extensions_mut().insert(known.addresses);
            if let Some(peer) = known.peer {
                request.extensions_mut().insert(peer);
            }
        }
        self.inner.call(request)
    }
}
