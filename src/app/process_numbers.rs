//! The number of this process in the ids that it makes. It is leased: a column of its row in `replicas`, unique, renewed with
//! each report. A process that could not renew it for longer than the lease makes no ids until it has leased one again,
//! since another process may have it by then.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::RngExt as _;

use super::App;
use crate::{
    domain::ids::PROCESS_NUMBERS,
    error::{Error, Result},
    store::{
        self, Tx,
        replicas::{self, Report},
    },
};

/// How long this process believes in its number after a report. Shorter than the row outlives it (`replicas::GONE`), by more
/// than the clocks of replicas differ.
const BELIEVED: Duration = Duration::from_secs(240);
/// Ids that are drawn anew before a defect is assumed: each was taken.
pub(super) const DRAWS: usize = 8;

impl App {
    /// The next id.
    ///
    /// # Errors
    /// While this process has no number.
    pub(super) fn next_id(&self, now: DateTime<Utc>) -> Result<i64> {
        self.ids.next(now, self.clock.uptime()).ok_or(Error::NoProcessNumber)
    }

    /// Stores this replica's report, under the number that it has leased or with a new one.
    pub(super) async fn process_number_renew(&self, tx: &mut Tx, report: &Report) -> Result<Lease> {
        let until_up = self.clock.uptime() + BELIEVED;
        if let Some(number) = self.ids.number()
            && replicas::renew(tx, report, number).await?
        {
            return Ok(Lease { number, until_up, is_new: false });
        }
        // Any that is free, beginning anywhere: a number that somebody has just laid down rests for a while.
        let taken = replicas::list_numbers(tx).await?;
        let first = rand::rng().random_range(0..PROCESS_NUMBERS);
        for number in (first..first + PROCESS_NUMBERS).map(|number| number % PROCESS_NUMBERS) {
            // Another process may take it at this very moment.
            if !taken.contains(&number) && replicas::insert(tx, report, number).await? {
                return Ok(Lease { number, until_up, is_new: true });
            }
        }
        Err(Error::NoFreeProcessNumber)
    }

    /// Makes ids under this number from now on; once it is committed.
    pub(super) fn process_number_use(&self, lease: Lease) {
        let Lease { number, until_up, is_new } = lease;
        if is_new {
            tracing::info!(number, "this process has leased a number for the ids that it makes");
        }
        self.ids.lease(number, until_up);
    }
}

/// A number, and the uptime until which it is this process's.
#[must_use]
#[derive(Clone, Copy)]
pub(super) struct Lease {
    number: i64,
    until_up: Duration,
    is_new: bool,
}

/// Whether work that drew an id is to be done again, since the id was taken and its transaction did not survive that.
pub(super) fn is_to_be_drawn_again<T>(outcome: &Result<T>, draws: &mut usize) -> bool {
    *draws -= 1;
    match outcome {
        Err(Error::Internal(cause)) if *draws > 0 => {
            matches!(cause.downcast_ref::<store::Error>(), Some(store::Error::IdTaken))
        }
        _ => false,
    }
}
