//! Stored callbacks find their orders. The order system does not say which of our numbers it sends, and may be faster than
//! we are: what finds no order is parked, and tried again when an order comes or gets a number.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::{App, Callbacks};
use crate::{
    domain::{
        callbacks::ReceivedCallback,
        clock::is_due,
        orders::{
            OrderChange, Sender,
            facts::{Callback, Fact, FactKind},
        },
    },
    error::{Error, Interrupted, Result},
    store::{
        Conn,
        callbacks::{self, MeantOrder},
        order_changes,
    },
};

/// Most callbacks of one order that become facts: the facts of an order have an end.
const MAX_CALLBACKS: usize = 200;
/// Rows read at a time.
const PAGE: i64 = 500;
/// How often the parked ones are counted and complained of.
const LOOK_PERIOD: TimeDelta = TimeDelta::minutes(1);

/// How far a worker has come.
#[derive(Debug, Default)]
pub struct CallbackRounds {
    /// Epoch and number of the last entry of the feed of orders that was followed. `None`: what is open is matched with what
    /// is stored.
    followed: Option<(i64, i64)>,
    /// Those that could not be applied for a reason that lies here.
    again: BTreeSet<i64>,
    /// When the parked ones are counted next.
    look_at: Option<DateTime<Utc>>,
}

impl App {
    /// One round: applies what is new, and what is parked and meant one of the orders that have changed since the last
    /// round. Several replicas may do so side by side.
    ///
    /// # Errors
    /// When the database does not answer, or something could not be applied; the next round tries again.
    pub async fn callbacks_apply(&self, rounds: &mut CallbackRounds) -> Result<()> {
        match self.callbacks_round(rounds).await {
            // What is left is applied by another replica, or at the next start.
            Err(Error::ShuttingDown(_)) => Ok(()),
            outcome => outcome,
        }
    }

    async fn callbacks_round(&self, rounds: &mut CallbackRounds) -> Result<()> {
        if self.callbacks.rematch.swap(false, Ordering::AcqRel) {
            rounds.followed = None;
        }
        let mut outcome = Ok(());
        for id in rounds.again.clone() {
            self.callback_try(rounds, id, &mut outcome).await?;
        }
        self.callbacks_apply_new(rounds, &mut outcome).await?;
        // Read before what is open: an order that comes in between is followed. In another epoch there are other entries.
        let head = order_changes::head(&mut self.store.read().await?).await?;
        if rounds.followed.is_none_or(|(epoch, _)| epoch != head.0) {
            self.callbacks_apply_open(rounds, &mut outcome).await?;
            rounds.followed = Some(head);
        }
        self.callbacks_follow_orders(rounds, &mut outcome).await?;
        let now = self.clock.now();
        if rounds.look_at.is_none_or(|at| is_due(at, LOOK_PERIOD, now)) {
            self.callbacks_look(now).await?;
            rounds.look_at = Some(now + LOOK_PERIOD);
        }
        outcome
    }

    async fn callbacks_apply_new(&self, rounds: &mut CallbackRounds, outcome: &mut Result<()>) -> Result<()> {
        let mut after = 0;
        loop {
            let ids = callbacks::list_new(&mut self.store.read().await?, after, PAGE).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = *last;
            for id in ids {
                self.callback_try(rounds, id, outcome).await?;
            }
        }
    }

    async fn callbacks_apply_open(
        &self,
        rounds: &mut CallbackRounds,
        outcome: &mut Result<()>,
    ) -> Result<()> {
        let mut after = 0;
        loop {
            let ids = callbacks::list_open_with_orders(&mut self.store.read().await?, after, PAGE).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = *last;
            for id in ids {
                self.callback_try(rounds, id, outcome).await?;
            }
        }
    }

    /// Tries what is open and names an order that has changed: it may be new, or have got its number.
    async fn callbacks_follow_orders(
        &self,
        rounds: &mut CallbackRounds,
        outcome: &mut Result<()>,
    ) -> Result<()> {
        while let Some((epoch, followed)) = rounds.followed {
            let mut conn = self.store.read().await?;
            let changes = order_changes::list(&mut conn, followed, PAGE).await?;
            let Some(last) = changes.last().map(|change| change.seq) else { return Ok(()) };
            let (ours, haiers) = numbers(&changes);
            let ids = callbacks::list_open_naming(&mut conn, &ours, &haiers).await?;
            drop(conn);
            for id in ids {
                self.callback_try(rounds, id, outcome).await?;
            }
            rounds.followed = Some((epoch, last));
        }
        Ok(())
    }

    /// Applies one. A database that is gone ends the round, and so does a process that stops, however many are left; any other
    /// failure is that callback's own.
    async fn callback_try(
        &self,
        rounds: &mut CallbackRounds,
        id: i64,
        outcome: &mut Result<()>,
    ) -> Result<()> {
        if self.stopping.is_cancelled() {
            return Err(Error::ShuttingDown(Interrupted::Callbacks));
        }
        match self.callback_apply(id).await {
            Ok(()) => {
                rounds.again.remove(&id);
                Ok(())
            }
            Err(error) => {
                rounds.again.insert(id);
                if matches!(error, Error::StoreUnavailable(_)) {
                    return Err(error);
                }
                *outcome = Err(error);
                Ok(())
            }
        }
    }

    async fn callback_apply(&self, id: i64) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let Some(callback) = callbacks::lock_open(&mut tx, id).await? else {
            // Another replica has applied it.
            return Ok(tx.commit().await?);
        };
        let now = self.clock.now();
        let (method, number) = (callback.method.as_str(), callback.platform_order_no.clone());
        let Some(order) = order_meant(&mut tx, &callback, self.order_sender_now().as_ref()).await? else {
            callbacks::mark_parked(&mut tx, id, now).await?;
            tx.commit().await?;
            tracing::info!(method, order = number, "a callback finds no order and is parked");
            return Ok(());
        };
        let history = self.order_lock(&mut tx, &order.so_id).await?;
        let callback = self.callback_redacted(callback, &history.order.order);
        callbacks::mark_applied(&mut tx, &callback, order.id, now).await?;
        let fact = FactKind::Callback(Callback::from(callback));
        let is_known = history.facts.iter().any(|known| known.kind == fact);
        let is_callback = |known: &&Fact| matches!(known.kind, FactKind::Callback(_));
        let is_one_too_many = history.facts.iter().filter(is_callback).count() >= MAX_CALLBACKS;
        if is_one_too_many && !is_known {
            tracing::warn!(
                so_id = order.so_id.as_str(),
                method,
                "an order has had 200 callbacks; another one counts for nothing"
            );
        }
        let kinds = if is_known || is_one_too_many { Vec::new() } else { vec![fact] };
        let recorded = self.order_record(&mut tx, history, kinds, None).await?;
        tx.commit().await?;
        metrics::counter!("haier_callbacks_applied_total", "method" => method).increment(1);
        tracing::info!(method, so_id = order.so_id.as_str(), "a callback is applied");
        self.order_announce(&recorded);
        Ok(())
    }

    /// Counts the parked ones, and complains once of each that has lain too long.
    async fn callbacks_look(&self, now: DateTime<Utc>) -> Result<()> {
        let parked = callbacks::count_parked(&mut self.store.read().await?).await?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        metrics::gauge!("haier_callbacks_parked").set(parked as f64);
        if parked == 0 {
            return Ok(());
        }
        let Callbacks { settings, .. } = &self.callbacks;
        let mut tx = self.store.begin().await?;
        let overdue = callbacks::complain(&mut tx, now - settings.parked_warning, PAGE, now).await?;
        tx.commit().await?;
        for callback in overdue {
            tracing::warn!(
                method = callback.method.as_str(),
                order = callback.platform_order_no,
                haier_order_no = callback.haier_order_no,
                app_key = callback.app_key,
                received_at = %callback.received_at,
                "a callback has found no order for long: it stays parked until an order with this number comes"
            );
        }
        Ok(())
    }
}

/// The numbers by which callbacks may name the orders of these changes.
fn numbers(changes: &[OrderChange]) -> (Vec<String>, Vec<String>) {
    let ours: BTreeSet<&str> =
        changes.iter().flat_map(|change| [change.so_id.as_str(), change.online_no.as_str()]).collect();
    let haiers: BTreeSet<&str> =
        changes.iter().filter_map(|change| change.haier_order_no.as_deref()).collect();
    let owned = |numbers: BTreeSet<&str>| numbers.into_iter().map(str::to_owned).collect();
    (owned(ours), owned(haiers))
}

/// The order that a callback means: by `so_id`, then by `online_no` if one order has it, then by Haier's number.
async fn order_meant(
    conn: &mut Conn,
    callback: &ReceivedCallback,
    active: Option<&Sender>,
) -> Result<Option<MeantOrder>> {
    let is_signers =
        |order: &MeantOrder| order.sender.as_ref().is_some_and(|sender| callback.may_touch(sender));
    // One that was never sent, as far as is known here, Haier may have all the same: this database may come from a backup.
    // Only the number that is unique for ever says so; a shared one may be about an order that others have sent. And only
    // where it would be sent now: another account's system may use the same numbers.
    let may_be_signers = |order: &MeantOrder| match &order.sender {
        Some(_) => is_signers(order),
        None => active.is_some_and(|active| callback.may_touch(active)),
    };
    let number = &callback.platform_order_no;
    if let Some(order) = only(callbacks::list_by_so_id(conn, number).await?, may_be_signers) {
        return Ok(Some(order));
    }
    if let Some(order) = only(callbacks::list_by_online_no(conn, number).await?, is_signers) {
        return Ok(Some(order));
    }
    let Some(number) = &callback.haier_order_no else { return Ok(None) };
    Ok(only(callbacks::list_by_haier_order_no(conn, number).await?, is_signers))
}

/// The one that may be meant, if there is exactly one.
fn only(mut orders: Vec<MeantOrder>, may_be_meant: impl Fn(&MeantOrder) -> bool) -> Option<MeantOrder> {
    orders.retain(may_be_meant);
    if orders.len() == 1 { orders.pop() } else { None }
}
