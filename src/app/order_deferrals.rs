//! What keeps orders from being sent that is no fault of theirs: a restored database, a pause, an open breaker, a throttled
//! account, refused credentials, no account at all. It is found out before anything is written about an attempt. A deferral
//! is no attempt: it leaves no fact, costs no try, and its time does not count towards the order's deadline.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use crate::{
    domain::{
        clock::{is_due, to_micros},
        orders::{Failure, OrderState, SoId, StoredOrder},
        pauses::PauseTarget,
        reasons::Reason,
    },
    store::order_pushes::{Claimable, PushScope},
    upstream::{Error, OrderCall, Ylh},
};

/// How long an order waits for a cause of which nobody knows when it ends.
const WAIT: TimeDelta = TimeDelta::seconds(60);
/// While all that could be claimed waits, how often what was lost, and what another account sends, is looked for.
const LOOK_PERIOD: TimeDelta = TimeDelta::seconds(5);
/// Why orders are frozen, and the remedy.
const FROZEN: &str = "the database was restored from a backup, so that attempts may be missing here: no order is sent until an \
                      operator runs `haier-integration orders reconcile`";

/// Why something waits, and until when, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deferral {
    pub(super) cause: Failure,
    pub(super) until: Option<DateTime<Utc>>,
}

impl Deferral {
    pub(super) fn new(reason: Reason, words: impl Into<String>) -> Self {
        Self { cause: Failure { reason, words: words.into() }, until: None }
    }

    /// What a call was refused with before anything of it was sent.
    pub(super) fn from_error(error: &Error, now: DateTime<Utc>) -> Self {
        let wait = error.retry_after.and_then(|wait| TimeDelta::from_std(wait).ok());
        let until = wait.map(|wait| to_micros(now + wait));
        Self { until, ..Self::new(error.reason, error.detail.clone()) }
    }

    /// When it is looked at again.
    pub(super) fn again_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.until.unwrap_or_else(|| to_micros(now + WAIT))
    }
}

/// What this replica knows of the causes for which nothing is claimed.
#[derive(Default)]
pub(super) struct Gate(Mutex<GateState>);

#[derive(Default)]
struct GateState {
    /// Since when new orders wait, and why.
    closed: Option<(DateTime<Utc>, Deferral)>,
    look_at: Option<DateTime<Utc>>,
}

/// What may be claimed now, and how many new orders of it.
pub(super) struct Admission {
    pub(super) claimable: Claimable,
    pub(super) most_pushes: Option<u32>,
}

impl App {
    /// Why new orders that this account sends, or the active one, wait.
    fn order_push_hold(&self, account: Option<&str>) -> Option<Deferral> {
        self.order_hold(account, |ylh| ylh.hold(OrderCall::Create))
    }

    /// Why cancellations and other times wait: all of them do only while both operations are held back.
    fn order_change_hold(&self, account: Option<&str>) -> Option<Deferral> {
        self.order_hold(account, |ylh| {
            ylh.hold(OrderCall::Cancel).and_then(|_| ylh.hold(OrderCall::Reschedule))
        })
    }

    fn order_hold(&self, account: Option<&str>, hold: impl Fn(&Ylh) -> Option<Error>) -> Option<Deferral> {
        if self.orders_frozen_at().is_some() {
            return Some(Deferral::new(Reason::OrdersFrozen, FROZEN));
        }
        let active = self.upstreams.find_active();
        let name = active.as_ref().map(|haier| haier.openplat.account().name.clone());
        // Of other accounts it is found out when their orders are claimed.
        if account.is_some() && account != name.as_deref() {
            return None;
        }
        match active.and_then(|haier| haier.ylh) {
            Some(ylh) => hold(&ylh).map(|error| Deferral::from_error(&error, self.clock.now())),
            None => Some(Deferral::new(Reason::NotConfigured, "no account at the order system is active")),
        }
    }

    /// What may be claimed now. An order that waits for a cause of ours is not even looked at.
    pub(super) fn order_admission(&self) -> Admission {
        let now = self.clock.now();
        let paused = |target: PauseTarget| self.pauses_in_force().iter().any(|pause| pause.target == target);
        let all_paused = paused(PauseTarget::OrderSystem);
        let account = self.upstreams.find_active().map(|haier| haier.openplat.account().name.clone());
        let hold = self.order_push_hold(None);
        let changes = !all_paused && self.order_change_hold(None).is_none();
        let pushes = match &hold {
            None => PushScope::All,
            Some(hold) if hold.cause.reason == Reason::OrdersFrozen => PushScope::None,
            Some(_) if all_paused || paused(PauseTarget::OrderPush) => PushScope::None,
            Some(_) => PushScope::SentByOthersThan(account),
        };
        let most_pushes = match (&pushes, self.upstreams.find_active().and_then(|haier| haier.ylh)) {
            (PushScope::All, Some(ylh)) => ylh.free(OrderCall::Create),
            _ => None,
        };
        let look = self.order_gate_turn(hold, now);
        let pushes = if look || matches!(pushes, PushScope::All) { pushes } else { PushScope::None };
        Admission { claimable: Claimable { pushes, changes, lost: look }, most_pushes }
    }

    /// Notes whether new orders wait, and logs when that changes; whether to look for what is rarely there.
    fn order_gate_turn(&self, hold: Option<Deferral>, now: DateTime<Utc>) -> bool {
        let mut gate = self.orders.gate.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = |closed: &Option<(DateTime<Utc>, Deferral)>| {
            closed.as_ref().map(|(_, deferral)| deferral.cause.reason)
        };
        match (&gate.closed, &hold) {
            (None, Some(Deferral { cause, .. })) => {
                tracing::warn!(reason = %cause.reason, words = cause.words, "orders wait and are not sent");
            }
            (Some((since, _)), None) => {
                let waited = (now - *since).num_seconds();
                tracing::info!(waited_seconds = waited, "orders are sent again");
            }
            _ => {}
        }
        let since = gate.closed.as_ref().map_or(now, |(since, _)| *since);
        let closed = hold.map(|deferral| (since, deferral));
        let has_turned = reason(&closed) != reason(&gate.closed);
        gate.closed = closed;
        let look = gate.look_at.is_none_or(|at| is_due(at, LOOK_PERIOD, now));
        if look {
            gate.look_at = Some(now + LOOK_PERIOD);
        }
        drop(gate);
        if has_turned {
            self.orders.watchers.notify_all();
        }
        look
    }

    /// Whether the account can log in: a token is at hand, or was fetched now. Nothing is written before.
    pub(super) async fn order_login(&self, ylh: Option<&Arc<Ylh>>) -> std::result::Result<(), Deferral> {
        let Some(ylh) = ylh else { return Ok(()) };
        let login = ylh.client().authenticate(&crate::upstream::Call::LIVE).await;
        login.map_err(|error| Deferral::from_error(&error, self.clock.now()))
    }

    /// Logs that an order waits, and wakes whoever follows it.
    pub(super) fn order_deferred(&self, so_id: &SoId, deferral: &Deferral) {
        let Failure { reason, words } = &deferral.cause;
        tracing::debug!(so_id = so_id.as_str(), %reason, words, "an order waits and is not sent");
        self.orders.watchers.notify(so_id);
    }

    /// The order with the cause for which it waits, if it does.
    pub(super) fn order_with_deferral(&self, mut order: StoredOrder) -> StoredOrder {
        let Some(due) = order.next_attempt_at.filter(|_| !order.in_hand) else {
            return StoredOrder { in_hand: false, deferral: None, ..order };
        };
        // What was found out for one order before the database was restored may be over; the freeze is not.
        if order.deferral.is_some() && self.orders_frozen_at().is_none() {
            return order;
        }
        let is_push = order.summary.in_doubt || order.summary.state == OrderState::Accepted;
        let account = order.sender.as_ref().map(|sender| sender.account.as_str());
        let hold = if is_push { self.order_push_hold(account) } else { self.order_change_hold(account) };
        // What is due later may be over by then.
        if let Some(deferral) = hold.filter(|deferral| deferral.until.is_none_or(|until| until > due)) {
            order.next_attempt_at = Some(deferral.until.map_or(due, |until| until.max(due)));
            order.deferral = Some(deferral.cause);
        }
        order
    }
}
