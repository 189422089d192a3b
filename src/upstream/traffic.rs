//! Counts for the status: who waits for a slot, and how many calls were let out lately.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use super::budget::Priority;

/// Seconds that are remembered.
const SPAN: u64 = 60;

/// The traffic of one client.
#[derive(Debug)]
pub(super) struct Traffic {
    waiting: [AtomicU32; 2],
    began: Instant,
    /// Whole seconds since `began` and how many calls went out in each; oldest first.
    seconds: Mutex<VecDeque<(u64, u32)>>,
}

/// One caller who waits for a slot.
pub(super) struct Waiting<'a> {
    traffic: &'a Traffic,
    priority: Priority,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { waiting: Default::default(), began: Instant::now(), seconds: Mutex::default() }
    }

    /// Counts a caller as waiting until the answer is dropped.
    pub(super) fn wait(&self, priority: Priority) -> Waiting<'_> {
        self.waiting[priority as usize].fetch_add(1, Ordering::Relaxed);
        gauge(priority).increment(1.0);
        Waiting { traffic: self, priority }
    }

    /// Counts a call that goes out.
    pub(super) fn let_out(&self) {
        self.let_out_at(self.began.elapsed().as_secs());
    }

    fn let_out_at(&self, second: u64) {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        match seconds.back_mut() {
            Some((last, calls)) if *last == second => *calls += 1,
            _ => seconds.push_back((second, 1)),
        }
        while seconds.front().is_some_and(|(first, _)| first + SPAN < second) {
            seconds.pop_front();
        }
    }

    /// Calls let out in the last whole second, and in the last minute.
    pub(super) fn lately(&self) -> (u32, u32) {
        self.lately_at(self.began.elapsed().as_secs())
    }

    fn lately_at(&self, now: u64) -> (u32, u32) {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |span: u64| seconds.iter().filter(move |(second, _)| second + span >= now);
        let last = since(1).filter(|(second, _)| *second < now).map(|(_, calls)| calls).sum();
        (last, since(SPAN).map(|(_, calls)| calls).sum())
    }

    pub(super) fn waiting(&self, priority: Priority) -> u32 {
        self.waiting[priority as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.traffic.waiting[self.priority as usize].fetch_sub(1, Ordering::Relaxed);
        gauge(self.priority).decrement(1.0);
    }
}

fn gauge(priority: Priority) -> metrics::Gauge {
    let priority = match priority {
        Priority::Live => "live",
        Priority::Bulk => "bulk",
    };
    metrics::gauge!("haier_upstream_waiting", "priority" => priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_and_the_last_minute_are_counted() {
        let traffic = Traffic::new();
        for second in [0, 0, 30, 61, 61, 61, 62] {
            traffic.let_out_at(second);
        }
        assert_eq!(traffic.lately_at(62), (3, 5));
        assert_eq!(traffic.lately_at(63), (1, 5));
        assert_eq!(traffic.lately_at(200), (0, 0));
    }

    #[test]
    fn a_caller_waits_until_it_is_dropped() {
        let traffic = Traffic::new();
        let (one, other) = (traffic.wait(Priority::Live), traffic.wait(Priority::Bulk));
        assert_eq!((traffic.waiting(Priority::Live), traffic.waiting(Priority::Bulk)), (1, 1));
        drop((one, other));
        assert_eq!((traffic.waiting(Priority::Live), traffic.waiting(Priority::Bulk)), (0, 0));
    }
}
