//! Medians and percentiles.

use std::time::Duration;

/// The median of an odd number of values; of an even one, the upper of the two in the middle. 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Times of single calls.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For whoever watches.
    pub(crate) fn told(&self) -> String {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| self.percentile(percent));
        format!("p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2} ms")
    }

    /// The time that `percent` of the calls did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    }
}
