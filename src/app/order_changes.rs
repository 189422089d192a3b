//! What people want of an order that is stored: cancelled, at other times, sent now; and what an operator found at Haier.
//! Each becomes a fact, and whoever works on the order acts on it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{App, Ctx, order_facts::History, orders::seen_by, to_its_end};
use crate::{
    domain::{
        audit::Change,
        orders::{
            OpenAttempt, OrderState, SoId, Step, StoredOrder,
            facts::{Fact, FactKind, Resolution, ResolvedOutcome},
        },
        reasons::Reason,
    },
    error::{Error, Result},
    store::orders,
};

/// Orders that are looked at in one transaction while all of them are.
const BATCH: i64 = 500;

/// What somebody wants.
#[derive(Debug, Clone)]
pub enum OrderWish {
    /// Not to have it.
    Cancel {
        /// Why, for Haier.
        reason: String,
    },
    /// To have it at other times.
    Reschedule {
        /// New time of delivery.
        distribution_time: Option<DateTime<Utc>>,
        /// New time of installation.
        install_time: Option<DateTime<Utc>>,
    },
    /// To have it sent now.
    Retry,
    /// To settle a doubt.
    Resolve {
        /// What was found at Haier.
        outcome: ResolvedOutcome,
        /// How.
        evidence: String,
        /// Haier's number, if it was found.
        retail_order_no: Option<String>,
    },
}

impl OrderWish {
    const fn action(&self) -> &'static str {
        match self {
            Self::Cancel { .. } => "order.cancel",
            Self::Reschedule { .. } => "order.reschedule",
            Self::Retry => "order.retry",
            Self::Resolve { .. } => "order.resolve",
        }
    }

    /// Says who wants what of an order; never why, since such words may name people.
    fn log(&self, so_id: &SoId, ctx: &Ctx) {
        let (so_id, caller) = (so_id.as_str(), &ctx.caller);
        match self {
            Self::Cancel { .. } => tracing::info!(so_id, %caller, "an order is to be cancelled"),
            Self::Reschedule { distribution_time, install_time } => tracing::info!(
                so_id,
                %caller,
                distribution_time = distribution_time.map(tracing::field::display),
                install_time = install_time.map(tracing::field::display),
                "an order is to get other times"
            ),
            Self::Retry => tracing::info!(so_id, %caller, "an order is to be sent now"),
            Self::Resolve { outcome, .. } => {
                tracing::info!(so_id, %caller, outcome = outcome.as_str(), "an operator has looked an order up at Haier");
            }
        }
    }

    /// What the record of changes keeps of it, of words that may name people only the rest.
    fn changes(&self, order: &StoredOrder) -> Vec<Change> {
        let time =
            |field: &str, time: &Option<DateTime<Utc>>| time.map(|time| Change::to(field, time.to_rfc3339()));
        match self {
            Self::Cancel { reason } => vec![Change::to("reason", order.redact_written(reason))],
            Self::Reschedule { distribution_time, install_time } => {
                [time("distribution_time", distribution_time), time("install_time", install_time)]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Self::Retry => Vec::new(),
            Self::Resolve { outcome, evidence, retail_order_no } => {
                let number = retail_order_no.as_ref().map(|number| Change::to("retail_order_no", number));
                let said = [
                    Change::to("outcome", outcome.as_str()),
                    Change::to("evidence", order.redact_written(evidence)),
                ];
                said.into_iter().chain(number).collect()
            }
        }
    }

    /// The fact it is, where the order stands; nothing when it is one already.
    fn fact(&self, history: &History, by: String) -> Result<Option<FactKind>> {
        let standing = &history.standing;
        let number = standing.changes + 1;
        let refuse = |why| Err(state_error(history, why));
        match self {
            Self::Cancel { reason } => match standing.state {
                OrderState::Cancelled | OrderState::Cancelling => Ok(None),
                OrderState::OutOfStock => {
                    refuse("it is out of stock at Haier, so that there is nothing to cancel")
                }
                OrderState::Refused if !standing.never_there => {
                    refuse("Haier refused it, so that there is nothing to cancel")
                }
                _ => {
                    let reason = history.order.redact_written(reason);
                    Ok(Some(FactKind::CancelRequested { number, reason, by }))
                }
            },
            Self::Reschedule { distribution_time, install_time } => match standing.state {
                OrderState::Accepted | OrderState::InDoubt | OrderState::Pushed | OrderState::Confirmed => {
                    let (distribution_time, install_time) = (*distribution_time, *install_time);
                    Ok(Some(FactKind::RescheduleRequested { number, distribution_time, install_time, by }))
                }
                _ => refuse("only an order that Haier has, or will have, can be given other times"),
            },
            Self::Retry => match standing.state {
                // Haier took the cancellation, and has not told what came of it: asked again, it says so.
                OrderState::Cancelling if standing.step == Step::Nothing => {
                    let reason = cancellation_reason(history);
                    Ok(Some(FactKind::CancelRequested { number, reason, by }))
                }
                _ if standing.step != Step::Nothing => {
                    Ok(Some(FactKind::RetryRequested { round: standing.round, by }))
                }
                OrderState::GivenUp => Ok(Some(FactKind::RetryRequested { round: standing.round + 1, by })),
                OrderState::Refused if standing.never_there || was_there(history) => {
                    Ok(Some(FactKind::RetryRequested { round: standing.round + 1, by }))
                }
                OrderState::Refused => {
                    refuse("Haier has it and refused it after that; push it under another so_id")
                }
                OrderState::Cancelled => refuse("push it under another so_id"),
                _ => refuse("Haier has it already"),
            },
            Self::Resolve { outcome, retail_order_no, .. }
                if standing.doubt.is_none()
                    && !(standing.is_without_number()
                        && *outcome == ResolvedOutcome::Booked
                        && retail_order_no.is_some()) =>
            {
                refuse("it is not in doubt, so that there is nothing to resolve")
            }
            Self::Resolve { outcome, evidence, retail_order_no } => {
                // Of one that is under way nobody can know yet what comes of it.
                let attempts = match standing.open {
                    Some(OpenAttempt::Push(open)) => open - 1,
                    _ => standing.attempts,
                };
                Ok(Some(FactKind::Resolved(Resolution {
                    outcome: *outcome,
                    attempts,
                    retail_order_no: retail_order_no.clone(),
                    evidence: history.order.redact_written(evidence),
                    by,
                })))
            }
        }
    }
}

/// Most changes and retries that may be asked for of one order: the facts of an order have an end.
const MAX_WISHES: usize = 200;

/// Whether so much was asked for of an order that nothing more is taken.
fn is_wished_out(history: &History) -> bool {
    let asked = |fact: &&Fact| {
        matches!(
            fact.kind,
            FactKind::CancelRequested { .. }
                | FactKind::RescheduleRequested { .. }
                | FactKind::RetryRequested { .. }
        )
    };
    history.facts.iter().filter(asked).count() >= MAX_WISHES
}

/// Whether Haier said that it had the order before we sent it.
fn was_there(history: &History) -> bool {
    history.standing.last_error.as_ref().is_some_and(|error| error.reason == Reason::OrderRepeated)
}

/// Why it is to be cancelled, in the words of whoever asked last.
fn cancellation_reason(history: &History) -> String {
    let reason = |fact: &Fact| match &fact.kind {
        FactKind::CancelRequested { number, reason, .. } => Some((*number, reason.clone())),
        _ => None,
    };
    history.facts.iter().filter_map(reason).max().map(|(_, reason)| reason).unwrap_or_default()
}

fn state_error(history: &History, why: &'static str) -> Error {
    let so_id = history.order.order.so_id.as_str().to_owned();
    Error::OrderState { so_id, state: history.standing.state.as_str(), why }
}

impl App {
    /// Does what somebody wants of an order, as far as it can be done at once; the order as it then stands.
    ///
    /// # Errors
    /// When there is no such order, where it stands it cannot be done, or the database does not answer.
    pub async fn order_wish(
        self: &Arc<Self>,
        ctx: &Ctx,
        so_id: SoId,
        wish: OrderWish,
    ) -> Result<StoredOrder> {
        let (app, asker) = (Arc::clone(self), ctx.clone());
        let order = to_its_end(async move { app.order_wish_record(&asker, &so_id, &wish).await }).await?;
        Ok(seen_by(ctx, order))
    }

    async fn order_wish_record(&self, ctx: &Ctx, so_id: &SoId, wish: &OrderWish) -> Result<StoredOrder> {
        let mut tx = self.store.begin().await?;
        let history = match self.order_lock(&mut tx, so_id).await {
            Err(error @ Error::NotFound { .. }) => {
                tx.rollback().await?;
                return Err(error);
            }
            locked => locked?,
        };
        let fact = match wish.fact(&history, ctx.caller.name.clone()) {
            Ok(Some(fact)) if !matches!(fact, FactKind::Resolved(_)) && is_wished_out(&history) => {
                let why =
                    "200 changes and retries were asked for already, which is the most that one order takes";
                let error = state_error(&history, why);
                tx.rollback().await?;
                return Err(error);
            }
            Ok(Some(fact)) => fact,
            // Nothing is to be written. A transaction that is only dropped takes its connection with it.
            nothing => {
                tx.rollback().await?;
                return nothing.map(|_| history.order);
            }
        };
        let recorded = self.order_record(&mut tx, history, vec![fact], None).await?;
        let changes = wish.changes(&recorded.order);
        self.audit(&mut tx, ctx, wish.action(), so_id.as_str(), changes).await?;
        tx.commit().await?;
        wish.log(so_id, ctx);
        self.order_announce(&recorded);
        Ok(recorded.order)
    }

    /// After the database was restored from an older backup: puts every order in doubt that is not over and not known to be at
    /// Haier, since an attempt may have been made that is not on record. How many there are. What was refused or given up
    /// stays so, for nobody may want it any more. Orders that a restore has frozen are sent from then on.
    ///
    /// # Errors
    /// When the database does not answer; those that were done stay done.
    pub async fn orders_reconcile(self: &Arc<Self>, ctx: &Ctx, validate_only: bool) -> Result<i64> {
        let count = self.orders_doubt(ctx, validate_only).await?;
        if !validate_only {
            tracing::info!(count, caller = %ctx.caller, "orders were reconciled: what Haier may have is in doubt");
            self.orders_unfreeze(ctx).await?;
        }
        Ok(count)
    }

    async fn orders_doubt(self: &Arc<Self>, ctx: &Ctx, validate_only: bool) -> Result<i64> {
        let (mut after, mut count) = (0, 0);
        loop {
            let batch = orders::list_unsettled(&mut self.store.read().await?, after, BATCH).await?;
            let Some((last, _)) = batch.last() else { return Ok(count) };
            after = *last;
            for (_, so_id) in batch {
                let (app, ctx) = (Arc::clone(self), ctx.clone());
                let doubted =
                    to_its_end(async move { app.order_doubt(&ctx, &so_id, validate_only, false).await })
                        .await?;
                count += i64::from(doubted);
            }
        }
    }

    /// Puts an order in doubt, unless an attempt at it is on record that has not ended: no earlier one is missing then.
    pub(super) async fn order_doubt_unless_open(self: &Arc<Self>, ctx: &Ctx, so_id: &SoId) -> Result<bool> {
        let (app, ctx, so_id) = (Arc::clone(self), ctx.clone(), so_id.clone());
        to_its_end(async move { app.order_doubt(&ctx, &so_id, false, true).await }).await
    }

    async fn order_doubt(
        &self,
        ctx: &Ctx,
        so_id: &SoId,
        validate_only: bool,
        unless_open: bool,
    ) -> Result<bool> {
        let mut tx = self.store.begin().await?;
        let history = self.order_lock_without_people(&mut tx, so_id).await?;
        let fact = FactKind::Doubted { by: ctx.caller.name.clone() };
        let after = history.with(std::slice::from_ref(&fact));
        // What Haier called repeated at our first attempt may be there from one that is not on record: then it is booked.
        let doubtful = history.standing.doubt.is_none()
            && !(unless_open && history.standing.open.is_some())
            && (after.doubt.is_some() || after.state != history.standing.state);
        if !doubtful || validate_only {
            tx.rollback().await?;
            return Ok(doubtful);
        }
        let recorded = self.order_record(&mut tx, history, vec![fact], None).await?;
        self.audit(&mut tx, ctx, "order.reconcile", so_id.as_str(), Vec::new()).await?;
        tx.commit().await?;
        self.order_announce(&recorded);
        Ok(true)
    }
}
