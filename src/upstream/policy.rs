//! The one policy for every call to either system. In this order, for every send:
//!
//! 1. may it be sent, and does somebody wait? 2. paused? 3. breaker closed? 4. a slot in the budget, by priority;
//! 5. send, if it still may be; 6. classify by the matrix, and tell the breaker; 7. wait and try again, here and nowhere else.
//!
//! Reads may all be repeated. A call that changes the world is repeated only after a send that was provably not carried
//! out.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::TimeDelta;
use reqwest::{
    RequestBuilder,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::SecretString;

use super::{
    Settings,
    breaker::{Breaker, Permit},
    budget::{Budget, Priority},
    endpoint::{Effect, Endpoint, PER_SYSTEM},
    error::{Error, Result},
    gate::Gate,
    matrix::{Again, Health},
    outgoing::Outgoing,
    patience::Call,
    redact::Redactor,
    retry::Backoff,
    site::Site,
    status::{BreakerState, BudgetStatus, SystemStatus},
    subject::Subject,
    token::{Origin, Tokens},
    token_share::{Seal, TokenShelf},
    traffic::Traffic,
    transport::{self, Reading, Sending},
};
use crate::domain::{clock::Clock, pauses::Pause, reasons::Reason};

/// How long a run waits before it asks anew for what the database must grant.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// In place of an instant in microseconds.
const NEVER: i64 = i64::MIN;

/// Times that a call takes another replica's token for a refused one.
const MOST_RENEWALS: u32 = 3;

/// What a client works with besides its account.
pub struct Means {
    /// Time limits and sizes.
    pub settings: Settings,
    /// The calls that may be sent.
    pub budget: Budget,
    /// Where it shares its token with the account's other replicas.
    pub shelf: Arc<dyn TokenShelf>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Makes calls to one system under one account; [`super::Openplat`] and [`super::Ylh`] know which.
pub struct Client {
    pub(super) site: Site,
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tokens: Tokens,
    pub(super) gate: Gate,
    pub(super) http: reqwest::Client,
    /// The token address that did not answer 404.
    pub(super) token_url: OnceLock<String>,
    redactor: Redactor,
    pub(super) budget: Budget,
    backoff: Backoff,
    pub(super) breakers: [Breaker; PER_SYSTEM],
    traffic: Traffic,
    /// When Haier last answered a call, in microseconds.
    answered_at: AtomicI64,
    /// When the first listing failed since one began, in microseconds.
    listing_failed_at: AtomicI64,
    /// Where the replicas of this account keep their token, and how.
    pub(super) share: Option<(Arc<dyn TokenShelf>, Seal)>,
}

impl Client {
    /// Fails when this machine has no usable TLS roots.
    pub(super) fn new(site: Site, means: Means) -> Result<Self> {
        let Means { settings, budget, shelf, clock } = means;
        let breaker = |endpoint| Breaker::new(endpoint, settings.breaker.clone(), Arc::clone(&clock));
        Ok(Self {
            http: transport::client(&settings, &budget)?,
            redactor: Redactor::new(&site.secrets()),
            tokens: Tokens::default(),
            token_url: OnceLock::new(),
            gate: Gate::new(Arc::clone(&clock)),
            backoff: Backoff::new(settings.retry.clone()),
            breakers: site.system.endpoints().map(breaker),
            traffic: Traffic::new(),
            answered_at: AtomicI64::new(NEVER),
            listing_failed_at: AtomicI64::new(NEVER),
            share: Seal::new(&site.key, site.login.client_secret()).map(|seal| (shelf, seal)),
            site,
            settings,
            budget,
            clock,
        })
    }

    /// One call, with as many sends as it takes and the settings allow; the bytes are the same in each.
    pub(super) async fn call<R: Reading>(
        self: &Arc<Self>,
        endpoint: Endpoint,
        subject: &Subject,
        body: &Bytes,
        call: &Call<'_>,
        reading: &R,
    ) -> Result<R::Out> {
        let asked_at = self.clock.now();
        let answer = self.repeated(endpoint, subject, body, call, reading).await;
        match (call.waits, &answer) {
            (Some(waits), Err(error)) if error.is_unanswered() => waits.unanswered(asked_at),
            (Some(waits), _) => waits.answered(),
            (None, _) => {}
        }
        answer
    }

    async fn repeated<R: Reading>(
        self: &Arc<Self>,
        endpoint: Endpoint,
        subject: &Subject,
        body: &Bytes,
        call: &Call<'_>,
        reading: &R,
    ) -> Result<R::Out> {
        let (mut sends, mut renewals, mut failed) = (0, 0, None::<Error>);
        loop {
            sends += 1;
            match self.authenticated(endpoint, subject, body, call, reading, &mut renewals).await {
                // Nothing was sent: the token could not be fetched without a slot for it. Runs wait, as they do for slots.
                Err(error) if error.reason == Reason::StoreUnavailable && call.priority == Priority::Bulk => {
                    sends -= 1;
                    let _waiting = call.waits.map(|waits| waits.begin(error.reason, &error.detail, None));
                    tokio::select! {
                        error = call.ended() => return Err(error),
                        () = tokio::time::sleep(STORE_WAIT) => {}
                    }
                }
                Err(error) if error.reason == Reason::BreakerOpen => {
                    return Err(Error { after: failed.map(Box::new), ..error });
                }
                Err(error) => {
                    self.wait_for_another(endpoint, error.clone(), sends, call).await?;
                    failed = Some(error);
                }
                answer => return answer,
            }
        }
    }

    /// One send with a token; for a 401 another one with a fresh token, once in a call. One that another replica fetched may
    /// be as stale as the one before, so that it does not count as fresh.
    async fn authenticated<R: Reading>(
        self: &Arc<Self>,
        endpoint: Endpoint,
        subject: &Subject,
        body: &Bytes,
        call: &Call<'_>,
        reading: &R,
        renewals: &mut u32,
    ) -> Result<R::Out> {
        loop {
            // Before the token, so that none is fetched for a call that may not be made.
            let permit = self.admit_reserved(endpoint, subject, call)?;
            let token = self.token(call).await?;
            let authorization = self.site.login.authorization(&token).map_err(|_| {
                // Another replica's, of the version before.
                self.tokens.forget(&token);
                Error::new(Reason::MalformedAnswer, "the token holds characters that no header may hold")
            })?;
            let (bytes, begun) = Outgoing::body(body.clone(), call.may_send.cloned());
            let request = self.http.post(self.site.url(endpoint)).header(AUTHORIZATION, authorization);
            let request = request.header(CONTENT_TYPE, "application/json").body(bytes);
            let answer = self.send(permit, endpoint, request, Some(&token.value), call, reading).await;
            let answer = answer.map_err(|error| match endpoint.effect() {
                Effect::Read => error,
                Effect::Change => Error { reached: begun.has(), ..error.of_change(begun.has()) },
            });
            if !matches!(&answer, Err(error) if error.again == Again::FreshToken) {
                return answer;
            }
            // Expired early, or revoked by another holder. Dropped is this very token, not a newer one.
            self.tokens.forget(&token);
            let stale = token.origin == Origin::Shared && *renewals < MOST_RENEWALS;
            if *renewals > 0 && !stale {
                return answer;
            }
            *renewals += 1;
        }
    }

    /// Steps 1 to 3. The permit holds a probe's place while the breaker is half open.
    pub(super) fn admit<'a>(
        &'a self,
        endpoint: Endpoint,
        subject: &'a Subject,
        call: &Call<'_>,
    ) -> Result<Permit<'a>> {
        call.check()?;
        self.gate.check(endpoint)?;
        self.breakers[endpoint.index()].admit(subject)
    }

    /// Steps 4 to 6.
    pub(super) async fn send<R: Reading>(
        &self,
        permit: Permit<'_>,
        endpoint: Endpoint,
        request: RequestBuilder,
        token: Option<&SecretString>,
        call: &Call<'_>,
        reading: &R,
    ) -> Result<R::Out> {
        self.slot(&permit, endpoint, call).await?;
        call.check()?;
        let limit = if endpoint == self.site.system.token() {
            self.settings.token_timeout
        } else {
            self.settings.request_timeout
        };
        let (asked_at, started, redactor) = (self.clock.now(), Instant::now(), &self.redactor);
        let reach = self.settings.reach;
        let sending = Sending { endpoint, call, asked_at, started, limit, reach, redactor, token };
        self.traffic.let_out();
        let answer = sending.run(request, reading).await;
        if let Err(error) = &answer
            && error.reason == Reason::RateLimited
        {
            self.budget.throttled(error.retry_after);
        }
        let health = answer.as_ref().map(drop).map_err(|error| error.health);
        if matches!(health, Ok(()) | Err(Health::Up)) {
            self.answered_at.store(self.clock.now().timestamp_micros(), Ordering::Relaxed);
        }
        permit.tell(health);
        let outcome = answer.as_ref().map_or_else(|error| error.reason.as_str(), |_| "OK");
        let (name, elapsed) = (endpoint.name(), started.elapsed());
        metrics::counter!("haier_upstream_calls_total", "endpoint" => name, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("haier_upstream_call_duration_seconds", "endpoint" => name).record(elapsed);
        tracing::debug!(endpoint = name, outcome, ?elapsed, "called Haier");
        answer
    }

    /// Waits for a slot; no longer than anybody waits for the call, or than it may be made.
    async fn slot(&self, permit: &Permit<'_>, endpoint: Endpoint, call: &Call<'_>) -> Result<()> {
        let _waiting = self.traffic.wait(call.priority);
        tokio::select! {
            biased;
            error = call.ended() => Err(error),
            error = self.gate.closed(endpoint) => Err(error),
            error = permit.breaker().opened() => Err(error),
            slot = async {
                match call.waits {
                    Some(waits) => waits.for_slot(self.budget.acquire(call)).await,
                    None => self.budget.acquire(call).await,
                }
            } => slot,
        }
    }

    /// Step 7: returns when the next send is due, or the error when there is none.
    pub(super) async fn wait_for_another(
        &self,
        endpoint: Endpoint,
        error: Error,
        sends: u32,
        call: &Call<'_>,
    ) -> Result<()> {
        let wait = match error.again {
            Again::Backoff => self.backoff.wait(sends, error.retry_after),
            Again::Never | Again::FreshToken => None,
        };
        // One that ends after everybody has gone is spared: they hear now what went wrong.
        let Some(wait) = wait.filter(|wait| !call.ends_within(*wait)) else {
            if error.alert {
                self.breakers[endpoint.index()].alert(&error);
            }
            return Err(error);
        };
        tracing::debug!(endpoint = endpoint.name(), sends, ?wait, %error, "calling Haier again");
        // The waits after other failures are short, and part of the call.
        let throttled = call.waits.filter(|_| error.reason == Reason::RateLimited);
        let until = TimeDelta::from_std(wait).ok().map(|wait| self.clock.now() + wait);
        let _waiting = throttled.map(|waits| waits.begin(error.reason, &error.detail, until));
        tokio::select! {
            error = call.ended() => Err(error),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// Obeys these pauses at once, also for calls that wait for a slot; all others let calls pass again.
    pub fn set_pauses(&self, in_force: &[Pause]) {
        self.gate.set(in_force);
    }

    /// Notes how a listing began. All listings are about one thing, so that they alone open no breaker.
    pub(super) fn note_listing(&self, health: std::result::Result<(), Health>) {
        let (failed_at, now) = (&self.listing_failed_at, self.clock.now().timestamp_micros());
        match health {
            Ok(()) | Err(Health::Up) => failed_at.store(NEVER, Ordering::Relaxed),
            // It stays as it is while listings go on failing.
            Err(Health::Down) => {
                let _ = failed_at.compare_exchange(NEVER, now, Ordering::Relaxed, Ordering::Relaxed);
            }
            Err(Health::Unclear) => {}
        }
    }

    /// Whether Haier has answered something since each breaker that is open opened, and since listings fail.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        let answered_at = self.answered_at.load(Ordering::Relaxed);
        if answered_at < self.listing_failed_at.load(Ordering::Relaxed) {
            return false;
        }
        let mut open =
            self.breakers.iter().map(Breaker::status).filter(|one| one.state != BreakerState::Closed);
        open.all(|breaker| breaker.since.timestamp_micros() <= answered_at)
    }

    /// How its budget, breakers and token stand.
    #[must_use]
    pub fn status(&self) -> SystemStatus {
        let (last_second, last_minute) = self.traffic.lately();
        SystemStatus {
            system: self.site.system.name().to_owned(),
            account: self.site.account.clone(),
            former: false,
            budget: BudgetStatus {
                limit: self.settings.rate,
                last_second,
                last_minute,
                waiting_live: self.traffic.waiting(Priority::Live),
                waiting_bulk: self.traffic.waiting(Priority::Bulk),
            },
            breakers: self.breakers.iter().map(Breaker::status).collect(),
            token: self.tokens.status(),
        }
    }
}
