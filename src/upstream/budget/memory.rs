//! The ledger of one process, in memory.

use std::{
    future::ready,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{SlotLedger, Unreachable};
use crate::domain::{
    clock::BoxFuture,
    slots::{Rules, Timeline, Turn, Wish},
};

/// The ledger's time when it was made: long after the beginning of its timeline.
const BEGINNING: i64 = 1_000_000_000_000;

/// The slots of one process.
#[derive(Debug)]
pub struct MemoryLedger {
    rules: Rules,
    began: Instant,
    timeline: Mutex<Timeline>,
}

impl MemoryLedger {
    /// An empty timeline by these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, began: Instant::now(), timeline: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Timeline, i64) -> T) -> T {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        let now = BEGINNING + i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX / 2);
        act(&mut timeline, now)
    }
}

impl SlotLedger for MemoryLedger {
    fn reserve(&self, wish: Wish) -> BoxFuture<'_, Result<Turn, Unreachable>> {
        let turn = self.with(|timeline, now| timeline.reserve(now, &self.rules, &wish));
        Box::pin(ready(Ok(turn)))
    }

    fn hold(&self, wait: Duration) -> BoxFuture<'_, Result<(), Unreachable>> {
        self.with(|timeline, now| timeline.hold(now, &self.rules, wait));
        Box::pin(ready(Ok(())))
    }
}
