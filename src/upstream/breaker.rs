//! One breaker an operation: after several failures in a row it opens, and calls are refused at once instead of waiting
//! for a Haier that is down; after a while a few probes find out whether it is back.
//!
//! One product or order for which Haier always fails opens no breaker: only failures about different things count. And it
//! keeps none open: probes are taken from what has not failed before, as long as such calls come.

mod evidence;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use tokio::sync::watch;

use evidence::{Evidence, Proof};

use super::{
    endpoint::Endpoint,
    error::{Error, Result},
    matrix::Health,
    status::{BreakerState, BreakerStatus},
    subject::Subject,
};
use crate::domain::{
    clock::{Clock, is_due},
    reasons::Reason,
};

/// When to look again while all probes are out; also how long only calls about what has not failed before may be probes.
const PROBES_OUT: Duration = Duration::from_secs(1);

/// When breakers open and close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row, each about something else, that open one; at least 1.
    pub failures: u32,
    /// How long an open one refuses everything.
    pub open: Duration,
    /// Calls that must all succeed before it closes again, at least 1; no others are admitted meanwhile.
    pub probes: u32,
}

/// The breaker of one operation.
pub(super) struct Breaker {
    endpoint: Endpoint,
    settings: BreakerSettings,
    clock: Arc<dyn Clock>,
    state: watch::Sender<State>,
    /// Whether a person was called since the last success.
    alerted: AtomicBool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: DateTime<Utc>,
    evidence: Evidence,
    /// Raised by every change of phase: what was sent before says nothing about the phase after.
    generation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: DateTime<Utc> },
    HalfOpen { out: u32, succeeded: u32 },
}

/// Leave to send once. Dropped without a verdict, its place is free again.
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    generation: u64,
    subject: &'a Subject,
}

impl Breaker {
    pub(super) fn new(endpoint: Endpoint, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        let since = clock.now();
        let state = State { phase: Phase::Closed, since, evidence: Evidence::default(), generation: 0 };
        show(endpoint, Phase::Closed);
        let alerted = AtomicBool::new(false);
        Self { endpoint, settings, clock, state: watch::Sender::new(state), alerted }
    }

    /// Leave to send, unless the breaker is open or all its probes are out.
    pub(super) fn admit<'a>(&'a self, subject: &'a Subject) -> Result<Permit<'a>> {
        let now = self.clock.now();
        let mut generation = Err(());
        self.state.send_if_modified(|state| {
            let mut turned = false;
            if matches!(state.phase, Phase::Open { until } if self.is_over(until, now)) {
                self.turn(state, Phase::HalfOpen { out: 0, succeeded: 0 }, now);
                turned = true;
            }
            let State { phase, evidence, since, .. } = state;
            let admitted = match phase {
                Phase::Closed => true,
                Phase::Open { .. } => false,
                Phase::HalfOpen { out, succeeded } => {
                    let fresh = TimeDelta::from_std(self.probes_out()).unwrap_or(TimeDelta::MAX);
                    // A time since then that is negative is that of a clock that was set back.
                    let is_fresh = (TimeDelta::zero()..fresh).contains(&(now - *since));
                    let first_others = is_fresh && evidence.suspects(subject);
                    let free = !first_others && *out + *succeeded < self.settings.probes;
                    *out += u32::from(free);
                    free
                }
            };
            if admitted {
                generation = Ok(state.generation);
            }
            turned
        });
        match generation {
            Ok(generation) => Ok(Permit { breaker: self, generation, subject }),
            Err(()) => Err(self.refusal()),
        }
    }

    /// Why a call would not be admitted now. Takes no place; the words stay the same for as long as the reason lasts.
    pub(super) fn hold(&self) -> Option<Error> {
        let now = self.clock.now();
        let (phase, failures) = self.look(|state| (state.phase, state.evidence.failures()));
        let (wait, end) = match phase {
            Phase::Open { until } if !self.is_over(until, now) => {
                let wait = (until - now).to_std().unwrap_or_default();
                (wait, format!("left alone until {}", until.to_rfc3339_opts(SecondsFormat::Secs, true)))
            }
            Phase::HalfOpen { .. } if self.free() == Some(0) => {
                (self.probes_out(), "being probed; nothing else is sent".to_owned())
            }
            _ => return None,
        };
        let operation = self.endpoint.name();
        let detail = format!("Haier's {operation} failed {failures} times in a row and is {end}");
        Some(Error { retry_after: Some(wait), ..Error::new(Reason::BreakerOpen, detail) })
    }

    /// How many calls would be admitted now. `None`: any number.
    pub(super) fn free(&self) -> Option<u32> {
        match self.look(|state| state.phase) {
            Phase::Closed => None,
            Phase::Open { until } if self.is_over(until, self.clock.now()) => Some(self.settings.probes),
            Phase::Open { .. } => Some(0),
            Phase::HalfOpen { out, succeeded } => Some(self.settings.probes.saturating_sub(out + succeeded)),
        }
    }

    /// The permit that was detached with this generation.
    pub(super) const fn resume<'a>(&'a self, generation: u64, subject: &'a Subject) -> Permit<'a> {
        Permit { breaker: self, generation, subject }
    }

    /// Returns once the breaker is open, with what to tell those who wait for a slot.
    pub(super) async fn opened(&self) -> Error {
        // The sender is this breaker's own, so it cannot be gone.
        let _ = self.state.subscribe().wait_for(|state| matches!(state.phase, Phase::Open { .. })).await;
        self.refusal()
    }

    fn probes_out(&self) -> Duration {
        PROBES_OUT.min(self.settings.open)
    }

    fn refusal(&self) -> Error {
        let (phase, failures) = self.look(|state| (state.phase, state.evidence.failures()));
        let wait = match phase {
            Phase::Open { until } => (until - self.clock.now()).to_std().unwrap_or_default(),
            Phase::Closed | Phase::HalfOpen { .. } => self.probes_out(),
        };
        let detail = format!(
            "Haier's {} failed {failures} times in a row; it is left alone for another {:.1} s",
            self.endpoint.name(),
            wait.as_secs_f64()
        );
        Error { retry_after: Some(wait), ..Error::new(Reason::BreakerOpen, detail) }
    }

    /// Whether an open phase has ended.
    fn is_over(&self, until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        is_due(until, TimeDelta::from_std(self.settings.open).unwrap_or(TimeDelta::MAX), now)
    }

    fn turn(&self, state: &mut State, phase: Phase, now: DateTime<Utc>) {
        let was = std::mem::replace(&mut state.phase, phase);
        state.since = now;
        state.generation += 1;
        show(self.endpoint, phase);
        let (operation, failures) = (self.endpoint.name(), state.evidence.failures());
        match (was, phase) {
            (Phase::Closed, Phase::Open { .. }) => {
                tracing::warn!(operation, failures, open = ?self.settings.open, "circuit breaker opened: Haier is down")
            }
            (_, Phase::Closed) => tracing::info!(operation, "circuit breaker closed: Haier is back"),
            _ => tracing::debug!(operation, ?was, now = ?phase, "circuit breaker turned"),
        }
    }

    fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.state.borrow())
    }

    fn hear(&self, generation: u64, subject: &Subject, health: Health) {
        let now = self.clock.now();
        self.state.send_if_modified(|state| {
            if state.generation != generation {
                return false;
            }
            if let Phase::HalfOpen { out, .. } = &mut state.phase {
                *out -= 1;
            }
            let turned = match (health, state.phase) {
                (Health::Unclear, _) | (_, Phase::Open { .. }) => None,
                (Health::Up, _) => self.succeeded(state, subject, now),
                (Health::Down, _) => self.failed(state, subject, now),
            };
            let Some(phase) = turned else { return false };
            self.turn(state, phase, now);
            true
        });
    }

    fn succeeded(&self, state: &mut State, subject: &Subject, now: DateTime<Utc>) -> Option<Phase> {
        state.evidence.succeeded(subject, now);
        let Phase::HalfOpen { succeeded, .. } = &mut state.phase else { return None };
        *succeeded += 1;
        (*succeeded >= self.settings.probes).then_some(Phase::Closed)
    }

    fn failed(&self, state: &mut State, subject: &Subject, now: DateTime<Utc>) -> Option<Phase> {
        let is_enough = match state.evidence.failed(subject, now) {
            Proof::Apart => false,
            Proof::Outage | Proof::Repeated if state.phase != Phase::Closed => true,
            Proof::Repeated => false,
            Proof::Outage => state.evidence.failures() >= self.settings.failures,
        };
        let open = TimeDelta::from_std(self.settings.open).unwrap_or(TimeDelta::MAX);
        is_enough.then_some(Phase::Open { until: now + open })
    }

    /// Calls a person, once until the operation has succeeded again; whether this was the time.
    pub(super) fn alert(&self, error: &Error) -> bool {
        let is_first = !self.alerted.swap(true, Ordering::Relaxed);
        if is_first {
            let (operation, reason) = (self.endpoint.name(), error.reason);
            tracing::error!(operation, %reason, %error, alert = true, "Haier refuses this operation as such");
        }
        is_first
    }

    pub(super) fn status(&self) -> BreakerStatus {
        let (phase, since, failures) =
            self.look(|state| (state.phase, state.since, state.evidence.failures()));
        let (state, probe_at) = match phase {
            Phase::Closed => (BreakerState::Closed, None),
            // Nobody has asked since: the next call will find it half open.
            Phase::Open { until } if self.is_over(until, self.clock.now()) => (BreakerState::HalfOpen, None),
            Phase::Open { until } => (BreakerState::Open, Some(until)),
            Phase::HalfOpen { .. } => (BreakerState::HalfOpen, None),
        };
        let operation = self.endpoint.name().to_owned();
        BreakerStatus { operation, state, since, failures, probe_at }
    }
}

impl Permit<'_> {
    /// Says how the send went: it succeeded, or what its failure says about Haier's health.
    pub(super) fn tell(self, outcome: std::result::Result<(), Health>) {
        if outcome.is_ok() {
            self.breaker.alerted.store(false, Ordering::Relaxed);
        }
        let health = outcome.err().unwrap_or(Health::Up);
        self.breaker.hear(self.generation, self.subject, health);
        // The place is given back already.
        std::mem::forget(self);
    }

    /// Keeps the place without the permit. [`Breaker::resume`] must follow, or the place is lost.
    pub(super) fn detach(self) -> u64 {
        let generation = self.generation;
        std::mem::forget(self);
        generation
    }

    pub(super) const fn breaker(&self) -> &Breaker {
        self.breaker
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.breaker.hear(self.generation, self.subject, Health::Unclear);
    }
}

fn show(endpoint: Endpoint, phase: Phase) {
    let value = match phase {
        Phase::Closed => 0.0,
        Phase::HalfOpen { .. } => 1.0,
        Phase::Open { .. } => 2.0,
    };
    metrics::gauge!("haier_upstream_breaker_state", "operation" => endpoint.name()).set(value);
}
