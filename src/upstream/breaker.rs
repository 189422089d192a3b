//! One breaker an operation: after several outages in a row it opens, and calls are refused at once instead of waiting
//! for a Haier that is down; after a while a few probes find out whether it is back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::{
    endpoint::Endpoint,
    error::{Error, Result},
    matrix::Health,
    status::{BreakerState, BreakerStatus},
};
use crate::domain::{clock::Clock, reasons::Reason};

/// When to look again while all probes are out.
const PROBES_OUT: Duration = Duration::from_secs(1);

/// When breakers open and close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Outages in a row that open one, at least 1.
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

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: DateTime<Utc>,
    /// Outages in a row.
    failures: u32,
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
}

impl Breaker {
    pub(super) fn new(endpoint: Endpoint, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        let since = clock.now();
        let state = State { phase: Phase::Closed, since, failures: 0, generation: 0 };
        show(endpoint, Phase::Closed);
        let alerted = AtomicBool::new(false);
        Self { endpoint, settings, clock, state: watch::Sender::new(state), alerted }
    }

    /// Leave to send, unless the breaker is open or all its probes are out.
    pub(super) fn admit(&self) -> Result<Permit<'_>> {
        let now = self.clock.now();
        let mut generation = Err(());
        self.state.send_if_modified(|state| {
            let mut turned = false;
            if matches!(state.phase, Phase::Open { until } if until <= now) {
                self.turn(state, Phase::HalfOpen { out: 0, succeeded: 0 }, now);
                turned = true;
            }
            let admitted = match &mut state.phase {
                Phase::Closed => true,
                Phase::Open { .. } => false,
                Phase::HalfOpen { out, succeeded } => {
                    let free = *out + *succeeded < self.settings.probes;
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
            Ok(generation) => Ok(Permit { breaker: self, generation }),
            Err(()) => Err(self.refusal()),
        }
    }

    /// Returns once the breaker is open, with what to tell those who wait for a slot.
    pub(super) async fn opened(&self) -> Error {
        // The sender is this breaker's own, so it cannot be gone.
        let _ = self.state.subscribe().wait_for(|state| matches!(state.phase, Phase::Open { .. })).await;
        self.refusal()
    }

    fn refusal(&self) -> Error {
        let State { phase, failures, .. } = *self.state.borrow();
        let wait = match phase {
            Phase::Open { until } => (until - self.clock.now()).to_std().unwrap_or_default(),
            Phase::Closed | Phase::HalfOpen { .. } => PROBES_OUT,
        };
        let detail = format!(
            "Haier's {} failed {failures} times in a row; it is left alone for another {:.1} s",
            self.endpoint.name(),
            wait.as_secs_f64()
        );
        Error { retry_after: Some(wait), ..Error::new(Reason::BreakerOpen, detail) }
    }

    fn turn(&self, state: &mut State, phase: Phase, now: DateTime<Utc>) {
        let was = std::mem::replace(&mut state.phase, phase);
        state.since = now;
        state.generation += 1;
        show(self.endpoint, phase);
        let (operation, failures) = (self.endpoint.name(), state.failures);
        match (was, phase) {
            (Phase::Closed, Phase::Open { .. }) => {
                tracing::warn!(operation, failures, open = ?self.settings.open, "circuit breaker opened: Haier is down")
            }
            (_, Phase::Closed) => tracing::info!(operation, "circuit breaker closed: Haier is back"),
            _ => tracing::debug!(operation, ?was, now = ?phase, "circuit breaker turned"),
        }
    }

    fn hear(&self, generation: u64, health: Health) {
        let now = self.clock.now();
        self.state.send_if_modified(|state| {
            if state.generation != generation {
                return false;
            }
            if let Phase::HalfOpen { out, .. } = &mut state.phase {
                *out -= 1;
            }
            match (health, &mut state.phase) {
                (Health::Unclear, _) | (_, Phase::Open { .. }) => return false,
                (Health::Up, Phase::Closed) => state.failures = 0,
                (Health::Up, Phase::HalfOpen { succeeded, .. }) => {
                    *succeeded += 1;
                    if *succeeded >= self.settings.probes {
                        state.failures = 0;
                        self.turn(state, Phase::Closed, now);
                        return true;
                    }
                }
                (Health::Down, phase) => {
                    let half_open = matches!(phase, Phase::HalfOpen { .. });
                    state.failures = state.failures.saturating_add(1);
                    if half_open || state.failures >= self.settings.failures {
                        let open = TimeDelta::from_std(self.settings.open).unwrap_or(TimeDelta::MAX);
                        self.turn(state, Phase::Open { until: now + open }, now);
                        return true;
                    }
                }
            }
            false
        });
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
        let State { phase, since, failures, .. } = *self.state.borrow();
        let (state, probe_at) = match phase {
            Phase::Closed => (BreakerState::Closed, None),
            // Nobody has asked since: the next call will find it half open.
            Phase::Open { until } if until <= self.clock.now() => (BreakerState::HalfOpen, None),
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
        self.breaker.hear(self.generation, health);
        // The place is given back already.
        std::mem::forget(self);
    }

    pub(super) const fn breaker(&self) -> &Breaker {
        self.breaker
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.breaker.hear(self.generation, Health::Unclear);
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::domain::clock::BoxFuture;

    struct Turned(Mutex<DateTime<Utc>>);

    impl Turned {
        fn by(&self, seconds: i64) {
            *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
        }
    }

    impl Clock for Turned {
        fn now(&self) -> DateTime<Utc> {
            *self.0.lock().unwrap()
        }

        fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn breaker(failures: u32, probes: u32) -> (Breaker, Arc<Turned>) {
        let clock = Arc::new(Turned(Mutex::new(DateTime::UNIX_EPOCH)));
        let settings = BreakerSettings { failures, open: Duration::from_secs(30), probes };
        (Breaker::new(Endpoint::Prices, settings, clock.clone()), clock)
    }

    fn send(breaker: &Breaker, health: Health) {
        breaker.admit().unwrap_or_else(|error| panic!("{error}")).tell(Err(health));
    }

    fn refused(breaker: &Breaker) -> Option<Duration> {
        breaker.admit().err().map(|error| {
            assert_eq!(error.reason, Reason::BreakerOpen);
            error.retry_after.unwrap()
        })
    }

    #[test]
    fn only_outages_in_a_row_open_it() {
        let (breaker, _) = breaker(3, 1);
        for health in [Health::Down, Health::Down, Health::Up, Health::Down, Health::Unclear, Health::Down] {
            send(&breaker, health);
        }
        assert_eq!(breaker.status().state, BreakerState::Closed);
        send(&breaker, Health::Down);
        assert_eq!(refused(&breaker), Some(Duration::from_secs(30)));
        assert_eq!(breaker.status().failures, 3);
    }

    #[test]
    fn after_its_time_a_few_probes_decide() {
        let (breaker, clock) = breaker(1, 2);
        send(&breaker, Health::Down);
        clock.by(29);
        assert_eq!(refused(&breaker), Some(Duration::from_secs(1)));
        clock.by(1);
        let (one, other) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        assert_eq!(refused(&breaker), Some(PROBES_OUT));
        one.tell(Ok(()));
        assert_eq!(refused(&breaker), Some(PROBES_OUT), "a probe that succeeded keeps its place");
        other.tell(Ok(()));
        assert_eq!(breaker.status().state, BreakerState::Closed);

        send(&breaker, Health::Down);
        clock.by(30);
        let (one, other) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        one.tell(Err(Health::Down));
        assert_eq!(refused(&breaker), Some(Duration::from_secs(30)));
        other.tell(Ok(()));
        assert_eq!(breaker.status().state, BreakerState::Open, "a probe of before says nothing");
    }

    #[test]
    fn a_dropped_probe_frees_its_place() {
        let (breaker, clock) = breaker(1, 1);
        send(&breaker, Health::Down);
        clock.by(30);
        for _ in 0..5 {
            drop(breaker.admit().unwrap());
        }
        send(&breaker, Health::Unclear);
        send(&breaker, Health::Up);
        assert_eq!(breaker.status().state, BreakerState::Closed);
    }

    #[test]
    fn what_was_sent_while_it_was_closed_does_not_count_as_a_probe() {
        let (breaker, clock) = breaker(1, 1);
        let early = breaker.admit().unwrap();
        send(&breaker, Health::Down);
        clock.by(30);
        let probe = breaker.admit().unwrap();
        early.tell(Ok(()));
        assert_eq!(breaker.status().state, BreakerState::HalfOpen);
        probe.tell(Ok(()));
        assert_eq!(breaker.status().state, BreakerState::Closed);
    }

    #[test]
    fn a_person_is_called_once_until_the_operation_has_succeeded_again() {
        let (breaker, _) = breaker(5, 1);
        let forbidden = Error::of(crate::upstream::matrix::of_status(403), "403");
        let refused = || {
            breaker.admit().unwrap_or_else(|error| panic!("{error}")).tell(Err(forbidden.health));
            breaker.alert(&forbidden)
        };
        assert_eq!([refused(), refused(), refused()], [true, false, false]);
        breaker.admit().unwrap_or_else(|error| panic!("{error}")).tell(Ok(()));
        assert!(refused());
    }
}
