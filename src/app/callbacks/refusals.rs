//! Refused callbacks: all counted, and told in the log at most once a second for each reason, so that whoever sends forged
//! ones cannot fill a disk.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::callbacks::Refusal;

const PERIOD: TimeDelta = TimeDelta::seconds(1);

/// When each reason was last told, and how many were not since.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<Refusal, (DateTime<Utc>, u64)>>);

impl Refusals {
    /// Counts one and tells of it. An `AppKey` is no secret, but whoever forges one chooses it: it is not shown.
    pub(super) fn record(&self, refusal: Refusal, now: DateTime<Utc>) {
        metrics::counter!("haier_callbacks_total", "outcome" => "refused", "reason" => refusal.as_str())
            .increment(1);
        if let Some(untold) = self.untold(refusal, now) {
            tracing::warn!(reason = refusal.as_str(), untold, "a callback is refused: {}", refusal.advice());
        }
    }

    /// How many were kept silent since the last line. `None`: this one is, too.
    fn untold(&self, refusal: Refusal, now: DateTime<Utc>) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(&refusal) {
            Some((at, untold)) if (now - *at).abs() < PERIOD => {
                *untold += 1;
                None
            }
            known => {
                let untold = known.map_or(0, |(_, untold)| *untold);
                told.insert(refusal, (now, 0));
                Some(untold)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::{Refusal, Refusals};

    #[test]
    fn a_line_a_second_and_reason_tells_how_many_were_silent() {
        let refusals = Refusals::default();
        let at = |millis| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis);
        let told =
            [0, 1, 999, 1_000, 1_500, 2_000].map(|millis| refusals.untold(Refusal::Signature, at(millis)));
        assert_eq!(told, [Some(0), None, None, Some(2), None, Some(1)]);
        assert_eq!(refusals.untold(Refusal::TimeStamp, at(2_000)), Some(0));
    }
}
