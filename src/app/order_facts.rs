//! The one way in which an order changes: facts are added under the lock of its row, where it stands is derived from all
//! of them, and what follows (state, next attempt, sync log, feed) is stored in the same transaction.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future;

use super::{
    App,
    orders::{change, not_found},
};
use crate::{
    domain::{
        clock::latest_believable,
        messages::EndMessage,
        orders::{
            OpenAttempt, OrderState, OrderSummary, SoId, Standing, Step, StoredOrder,
            derive::derive,
            facts::{Fact, FactKind},
        },
        reasons::Reason,
        sync_logs::{Counts, SyncLog, SyncStatus, SyncType, Trigger},
    },
    error::Result,
    store::{
        self, Pipeline, Tx, order_changes, order_facts,
        order_pushes::{self, ClaimedOrder, Work},
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

    /// Since when it has been due: a pause, an open breaker, an outage of ours. Such time is not Haier's, and does not count.
    pub(super) fn exclude_deferred_time(&mut self) {
        let late = self.order.next_attempt_at.map(|due| self.now - due);
        if self.standing.step == Step::Push
            && let Some(late) = late.filter(|late| *late > TimeDelta::zero())
        {
            self.order.deadline_at += late;
        }
    }
}

/// What facts made of an order; to be announced once it is committed.
pub(super) struct Recorded {
    pub(super) order: StoredOrder,
    pub(super) before: Standing,
    pub(super) after: Standing,
    now: DateTime<Utc>,
}

/// What becomes of the sync log of a round of sending.
#[derive(Default)]
struct OrderLog {
    begun: Option<SyncLog>,
    ended: Option<(i64, EndMessage)>,
}

impl App {
    /// Locks an order and reads its facts. The first lock of a transaction.
    pub(super) async fn order_lock(&self, tx: &mut Tx, so_id: &SoId) -> Result<History> {
        let (sealed, facts) = orders::lock(tx, so_id).await?.ok_or_else(|| not_found(so_id))?;
        Ok(self.order_history(self.order_open(sealed)?, facts))
    }

    /// The same of an order whose people are nobody's business, so that it does not matter whether they can be read.
    pub(super) async fn order_lock_without_people(&self, tx: &mut Tx, so_id: &SoId) -> Result<History> {
        let (sealed, facts) = orders::lock(tx, so_id).await?.ok_or_else(|| not_found(so_id))?;
        Ok(self.order_history(sealed.without_people(), facts))
    }

    fn order_history(&self, mut order: StoredOrder, facts: Vec<Fact>) -> History {
        let standing = derive(&facts);
        let rules = &self.orders.settings.rules;
        let now = self.clock.now();
        // Replicas' clocks differ by a little, and an order's own time does not run backwards. What lies further ahead is from a
        // clock that was wrong.
        let now = if order.updated_at > latest_believable(now) { now } else { now.max(order.updated_at) };
        order.next_attempt_at =
            rules.next_attempt_at(&standing, order.created_at.min(now), order.deadline_at);
        History { order, facts, standing, now }
    }

    /// Adds facts to a locked order and stores what follows, and lets it go out of these hands.
    pub(super) async fn order_record(
        &self,
        tx: &mut Tx,
        history: History,
        kinds: Vec<FactKind>,
        let_go: Option<&ClaimedOrder>,
    ) -> Result<Recorded> {
        let History { mut order, mut facts, standing: before, now } = history;
        let known = facts.len();
        facts.extend(kinds.into_iter().map(|kind| Fact { at: now, kind }));
        let (stored, new) = facts.split_at(known);
        let after = derive(&facts);
        let rules = &self.orders.settings.rules;
        if after.round > before.round {
            order.deadline_at = now + rules.deadline;
        }
        let log = self.order_log(&mut order, stored, new, (&before, &after), now)?;
        let before_it = std::mem::replace(&mut order.summary, OrderSummary::from(&after));
        order.next_attempt_at = rules.next_attempt_at(&after, order.created_at.min(now), order.deadline_at);
        if !new.is_empty() {
            order.updated_at = now;
        }
        let shown = |summary: &OrderSummary| {
            (summary.state, summary.retail_order_no.clone(), summary.haier_order_no.clone())
        };
        let has_changed = shown(&before_it) != shown(&order.summary);
        let change = has_changed.then(|| change(&order, Some(before_it.state), now));
        let pipeline = tx.pipeline();
        future::try_join5(
            order_facts::append(&pipeline, order.id, known, new),
            log.write(&pipeline, now),
            orders::update_summary(&pipeline, &order),
            self.order_work_left(&pipeline, &order, &after, let_go),
            async {
                match &change {
                    Some(change) => order_changes::add(&pipeline, change).await,
                    None => Ok(()),
                }
            },
        )
        .await?;
        Ok(Recorded { order, before, after, now })
    }

    /// Stores what is to be done next with an order, and that it is in nobody's hands.
    async fn order_work_left(
        &self,
        pipeline: &Pipeline<'_>,
        order: &StoredOrder,
        standing: &Standing,
        let_go: Option<&ClaimedOrder>,
    ) -> store::Result<()> {
        let work = match standing.step {
            Step::Push => Work::Push,
            Step::Change(_) | Step::Nothing => Work::Change,
        };
        // Nothing is to be sent; but whoever has begun may never end it, and somebody must say so then.
        let looked_at = standing.open.map(|_| self.clock.now() + self.orders.settings.lease);
        let Some(at) = order.next_attempt_at.or(looked_at) else {
            return order_pushes::delete(pipeline, order.id).await;
        };
        order_pushes::upsert(pipeline, order.id, work, at).await?;
        match let_go {
            Some(claim) => order_pushes::release(pipeline, claim).await,
            None => Ok(()),
        }
    }

    /// The sync log of a round of sending: opened at its first attempt, closed with its outcome.
    fn order_log(
        &self,
        order: &mut StoredOrder,
        stored: &[Fact],
        new: &[Fact],
        (before, after): (&Standing, &Standing),
        now: DateTime<Utc>,
    ) -> Result<OrderLog> {
        let mut changed = OrderLog::default();
        let first = |round: i64| !stored.iter().any(|fact| began(fact).is_some_and(|(of, _)| of == round));
        if let Some((_, account)) = new.iter().find_map(began).filter(|(round, _)| first(*round)) {
            let log = SyncLog {
                id: self.next_id(now)?,
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
                parent_id: order.sync_log_id,
                account: account.to_owned(),
                waited: TimeDelta::zero(),
                wait: None,
            };
            order.sync_log_id = Some(log.id);
            changed.begun = Some(log);
        }
        let settled = |standing: &Standing| standing.step != Step::Push;
        if settled(after) && !settled(before) {
            changed.ended = order.sync_log_id.map(|id| (id, end(order, after)));
        }
        Ok(changed)
    }

    /// Says what facts made of an order, after they were committed: to whoever works on it or follows it, and in the log.
    pub(super) fn order_announce(&self, recorded: &Recorded) {
        let Recorded { order, before, after, now } = recorded;
        let so_id = order.order.so_id.as_str();
        let words = after.last_error.as_ref().map_or("", |failure| failure.words.as_str());
        let reason = after.last_error.as_ref().map_or("", |failure| failure.reason.as_str());
        if before.state != after.state {
            let (from, to) = (before.state.as_str(), after.state.as_str());
            metrics::counter!("haier_order_states_total", "state" => to).increment(1);
            tracing::info!(so_id, from, to, "an order has changed its state");
        }
        // An attempt that could not be sent leaves the doubt as it was.
        let has_ended = before.open.is_some() && after.open.is_none();
        if let Some(doubt) = after.doubt.filter(|_| has_ended || after.doubt != before.doubt) {
            let attempt = doubt.attempt;
            if *now >= order.deadline_at {
                alert("in_doubt");
                tracing::error!(
                    so_id,
                    attempt,
                    reason,
                    words,
                    alert = true,
                    rule = "order_in_doubt",
                    "an order is in doubt beyond its deadline: look it up at Haier and tell by `orders resolve`"
                );
            } else if before.doubt.is_none() {
                alert("in_doubt");
                tracing::warn!(
                    so_id,
                    attempt,
                    reason,
                    words,
                    "an order is in doubt: nobody knows whether Haier has it; it is sent again"
                );
            } else if let Some(OpenAttempt::Push(attempt)) = before.open.filter(|_| has_ended) {
                tracing::info!(so_id, attempt, reason, words, "an order is still in doubt; it is sent again");
            }
        }
        match after.state {
            OrderState::GivenUp if before.state != OrderState::GivenUp => {
                alert("given_up");
                tracing::error!(
                    so_id,
                    words,
                    alert = true,
                    rule = "order_given_up",
                    "an order is given up: Haier surely does not have it; send it again by `orders retry`"
                );
            }
            OrderState::Refused if before.state != OrderState::Refused => {
                alert("refused");
                tracing::warn!(so_id, words, "Haier refused an order");
            }
            _ => {}
        }
        let weak = |standing: &Standing| {
            standing.last_error.as_ref().is_some_and(|error| error.reason == Reason::OrderRepeated)
                && standing.doubt.is_some()
        };
        if weak(after) && (has_ended || !weak(before)) {
            alert("weak_evidence");
            tracing::error!(
                so_id,
                words,
                alert = true,
                rule = "order_weak_evidence",
                "Haier may have this order already, but a phrase alone does not prove it: look it up at Haier and run `orders resolve`"
            );
        }
        let number_unknown = |standing: &Standing| {
            standing.last_error.as_ref().is_some_and(|error| error.reason == Reason::NumberUnknown)
        };
        if number_unknown(after) && !number_unknown(before) {
            alert("number_unknown");
            tracing::warn!(so_id, words, "an order cannot be given other times");
        }
        if let Some(contradiction) =
            after.contradiction.filter(|_| after.contradiction != before.contradiction)
        {
            alert("contradiction");
            tracing::error!(
                so_id,
                contradiction,
                alert = true,
                rule = "order_contradiction",
                "facts about an order contradict each other: see `orders show`"
            );
        }
        self.orders.announce(order, *now);
    }
}

impl OrderLog {
    async fn write(&self, pipeline: &Pipeline<'_>, now: DateTime<Utc>) -> store::Result<()> {
        if let Some(log) = &self.begun {
            sync_logs::insert_begun(pipeline, log).await?;
        }
        if let Some((id, end)) = &self.ended {
            sync_logs::end_begun(pipeline, *id, end, now).await?;
        }
        Ok(())
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
        // One that arrived was sent with success, whatever Haier calls back about it, and whenever.
        OrderState::Refused if !after.arrived => {
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
        waited: TimeDelta::zero(),
    }
}
