//! The body of a request that notes when it begins to be written, so that afterwards one knows whether any byte of the
//! request can have reached Haier. Over HTTP/1, hyper asks for the body in the same step in which it takes the head up,
//! before it writes either; a request that waits for a connection, or is put back from one that turned out closed, has
//! not been asked for its body.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::patience::MaySend;

/// The bytes of one request.
pub(super) struct Outgoing {
    bytes: Option<Bytes>,
    begun: Begun,
    may_send: Option<MaySend>,
}

/// What is not sent because whoever made it may not send it any more: not one byte of the request goes out.
#[derive(Debug, thiserror::Error)]
#[error("it may not be sent any more")]
pub(super) struct Withheld;

/// Whether a request has begun to be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Outgoing {
    /// A request's body, and what tells afterwards whether it was begun.
    pub(super) fn body(bytes: Bytes, may_send: Option<MaySend>) -> (reqwest::Body, Begun) {
        let begun = Begun::default();
        let body = Self { bytes: Some(bytes), begun: begun.clone(), may_send };
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
    type Error = Withheld;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        if self.bytes.is_some() && self.may_send.as_ref().is_some_and(|may_send| !may_send()) {
            return Poll::Ready(Some(Err(Withheld)));
        }
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn client() -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().http1_only().build().unwrap()
    }

    async fn listening() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        (listener, url)
    }

    #[tokio::test]
    async fn a_body_goes_out_whole_and_with_its_length() {
        let (listener, url) = listening().await;
        let (body, begun) = Outgoing::body(Bytes::from_static(b"12345"), None);
        assert!(!begun.has());
        let sent = tokio::spawn(client().post(url).body(body).send());
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"12345") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        let text = String::from_utf8(request).unwrap().to_lowercase();
        assert!(text.contains("content-length: 5\r\n") && !text.contains("transfer-encoding"), "{text}");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        assert!(sent.await.unwrap().unwrap().status().is_success() && begun.has());
    }

    #[tokio::test]
    async fn without_a_connection_it_is_not_begun() {
        let (listener, url) = listening().await;
        drop(listener);
        let (body, begun) = Outgoing::body(Bytes::from_static(b"12345"), None);
        assert!(client().post(url).body(body).send().await.unwrap_err().is_connect());
        assert!(!begun.has());
    }

    #[tokio::test]
    async fn what_may_not_be_sent_any_more_when_the_connection_is_there_leaves_no_byte() {
        let (listener, url) = listening().await;
        let (body, begun) = Outgoing::body(Bytes::from_static(b"12345"), Some(Arc::new(|| false)));
        let sent = tokio::spawn(client().post(url).body(body).send());
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&received), "");
        assert!(sent.await.unwrap().is_err() && !begun.has());
    }

    #[tokio::test]
    async fn a_connection_that_closes_on_the_head_has_begun() {
        let (listener, url) = listening().await;
        let (body, begun) = Outgoing::body(Bytes::from(vec![b'x'; 8 << 20]), None);
        let sent = tokio::spawn(client().post(url).body(body).send());
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        drop(stream);
        assert!(sent.await.unwrap().is_err());
        assert!(begun.has());
    }
}
