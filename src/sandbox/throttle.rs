//! Counts what arrives and refuses what is above the limit, exactly, over sliding windows of one second.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::endpoint::{Endpoint, System};

const WINDOW: Duration = Duration::from_secs(1);

/// The counters of every system and endpoint.
pub(super) struct Throttle {
    limit: Option<u32>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    systems: [Counter; System::ALL.len()],
    /// What was let through, which alone decides about the next call: a client that is refused may try again at once
    /// without shutting itself out for good.
    admitted: [VecDeque<Instant>; System::ALL.len()],
    endpoints: [Counter; Endpoint::ALL.len()],
}

#[derive(Default)]
struct Counter {
    calls: u64,
    rejected: u64,
    max_in_any_second: usize,
    last_second: VecDeque<Instant>,
}

impl Throttle {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { limit, counts: Mutex::default() }
    }

    /// Counts one call; false when it is above the limit.
    pub(super) fn admit(&self, endpoint: Endpoint) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that the instants in the windows are in order.
        counts.admit(endpoint, Instant::now(), self.limit)
    }

    pub(super) fn stats(&self) -> Value {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let max: Map<_, _> = System::ALL
            .into_iter()
            .map(|system| (system.name().into(), counts.systems[system as usize].max_in_any_second.into()))
            .collect();
        let endpoints: Map<_, _> = Endpoint::ALL
            .into_iter()
            .map(|endpoint| {
                let counter = &counts.endpoints[endpoint as usize];
                let figures = json!({
                    "calls": counter.calls,
                    "max_in_any_second": counter.max_in_any_second,
                    "rejected": counter.rejected,
                });
                (endpoint.name().into(), figures)
            })
            .collect();
        let rejected: u64 = counts.systems.iter().map(|counter| counter.rejected).sum();
        json!({ "max_in_any_second": max, "endpoints": endpoints, "rejected": rejected })
    }
}

impl Counts {
    fn admit(&mut self, endpoint: Endpoint, now: Instant, limit: Option<u32>) -> bool {
        let system = endpoint.system() as usize;
        let admitted = &mut self.admitted[system];
        trim(admitted, now);
        let within = limit.is_none_or(|limit| admitted.len() < limit as usize);
        if within && limit.is_some() {
            admitted.push_back(now);
        }
        self.systems[system].count(now, within);
        self.endpoints[endpoint as usize].count(now, within);
        within
    }
}

impl Counter {
    fn count(&mut self, now: Instant, admitted: bool) {
        trim(&mut self.last_second, now);
        self.last_second.push_back(now);
        self.max_in_any_second = self.max_in_any_second.max(self.last_second.len());
        self.calls += 1;
        self.rejected += u64::from(!admitted);
    }
}

fn trim(window: &mut VecDeque<Instant>, now: Instant) {
    while window.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
        window.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut counts = Counts::default();
        let mut call = |millis| counts.admit(Endpoint::Products, at(millis), Some(2));
        // A refused call takes no place; a call leaves the window a full second after it came.
        assert_eq!(
            [0, 900, 950, 1000, 1100, 1899, 1900].map(&mut call),
            [true, true, false, true, false, false, true]
        );
        assert_eq!(counts.systems[0].rejected, 3);
        assert_eq!(counts.endpoints[Endpoint::Products as usize].max_in_any_second, 5);
    }
}
