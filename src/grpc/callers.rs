//! The gate in front of everything that is served: says who calls, and lets in whom the rules let in. Whoever is let in
//! stands in the request's extensions as a [`Caller`].

use std::{
    collections::HashSet,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    Extensions, Request, Response,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body::{Body, Frame, SizeHint};
use tonic::{Status, body::Body as TonicBody, transport::server::TcpConnectInfo};
use tower::Service;

use super::{
    calls::{Record, Who},
    status,
};
use crate::{
    app::App,
    auth::{
        Identity, Shown,
        rules::{self, Need},
    },
    domain::callers::{Caller, PeerName},
    error::Error,
    listener::Seat,
};

/// What the gate goes by.
#[derive(Clone)]
pub(super) struct Gatekeeper {
    app: Arc<App>,
    /// Paths of the methods that answer with a stream.
    streams: Arc<HashSet<String>>,
}

impl Gatekeeper {
    pub(super) fn new(app: Arc<App>, streams: HashSet<String>) -> Self {
        Self { app, streams: Arc::new(streams) }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    gate: Gatekeeper,
}

impl<S> Guarded<S> {
    pub(super) const fn new(inner: S, gate: Gatekeeper) -> Self {
        Self { inner, gate }
    }
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<TonicBody>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<TonicBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let identity = match admit(&self.gate.app, &request) {
            Ok(Some(identity)) => identity,
            Ok(None) => return Box::pin(self.inner.call(request)),
            Err(refused) => return Box::pin(std::future::ready(Ok(refused.into_http()))),
        };
        if let Some(seat) = request.extensions().get::<Seat>() {
            // Where places are scarce, a connection of somebody is worth more than one of nobody.
            seat.make_known();
        }
        request.extensions_mut().insert(identity.caller.clone());
        let is_stream = self.gate.streams.contains(request.uri().path());
        let answer = self.inner.call(request);
        if !is_stream {
            return Box::pin(answer);
        }
        let app = Arc::clone(&self.gate.app);
        Box::pin(async move {
            Ok(answer
                .await?
                .map(|inner| TonicBody::new(GuardedBody { inner, app, identity, is_over: false })))
        })
    }
}

/// Lets somebody in: `None` where anybody is.
fn admit<B>(app: &App, request: &Request<B>) -> Result<Option<Identity>, Status> {
    let rule = rules::find(request.uri().path());
    if rule.is_some_and(|rule| rule.need == Need::Nothing) {
        return Ok(None);
    }
    let identity = identify(app, request).map_err(status::of)?;
    // What has no rule is served to nobody, whatever stands behind this gate.
    let rule = rule.ok_or_else(|| status::unknown_method(request.uri().path()))?;
    check(rule, &identity.caller).map_err(status::of)?;
    Ok(Some(identity))
}

/// Who calls. Told to the record before anything else can go wrong.
fn identify<B>(app: &App, request: &Request<B>) -> Result<Identity, Error> {
    let address = address(request.extensions());
    let shown = Shown {
        // What is no text is no token either.
        authorization: request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default()),
        certificate: request.extensions().get::<PeerName>(),
        address: &address,
    };
    let found = app.caller_identify(&shown);
    if let Some(record) = request.extensions().get::<Record>() {
        let (name, role) = match &found {
            Ok(Identity { caller, .. }) => (caller.name.as_str(), caller.role.as_str()),
            Err(refusal) => (refusal.name().unwrap_or_default(), ""),
        };
        record.tell(Who { name: name.to_owned(), role, address: address.clone() });
    }
    Ok(found?)
}

fn check(rule: &'static rules::Rule, caller: &Caller) -> Result<(), Error> {
    match rule.need {
        Need::Role(needed) if caller.role < needed => Err(Error::PermissionDenied {
            method: rule.method,
            needed,
            caller: caller.name.clone(),
            role: caller.role,
        }),
        Need::Role(_) | Need::Nothing => Ok(()),
    }
}

fn address(extensions: &Extensions) -> String {
    let peer = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    peer.map(|peer| peer.ip().to_string()).unwrap_or_default()
}

/// A stream that ends when the caller's token does: it may be open for days, and whoever may not come in any more is
/// told nothing more.
struct GuardedBody {
    inner: TonicBody,
    app: Arc<App>,
    identity: Identity,
    is_over: bool,
}

impl Body for GuardedBody {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && frame.is_data()
            && let Err(refused) = self.app.caller_check(&self.identity)
        {
            self.is_over = true;
            let mut trailers = status::of(refused).into_http::<TonicBody>().into_parts().0.headers;
            // It stood in the head.
            trailers.remove(CONTENT_TYPE);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
