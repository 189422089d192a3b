//! The body of a request that notes when it begins to be written, so that afterwards one knows whether any byte of the
//! request can have reached Haier. Over HTTP/1, hyper asks for the body in the same step in which it takes the head up,
//! before it writes either; a request that waits for a connection, or is put back from one that turned out closed, has
//! not been asked for its body.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The bytes of one request.
pub(super) struct Outgoing {
    bytes: Option<Bytes>,
    begun: Begun,
}

/// Whether a request has begun to be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Outgoing {
    pub(super) fn new(bytes: Bytes) -> (reqwest::Body, Begun) {
        let begun = Begun::default();
        let body = Self { bytes: Some(bytes), begun: begun.clone() };
        (reqwest::Body::wrap(body), begun)
    }
}

impl Begun {
    /// `false`: provably no byte has gone out.
    pub(super) fn has(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.begun.0.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    // Never at its end before it was asked, else an empty one would not be asked at all.
    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
