//! What is done when the database is not the one that was seen last.
//!
//! | what | how it is known | what follows |
//! |---|---|---|
//! | restore | another identity, or the same one and a feed that ends before an entry that was seen | the feeds get a new epoch; orders are frozen until `orders reconcile` has asked |
//! | failover | another timeline of PostgreSQL | orders that may have been sent in the moments that are lost are in doubt; the feeds get a new epoch if entries are missing |
//!
//! Both are noticed before the next order is claimed: the claim asks in its own transaction. Until what follows is done,
//! nothing is claimed; a replica that dies half-way leaves it to the next one. For some days after either, an order that
//! Haier calls repeated at the first attempt on record counts as sent by an attempt that is not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::{App, Ctx};
use crate::{
    domain::{
        callers::{Caller, Role},
        clock::is_due,
    },
    error::{Causes, Result},
    store::{
        self, Conn,
        identity::{self, Comparison, Identity, Seen},
        order_changes, order_pushes, product_changes, replicas,
    },
};

/// Orders read at a time.
const PAGE: i64 = 200;
/// Who puts orders in doubt after a failover.
const BY: &str = "failover of the database";
/// For how long after a restore or a failover an order may come again whose records were lost with it.
const ORDERS_COME_AGAIN: TimeDelta = TimeDelta::days(30);
/// How long to wait before a database that refuses to tell its identity is asked again.
const ASK_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// What this replica knows of the database's identity.
#[derive(Default)]
pub(super) struct DatabaseWatch {
    /// When the database last refused to tell its role who it is.
    blind_since: Mutex<Option<DateTime<Utc>>>,
    /// Since when no order is sent.
    frozen: Mutex<Option<DateTime<Utc>>>,
    /// Held while it is read what is stored, so that what was read before a change is not obeyed after it.
    reading: tokio::sync::Mutex<()>,
    /// The database as this replica saw it last. `None`: not looked yet.
    last: Mutex<Option<Look>>,
}

/// What a replica saw of the database.
#[derive(Clone)]
struct Look {
    /// What PostgreSQL said of itself.
    identity: Option<Identity>,
    /// The ends of the feeds of products and of orders.
    heads: Heads,
}

impl Look {
    /// Whether entries are missing that were there when `self` was seen.
    fn is_ahead_of(&self, heads: &Heads) -> bool {
        self.heads.iter().zip(heads).any(|(then, now)| now < then)
    }
}

/// Epoch and number of the last entry of each feed.
type Heads = [(i64, i64); 2];

impl App {
    /// Since when no order is sent, since the database was restored. `None`: they are sent.
    #[must_use]
    pub fn orders_frozen_at(&self) -> Option<DateTime<Utc>> {
        *self.database.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether the database is the one that was seen last, and does what follows if it is not.
    ///
    /// # Errors
    /// When the database does not answer; then it is done at the next look.
    pub async fn database_follow(self: &Arc<Self>) -> Result<()> {
        let blind_since = *self.database_blind();
        if blind_since.is_some_and(|since| is_due(since + ASK_AGAIN, ASK_AGAIN, self.clock.now())) {
            *self.database_blind() = None;
        }
        let seen = self.database_seen().await?;
        let mut conn = self.store.read().await?;
        let comparison = self.database_compare(&mut conn, &seen).await?;
        drop(conn);
        match comparison {
            Comparison::Same => {}
            Comparison::First => self.database_restored(false).await?,
            Comparison::Restored => self.database_restored(true).await?,
            Comparison::FailedOver => self.database_failed_over().await?,
        }
        let mut conn = self.store.read().await?;
        let identity = self.database_current(&mut conn).await?;
        let look = Look { identity, heads: heads(&mut conn).await? };
        *self.database.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        Ok(())
    }

    /// Compares the database with what was seen last, by any replica and by this one. A disk that was put back to an earlier
    /// state has the identity that it always had, and feeds that end before what was seen of them.
    async fn database_compare(&self, conn: &mut Conn, seen: &Seen) -> Result<Comparison> {
        let last = self.database_last();
        let now = self.database_current(conn).await?;
        let comparison = self.store.compare_identity(seen, now.as_ref());
        let Some(last) = last.filter(|last| comparison == Comparison::Same && last.identity == now) else {
            return Ok(comparison);
        };
        let is_earlier = last.is_ahead_of(&heads(conn).await?);
        Ok(if is_earlier { Comparison::Restored } else { Comparison::Same })
    }

    fn database_last(&self) -> Option<Look> {
        self.database.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// SQLite: raises the generation, so that an older copy of the file is known as one.
    ///
    /// # Errors
    /// When the database or the file beside it cannot be written.
    pub async fn database_seal(&self) -> Result<()> {
        Ok(self.store.raise_generation().await?)
    }

    /// Whether orders may be claimed in this transaction: the database is the one that was seen last, and they are not
    /// frozen.
    pub(super) async fn orders_may_be_claimed(&self, conn: &mut Conn) -> Result<bool> {
        let seen = identity::seen(conn).await?;
        Ok(seen.orders_frozen_at.is_none() && self.database_compare(conn, &seen).await? == Comparison::Same)
    }

    /// Whether an order may have been sent by an attempt whose record was lost with a database.
    pub(super) async fn orders_come_again(&self, conn: &mut Conn) -> Result<bool> {
        let lost_at = identity::seen(conn).await?.records_lost_at;
        Ok(lost_at.is_some_and(|lost_at| self.clock.now() - lost_at < ORDERS_COME_AGAIN))
    }

    async fn database_current(&self, conn: &mut Conn) -> Result<Option<Identity>> {
        if self.database_blind().is_some() {
            return Ok(None);
        }
        match identity::current(conn).await {
            Err(error) if identity::is_forbidden(&error) => {
                *self.database_blind() = Some(self.clock.now());
                tracing::warn!(
                    error = %Causes(&error),
                    "the database does not tell its identity: after a restore or a failover run `orders reconcile` by hand, \
                     or grant EXECUTE on pg_control_system() to the service's role"
                );
                Ok(None)
            }
            answer => Ok(answer?),
        }
    }

    /// Remembers the database; one that was restored begins a new life.
    async fn database_restored(&self, restored: bool) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let seen = identity::lock(&mut tx).await?;
        let expected = if restored { Comparison::Restored } else { Comparison::First };
        if self.database_compare(&mut tx, &seen).await? != expected {
            // Another replica was first.
            return Ok(tx.rollback().await?);
        }
        let new = self.database_current(&mut tx).await?.unwrap_or_else(store::new_identity);
        identity::update(&mut tx, &new).await?;
        if restored {
            identity::raise_epochs(&mut tx).await?;
            identity::freeze_orders(&mut tx, Some(now)).await?;
            identity::lose_records(&mut tx, now).await?;
        }
        tx.commit().await?;
        self.store.wrote_identity(&new).await?;
        if restored {
            tracing::error!(
                alert = true,
                identity = new.identity,
                "the database was restored from a backup: the feeds begin a new epoch"
            );
            self.database_seen().await?;
        }
        Ok(())
    }

    /// Puts in doubt what may have been sent in the moments that are lost, and lets orders go on.
    async fn database_failed_over(self: &Arc<Self>) -> Result<()> {
        let ctx = Ctx {
            caller: Caller { name: BY.to_owned(), role: Role::Operator, address: String::new() },
            deadline: None,
        };
        let (mut after, mut doubted) = (0, 0_i64);
        loop {
            let now = self.clock.now();
            let due = order_pushes::list_due(&mut self.store.read().await?, now, after, PAGE).await?;
            let Some((last, _)) = due.last() else { break };
            after = *last;
            for (_, so_id) in due {
                doubted += i64::from(self.order_doubt_unless_open(&ctx, &so_id).await?);
            }
        }
        let last = self.database_last();
        let mut tx = self.store.begin().await?;
        let seen = identity::lock(&mut tx).await?;
        let Some(current) = self.database_current(&mut tx).await? else { return Ok(tx.rollback().await?) };
        let is_first = seen.compare(&current) == Comparison::FailedOver;
        let missing = match last {
            Some(last) => last.is_ahead_of(&heads(&mut tx).await?),
            // All replicas that took their leave did so last of all: then nothing is lost. Else nobody knows.
            None => is_first && !replicas::list_numbers(&mut tx).await?.is_empty(),
        };
        if missing {
            identity::raise_epochs(&mut tx).await?;
        }
        identity::update(&mut tx, &current).await?;
        identity::lose_records(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        tracing::warn!(
            timeline = current.generation,
            doubted,
            entries_missing = missing,
            "the database has failed over: orders that may have been sent in the moments that are lost are in doubt, and are \
             sent again"
        );
        Ok(())
    }

    fn database_blind(&self) -> MutexGuard<'_, Option<DateTime<Utc>>> {
        self.database.blind_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is stored. Orders are frozen or sent from then on as that says.
    async fn database_seen(&self) -> Result<Seen> {
        let _reading = self.database.reading.lock().await;
        let seen = identity::seen(&mut self.store.read().await?).await?;
        let since = seen.orders_frozen_at;
        let before = std::mem::replace(
            &mut *self.database.frozen.lock().unwrap_or_else(PoisonError::into_inner),
            since,
        );
        metrics::gauge!("haier_orders_frozen").set(f64::from(u8::from(since.is_some())));
        if let (None, Some(since)) = (before, since) {
            tracing::error!(
                alert = true,
                %since,
                "orders are frozen since the database was restored from a backup, and none is sent: run `orders reconcile`"
            );
        }
        Ok(seen)
    }

    /// Sends orders again, after they were reconciled.
    pub(super) async fn orders_unfreeze(&self, ctx: &Ctx) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let seen = identity::lock(&mut tx).await?;
        if seen.orders_frozen_at.is_none() {
            return Ok(tx.rollback().await?);
        }
        identity::freeze_orders(&mut tx, None).await?;
        self.audit(&mut tx, ctx, "order.unfreeze", "", Vec::new()).await?;
        tx.commit().await?;
        self.database_seen().await?;
        self.orders.wake.notify_one();
        tracing::info!(caller = %ctx.caller, "orders are frozen no longer");
        Ok(())
    }
}

async fn heads(conn: &mut Conn) -> store::Result<Heads> {
    Ok([product_changes::head(conn).await?, order_changes::head(conn).await?])
}
