//! The orders that are worked on here, and until when each is in this worker's hands. A worker that stood still for longer
//! than its lease finds out here, before it sends what another one may have taken over.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::{
    domain::clock::Clock,
    store::order_pushes::{Claim, ClaimedOrder},
};

/// Until when one claim holds, as far as is known here: never longer than the store says.
#[derive(Debug)]
pub(super) struct Lease(Mutex<Term>);

/// The end of a lease: by the clock, and by the uptime, which no step of the clock prolongs.
#[derive(Debug, Clone, Copy)]
struct Term {
    until: DateTime<Utc>,
    until_up: Duration,
}

impl Term {
    fn new(until: DateTime<Utc>, clock: &dyn Clock) -> Self {
        let left = (until - clock.now()).to_std().unwrap_or_default();
        Self { until, until_up: clock.uptime() + left }
    }
}

impl Lease {
    pub(super) fn holds(&self, clock: &dyn Clock) -> bool {
        let Term { until, until_up } = *self.lock();
        clock.now() < until && clock.uptime() < until_up
    }

    /// What the store says, since the worker still has the order in hand.
    pub(super) fn prolong(&self, until: DateTime<Utc>, clock: &dyn Clock) {
        *self.lock() = Term::new(until, clock);
    }

    fn lock(&self) -> MutexGuard<'_, Term> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of the orders that are worked on here.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<BTreeMap<Claim, Arc<Lease>>>);

/// An order that is worked on here, until this is dropped.
pub(super) struct InHand<'a> {
    leases: &'a Leases,
    claim: Claim,
    pub(super) lease: Arc<Lease>,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.claim);
    }
}

impl Leases {
    /// Notes that a claimed order is worked on here.
    pub(super) fn take(&self, claimed: &ClaimedOrder, clock: &dyn Clock) -> InHand<'_> {
        let term = Mutex::new(Term::new(claimed.lease_until, clock));
        let (claim, lease) = (claimed.claim(), Arc::new(Lease(term)));
        self.lock().insert(claim, Arc::clone(&lease));
        InHand { leases: self, claim, lease }
    }

    /// All that are worked on here.
    pub(super) fn claims(&self) -> Vec<Claim> {
        self.lock().keys().copied().collect()
    }

    /// The store has prolonged these.
    pub(super) fn prolong(&self, claims: &[Claim], until: DateTime<Utc>, clock: &dyn Clock) {
        let leases = self.lock();
        claims.iter().filter_map(|claim| leases.get(claim)).for_each(|lease| lease.prolong(until, clock));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Claim, Arc<Lease>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
