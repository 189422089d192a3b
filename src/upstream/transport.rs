//! One request over HTTP and its answer: limits of time, what a status means, and how the body is taken.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::{Certificate, Client, RequestBuilder, Response, header};
use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    Settings,
    budget::Budget,
    connecting::Paced,
    endpoint::Endpoint,
    envelope::{self, BOM},
    error::{Error, Result},
    hosts::{self, PublicResolver, Reach},
    matrix::{self, CONNECTION_FAULT, GIVEN_UP, Health, TIMED_OUT, UNREADABLE},
    patience::Call,
    redact::Redactor,
    retry::parse_retry_after,
};
use crate::domain::reasons::Reason;

/// Most of an answer that is not a listing; 20 records are a few kilobytes.
const MAX_ANSWER: usize = 8 << 20;
/// Most of a token's answer, which may hold a long token and some words.
const MAX_TOKEN_ANSWER: usize = 64 << 10;
/// What is usual. Of longer answers this process holds only so many at a time, whatever asks for them; further ones wait, as
/// long as their send may take.
const USUAL_ANSWER: usize = 256 << 10;
static LONG_ANSWERS: Semaphore = Semaphore::const_new(2);

/// A client that pools its connections, keeps them alive, takes gzip, follows no redirect and repeats nothing by itself,
/// but for a request that was given back unwritten by a connection that had just been closed. HTTP/1, because over HTTP/2
/// nobody could say what was written.
pub(super) fn client(settings: &Settings, budget: &Budget) -> Result<Client> {
    // Another part of the process may have chosen a provider before; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(settings.token_timeout)
        .connector_layer(Paced::by(budget.clone()))
        .pool_idle_timeout(Duration::from_secs(60))
        .user_agent(concat!("haier-integration/", env!("CARGO_PKG_VERSION")));
    if let Some(roots) = &settings.roots {
        client = client.tls_certs_only(roots.iter().filter_map(|root| Certificate::from_der(root).ok()));
    }
    if settings.reach == Reach::Public {
        client = client.dns_resolver(PublicResolver);
    }
    client.build().map_err(|error| Error::new(Reason::Internal, format!("no HTTP client: {error}")))
}

/// One send: what is asked, since when, and how long it may take.
#[derive(Clone, Copy)]
pub(super) struct Sending<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) call: &'a Call<'a>,
    pub(super) asked_at: DateTime<Utc>,
    pub(super) started: Instant,
    pub(super) limit: Duration,
    pub(super) reach: Reach,
    pub(super) redactor: &'a Redactor,
    pub(super) token: Option<&'a SecretString>,
}

/// How the body of a good answer is taken.
pub(super) trait Reading: Sync {
    /// What is made of it.
    type Out: Send;

    /// Takes it. Fails with what the matrix says of such an answer.
    fn read(
        &self,
        response: Response,
        sending: &Sending<'_>,
    ) -> impl Future<Output = Result<Self::Out>> + Send;
}

/// The whole body, decoded; it has the same limit as the head.
pub(super) struct Whole<F>(pub(super) F);

impl<T: Send, F: Fn(&[u8], DateTime<Utc>) -> Result<T> + Sync> Reading for Whole<F> {
    type Out = T;

    async fn read(&self, response: Response, sending: &Sending<'_>) -> Result<T> {
        let body = sending.within(read(response, sending.endpoint)).await?;
        (self.0)(body.bytes(), sending.asked_at)
    }
}

impl Sending<'_> {
    /// Sends, and turns everything but a usable answer into an error, with Haier's words fit to be shown.
    pub(super) async fn run<R: Reading>(&self, request: RequestBuilder, reading: &R) -> Result<R::Out> {
        let answered = async {
            let fault = |error: reqwest::Error| connection_fault(self.endpoint, &error);
            let response = self.within(async { self.send(request).await?.map_err(fault) }).await?;
            if response.status().is_success() {
                return reading.read(response, self).await;
            }
            Err(self.refused(response).await)
        };
        answered.await.map_err(|error| self.redacted(error))
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Result<Response>> {
        let (client, request) = request.build_split();
        match request {
            Ok(request) => {
                if self.reach == Reach::Public {
                    hosts::check_number(request.url())?;
                }
                Ok(client.execute(request).await)
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// A step within the limit of this send, and within the patience of those who wait.
    pub(super) async fn within<T>(&self, step: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            done = step => done,
            () = tokio::time::sleep_until((self.started + self.limit).into()) => Err(self.timed_out()),
            () = self.call.over() => Err(self.given_up()),
        }
    }

    fn redacted(&self, mut error: Error) -> Error {
        error.detail = self.redactor.words_about(self.call.order, &error.detail, self.token);
        if let Some(refusal) = &mut error.refusal {
            refusal.message = self.redactor.words_about(self.call.order, &refusal.message, self.token);
        }
        error
    }

    fn timed_out(&self) -> Error {
        Error::of(
            TIMED_OUT,
            format!("no answer to {} within {:.1} s", self.endpoint.name(), self.limit.as_secs_f64()),
        )
    }

    /// Whoever asked had less time than a send may take. A Haier that is silent for half of that is down all the same:
    /// else no breaker would ever open for live calls, whose deadlines come first.
    fn given_up(&self) -> Error {
        let waited = self.started.elapsed();
        let health = if waited >= self.limit / 2 { Health::Down } else { Health::Unclear };
        let detail = format!("no answer to {} within {:.1} s", self.endpoint.name(), waited.as_secs_f64());
        Error { health, ..Error::of(GIVEN_UP, detail) }
    }

    async fn refused(&self, response: Response) -> Error {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok())
            .and_then(|text| parse_retry_after(text, self.asked_at));
        let body = self.within(read(response, self.endpoint)).await;
        let refusal = body.map(|body| envelope::words(body.bytes())).unwrap_or_default();
        let mut detail = format!("Haier answered {status} to {}", self.endpoint.name());
        if !refusal.message.is_empty() {
            detail = format!("{detail}: {}", refusal.message);
        }
        let (status_line, refusal) = (matrix::of_status(status), Some(Box::new(refusal)));
        Error { retry_after, status: Some(status), refusal, ..Error::of(status_line, detail) }
    }
}

/// A whole body, and its place among the long ones.
struct Answer {
    bytes: Bytes,
    _place: Option<SemaphorePermit<'static>>,
}

impl Answer {
    /// Without the mark that some servers put in front.
    fn bytes(&self) -> &[u8] {
        self.bytes.strip_prefix(BOM).unwrap_or(&self.bytes)
    }
}

async fn read(mut response: Response, endpoint: Endpoint) -> Result<Answer> {
    let most = if endpoint.is_token() { MAX_TOKEN_ANSWER } else { MAX_ANSWER };
    let (mut body, mut place) = (BytesMut::new(), None);
    while let Some(chunk) = response.chunk().await.map_err(|error| connection_fault(endpoint, &error))? {
        let length = body.len() + chunk.len();
        if length > most {
            let detail = format!("the answer to {} is longer than {most} bytes", endpoint.name());
            return Err(Error::of(UNREADABLE, detail).for_good());
        }
        if length > USUAL_ANSWER && place.is_none() {
            // Never closed.
            place = LONG_ANSWERS.acquire().await.ok();
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { bytes: body.freeze(), _place: place })
}

/// No connection, or one that broke. The words are the innermost cause: the others repeat the address.
fn connection_fault(endpoint: Endpoint, error: &reqwest::Error) -> Error {
    if let Some(refused) = hosts::refused(error) {
        return refused;
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_connect() { "cannot connect to Haier for" } else { "the connection broke in" };
    Error::of(CONNECTION_FAULT, format!("{what} {}: {cause}", endpoint.name()))
}
