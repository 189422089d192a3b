//! The one way in which an order changes: facts are added under the lock of its row, where it stands is derived from all
//! of them, and what follows (state, next attempt, sync log, feed) is stored in the same transaction.

use chrono::{DateTime, Utc};

use super::{
    App,
    orders::{change, not_found},
};
use crate::{
    domain::{
        messages::EndMessage,
        orders::{
            OrderState, OrderSummary, SoId, Standing, Step, StoredOrder,
            derive::derive,
            facts::{Fact, FactKind},
        },
        reasons::Reason,
        sync_logs::{Counts, SyncLog, SyncStatus, SyncType, Trigger},
    },
    error::Result,
    store::{
        Tx, order_changes, order_facts,
        order_pushes::{self, Work},
        orders, sync_logs,
    },
};

/// An order whose row is locked, and all that is known about it.
pub(super) struct History {
    pub(super) order: StoredOrder,
    pub(super) facts: Vec<Fact>,
    pub(super) standing: Standing,
    pub(super) now: DateTime<Utc>,
}

impl History {
    /// Where the order would stand with these facts too.
    pub(super) fn with(&self, kinds: &[FactKind]) -> Standing {
        let more = kinds.iter().map(|kind| Fact { at: self.now, kind: kind.clone() });
        derive(&self.facts.iter().cloned().chain(more).collect::<Vec<_>>())
    }
}

/// What facts made of an order; to be announced once it is committed.
pub(super) struct Recorded {
    pub(super) order: StoredOrder,
    pub(super) before: Standing,
    pub(super) after: Standing,
    now: DateTime<Utc>,
}

impl App {
    /// Locks an order and reads its facts. The first lock of a transaction.
    pub(super) async fn order_lock(&self, tx: &mut Tx, so_id: &SoId) -> Result<History> {
        let sealed = orders::lock(tx, so_id).await?.ok_or_else(|| not_found(so_id))?;
        let order = self.order_open(sealed)?;
        let facts = order_facts::list(tx, order.id).await?;
        let standing = derive(&facts);
        // Replicas' clocks differ by a little; an order's own time does not run backwards.
        let now = self.clock.now().max(order.updated_at);
        Ok(History { order, facts, standing, now })
    }

    /// Adds facts to a locked order and stores what follows. Takes the feed's head, the last lock but for the audit's.
    pub(super) async fn order_record(
        &self,
        tx: &mut Tx,
        history: History,
        kinds: Vec<FactKind>,
    ) -> Result<Recorded> {
        let History { mut order, mut facts, standing: before, now } = history;
        let known = facts.len();
        facts.extend(kinds.into_iter().map(|kind| Fact { at: now, kind }));
        let (stored, new) = facts.split_at(known);
        order_facts::append(tx, order.id, known, new).await?;
        let after = derive(&facts);
        let rules = &self.orders.settings.rules;
        if after.round > before.round {
            order.deadline_at = now + rules.deadline;
        }
        order.sync_log_id = self.order_log(tx, &order, stored, new, (&before, &after), now).await?;
        let summary = OrderSummary::from(&after);
        let before_it = std::mem::replace(&mut order.summary, summary);
        order.updated_at = now;
        orders::update_summary(tx, order.id, &order.summary, order.sync_log_id, order.deadline_at, now)
            .await?;
        order.next_attempt_at = rules.next_attempt_at(&after, order.created_at, order.deadline_at);
        match (order.next_attempt_at, after.step) {
            (Some(at), Step::Change(_)) => order_pushes::upsert(tx, order.id, Work::Change, at).await?,
            (Some(at), _) => order_pushes::upsert(tx, order.id, Work::Push, at).await?,
            (None, _) => order_pushes::delete(tx, order.id).await?,
        }
        let shown = |summary: &OrderSummary| {
            (summary.state, summary.retail_order_no.clone(), summary.haier_order_no.clone())
        };
        if shown(&before_it) != shown(&order.summary) {
            let change = change(&order, Some(before_it.state), now);
            order_changes::append(tx, std::slice::from_ref(&change)).await?;
        }
        Ok(Recorded { order, before, after, now })
    }

    /// Keeps the sync log of a round of sending: opened at its first attempt, closed with its outcome.
    async fn order_log(
        &self,
        tx: &mut Tx,
        order: &StoredOrder,
        stored: &[Fact],
        new: &[Fact],
        (before, after): (&Standing, &Standing),
        now: DateTime<Utc>,
    ) -> Result<Option<i64>> {
        let mut id = order.sync_log_id;
        let first = |round: i64| !stored.iter().any(|fact| began(fact).is_some_and(|(of, _)| of == round));
        if let Some((_, account)) = new.iter().find_map(began).filter(|(round, _)| first(*round)) {
            let log = SyncLog {
                id: self.ids.next(now),
                sync_type: SyncType::Order,
                status: SyncStatus::Processing,
                end: None,
                counts: Counts { total: 1, success: 0, failed: 0 },
                planned_count: Some(1),
                started_at: Some(now),
                completed_at: None,
                created_at: now,
                trigger: if after.round > 0 { Trigger::Retry } else { Trigger::Caller },
                requested_by: order.requested_by.clone(),
                parent_id: id,
                account: account.to_owned(),
            };
            sync_logs::insert_begun(tx, &log).await?;
            id = Some(log.id);
        }
        let settled = |standing: &Standing| standing.step != Step::Push;
        if let Some(id) = id
            && settled(after)
            && !settled(before)
        {
            sync_logs::end_begun(tx, id, &end(order, after), now).await?;
        }
        Ok(id)
    }

    /// Says what facts made of an order, after they were committed: to whoever works on it or follows it, and in the log.
    pub(super) fn order_announce(&self, recorded: &Recorded) {
        let Recorded { order, before, after, now } = recorded;
        let so_id = order.order.so_id.as_str();
        let words = after.last_error.as_ref().map_or("", |failure| failure.words.as_str());
        if before.state != after.state {
            let (from, to) = (before.state.as_str(), after.state.as_str());
            metrics::counter!("haier_order_states_total", "state" => to).increment(1);
            tracing::info!(so_id, from, to, "an order has changed its state");
        }
        // An attempt that could not be sent leaves the doubt as it was.
        let has_ended = before.tried.open_attempt.is_some() && after.tried.open_attempt.is_none();
        if let Some(doubt) = after.doubt.filter(|_| has_ended || after.doubt != before.doubt) {
            let attempt = doubt.attempt;
            if *now >= order.deadline_at {
                alert("in_doubt");
                tracing::error!(
                    so_id,
                    attempt,
                    words,
                    "an order is in doubt beyond its deadline: look it up at Haier and tell by `orders resolve`"
                );
            } else if before.doubt.is_none() {
                alert("in_doubt");
                tracing::warn!(
                    so_id,
                    attempt,
                    words,
                    "an order is in doubt: nobody knows whether Haier has it; it is sent again"
                );
            }
        }
        match after.state {
            OrderState::GivenUp if before.state != OrderState::GivenUp => {
                alert("given_up");
                tracing::error!(
                    so_id,
                    words,
                    "an order is given up: Haier surely does not have it; send it again by `orders retry`"
                );
            }
            OrderState::Refused if before.state != OrderState::Refused => {
                alert("refused");
                tracing::warn!(so_id, words, "Haier refused an order");
            }
            _ => {}
        }
        if let Some(contradiction) =
            after.contradiction.filter(|_| after.contradiction != before.contradiction)
        {
            alert("contradiction");
            tracing::error!(
                so_id,
                contradiction,
                "facts about an order contradict each other: see `orders show`"
            );
        }
        self.orders.announce(order, *now);
    }
}

fn alert(kind: &'static str) {
    metrics::counter!("haier_order_alerts_total", "kind" => kind).increment(1);
}

/// Round and account of an attempt that begins.
fn began(fact: &Fact) -> Option<(i64, &str)> {
    match &fact.kind {
        FactKind::PushBegan { round, account, .. } => Some((*round, account)),
        _ => None,
    }
}

/// How the sending of an order ended.
fn end(order: &StoredOrder, after: &Standing) -> EndMessage {
    let failed = |reason: Reason| (reason, 0, 1);
    let (reason, success, failed) = match after.state {
        OrderState::GivenUp => failed(Reason::GivenUp),
        OrderState::Cancelled if after.never_there => failed(Reason::Cancelled),
        OrderState::Refused => {
            failed(after.last_error.as_ref().map_or(Reason::OrderRefused, |error| error.reason))
        }
        _ => (Reason::Completed, 1, 0),
    };
    let so_id = &order.order.so_id;
    let detail = match (&after.last_error, &after.retail_order_no) {
        (Some(error), _) if failed > 0 => format!("{so_id}: {}", error.words),
        (_, Some(number)) => format!("{so_id} → {number}"),
        _ => so_id.to_string(),
    };
    EndMessage {
        reason,
        success,
        failed,
        failures: Vec::new(),
        detail,
        bad_pictures: 0,
        delisted: 0,
        held: None,
    }
}
