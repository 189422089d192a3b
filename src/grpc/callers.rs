//! The gate in front of everything that is served: says who calls, and lets in whom the rules let in. Whoever is let in
//! stands in the request's extensions as a [`Caller`].

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response, header::AUTHORIZATION};
use tonic::{Status, body::Body as TonicBody, transport::server::TcpConnectInfo};
use tower::Service;

use super::{
    calls::{Record, Who},
    status,
};
use crate::{
    app::App,
    auth::{
        Bound, Shown,
        rules::{self, Need},
    },
    domain::callers::Caller,
    error::Error,
};

/// A service behind the gate.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    app: Arc<App>,
}

impl<S> Guarded<S> {
    pub(super) const fn new(inner: S, app: Arc<App>) -> Self {
        Self { inner, app }
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
        match admit(&self.app, &mut request) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(refused) => Box::pin(std::future::ready(Ok(refused.into_http()))),
        }
    }
}

fn admit<B>(app: &App, request: &mut Request<B>) -> Result<(), Status> {
    let rule = rules::find(request.uri().path());
    if rule.is_some_and(|rule| rule.need == Need::Nothing) {
        return Ok(());
    }
    let caller = identify(app, request).map_err(status::of)?;
    match rule {
        Some(rule) => check(rule, &caller).map_err(status::of)?,
        // What has no rule is served to nobody, whatever stands behind this gate.
        None => return Err(status::unknown_method(request.uri().path())),
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Who calls. Told to the record before anything else can go wrong.
fn identify<B>(app: &App, request: &Request<B>) -> Result<Caller, Error> {
    let address = address(request.extensions());
    let shown = Shown {
        // What is no text is no token either.
        authorization: request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default()),
        certificate: request.extensions().get::<Bound>(),
        address: &address,
    };
    let found = app.caller_identify(&shown);
    if let Some(record) = request.extensions().get::<Record>() {
        let (name, role) = match &found {
            Ok(caller) => (caller.name.as_str(), caller.role.as_str()),
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
