//! The orders that are worked on here, and until when each is in this worker's hands. A worker that stood still for longer
//! than its lease finds out here, before it sends what another one may have taken over.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, Utc};

use crate::store::order_pushes::{Claim, ClaimedOrder};

/// Until when one claim holds, as far as is known here: never longer than the store says.
#[derive(Debug)]
pub(super) struct Lease {
    /// Microseconds since 1970.
    until: AtomicI64,
}

impl Lease {
    pub(super) fn holds(&self, now: DateTime<Utc>) -> bool {
        now.timestamp_micros() < self.until.load(Ordering::Acquire)
    }

    /// What the store says; one that was prolonged meanwhile stays so.
    pub(super) fn prolong(&self, until: DateTime<Utc>) {
        self.until.fetch_max(until.timestamp_micros(), Ordering::AcqRel);
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
    pub(super) fn take(&self, claimed: &ClaimedOrder) -> InHand<'_> {
        let until = AtomicI64::new(claimed.lease_until.timestamp_micros());
        let (claim, lease) = (claimed.claim(), Arc::new(Lease { until }));
        self.lock().insert(claim, Arc::clone(&lease));
        InHand { leases: self, claim, lease }
    }

    /// All that are worked on here.
    pub(super) fn claims(&self) -> Vec<Claim> {
        self.lock().keys().copied().collect()
    }

    /// The store has prolonged these.
    pub(super) fn prolong(&self, claims: &[Claim], until: DateTime<Utc>) {
        let leases = self.lock();
        claims.iter().filter_map(|claim| leases.get(claim)).for_each(|lease| lease.prolong(until));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Claim, Arc<Lease>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
