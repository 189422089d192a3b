//! Sending orders and their changes: claimed under a lease by any replica, with the fact "began" committed before the
//! first byte and the answer committed after the last one. No transaction is held over the call.

mod calls;

use std::sync::Arc;

use calls::{Call, Outcome};
use chrono::TimeDelta;
use futures_util::future;
use secrecy::SecretString;

use super::{
    App,
    order_deferrals::{Admission, Deferral},
    order_facts::{History, Recorded},
    process_numbers::{DRAWS, is_to_be_drawn_again},
};
use crate::{
    domain::{
        accounts::AccountIdentity,
        orders::{
            OpenAttempt, Order, OrderState, Sender, Standing, Step, StoredOrder,
            facts::{ChangeAnswer, FactKind, PushAnswer},
            sealing::{BODY, place},
        },
        reasons::Reason,
        sealed::Sealed,
    },
    error::{Causes, Error, Result},
    store::{
        order_pushes::{self, ClaimLimits, ClaimedOrder, PushScope},
        orders,
    },
    upstream::{self, MaySend, Reservation, Ylh, account_identity, order_body},
};

/// How long to wait before an answer is stored that could not be.
const STORE_WAIT: TimeDelta = TimeDelta::seconds(1);
/// How often the database may refuse an answer, without being away, before it counts as one that cannot be stored.
const STORE_REFUSALS: u32 = 10;

/// Who says that an earlier attempt at an order is not on record.
const LOST_RECORDS: &str = "records lost with the database";

/// Under whose name an order is sent for ever, and as which bytes.
type Bound = (Sender, Sealed);

/// What is done with an order.
enum Next {
    /// These facts are stored, which may be none, and what follows from them.
    Facts(Vec<FactKind>),
    /// It waits for a cause of ours; no fact is stored.
    Deferred(Deferral),
    /// A call begins.
    Begin(Box<Begin>),
}

/// A call that begins, with the fact that says so.
struct Begin {
    fact: FactKind,
    call: Call,
    /// The place that was kept for its first send.
    place: Reservation,
    bound: Option<Bound>,
}

/// A call that may be made now: its fact is stored.
struct Begun {
    order: Order,
    ylh: Arc<Ylh>,
    call: Call,
    place: Reservation,
}

impl App {
    /// Orders this replica may have in flight.
    #[must_use]
    pub fn orders_in_flight(&self) -> usize {
        self.orders.settings.calls_in_flight
    }

    /// Orders that this replica works on at this moment.
    #[must_use]
    pub fn orders_in_hand(&self) -> usize {
        self.orders.leases.claims().len()
    }

    /// How often a worker shows a sign of life.
    #[must_use]
    pub fn orders_heartbeat_period(&self) -> TimeDelta {
        self.orders.settings.heartbeat
    }

    /// Returns when an order may be due.
    pub async fn orders_woken(&self) {
        self.orders.wake.notified().await;
    }

    /// Takes orders with which something is to be done, at most so many. None of those that wait for a cause of ours.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders_claim(&self, limit: usize) -> Result<Vec<ClaimedOrder>> {
        let Admission { claimable, most_pushes } = self.order_admission();
        if claimable.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let all = i64::try_from(limit).unwrap_or(i64::MAX);
        let limits = ClaimLimits { pushes: most_pushes.map_or(all, i64::from), all };
        let mut tx = self.store.begin().await?;
        if !self.orders_may_be_claimed(&mut tx).await? {
            tx.rollback().await?;
            return Ok(Vec::new());
        }
        let lease = self.orders.settings.lease;
        if claimable.lost && claimable.pushes == PushScope::All {
            order_pushes::resume(&mut tx, now).await?;
        }
        let early = if claimable.lost { order_pushes::bring_forward(&mut tx, now).await? } else { 0 };
        let claimed = order_pushes::claim(&mut tx, &self.worker, &claimable, limits, now, lease).await?;
        tx.commit().await?;
        if early > 0 {
            tracing::warn!(orders = early, "orders that were accepted while the clock was ahead are due now");
        }
        Ok(claimed)
    }

    /// Prolongs the leases of the orders that this replica works on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders_heartbeat(&self) -> Result<()> {
        let claims = self.orders.leases.claims();
        let mut tx = self.store.begin().await?;
        let now = self.clock.now();
        let until = now + self.orders.settings.lease;
        let prolonged = order_pushes::heartbeat(&mut tx, &self.worker, &claims, now, until).await?;
        tx.commit().await?;
        self.orders.leases.prolong(&prolonged, until, &*self.clock);
        Ok(())
    }

    /// Does what is to be done with a claimed order, once.
    pub async fn order_work(self: Arc<Self>, claim: ClaimedOrder) {
        let in_hand = self.orders.leases.take(&claim, &*self.clock);
        let so_id = claim.so_id.as_str();
        let mut draws = DRAWS;
        let begun = loop {
            let begun = self.order_begin(&claim).await;
            if !is_to_be_drawn_again(&begun, &mut draws) {
                break begun;
            }
        };
        let begun = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => return,
            Err(error) => {
                // The lease runs out, and somebody looks again.
                tracing::warn!(so_id, error = %Causes(&error), "an order could not be worked on");
                return;
            }
        };
        let (clock, lease) = (Arc::clone(&self.clock), Arc::clone(&in_hand.lease));
        let may_send: MaySend = Arc::new(move || lease.holds(&*clock));
        let sending = upstream::Call::while_allowed(&may_send).about(&begun.order).reserved(&begun.place);
        let outcome = begun.call.send(&begun.ylh, &begun.order, &self.clock, &sending).await;
        let mut refused = 0;
        // What Haier answered is not thrown away because our database is away, or refuses it for a reason that may pass.
        while let Err(error) = self.order_end(&claim, &begun, outcome.clone()).await {
            refused += u32::from(!matches!(error, Error::StoreUnavailable(_)));
            let error = Causes(&error);
            if refused >= STORE_REFUSALS {
                tracing::error!(so_id, %error, answer = ?outcome, "what Haier answered cannot be stored: the order is in doubt");
                return;
            }
            tracing::warn!(so_id, %error, "what Haier answered could not be stored; trying again");
            self.clock.sleep_until(self.clock.now() + STORE_WAIT).await;
        }
    }

    /// Stores that a call begins, and returns it. `None`: there is none to make now.
    async fn order_begin(self: &Arc<Self>, claim: &ClaimedOrder) -> Result<Option<Begun>> {
        if claim.is_taken_over && self.order_end_lost(claim).await? {
            return Ok(None);
        }
        let account = self.order_account(claim).await?;
        // Before the row is locked: it may take as long as a call.
        let login = self.order_login(account.as_ref().map(|account| &account.ylh)).await;
        let _turn = self.orders.storing.acquire().await;
        let mut tx = self.store.begin().await?;
        let mut history = self.order_lock(&mut tx, &claim.so_id).await?;
        let pipeline = tx.pipeline();
        let held = order_pushes::holds(&pipeline, claim);
        let (is_held, body) = future::try_join(held, orders::find_body(&pipeline, history.order.id)).await?;
        if !is_held {
            tx.rollback().await?;
            return Ok(None);
        }
        let begin = match self.order_next(&history, account.as_ref(), body, login)? {
            Next::Deferred(deferral) => {
                let until = deferral.again_at(history.now);
                order_pushes::defer(&tx.pipeline(), claim, &deferral.cause, until).await?;
                tx.commit().await?;
                self.order_deferred(&claim.so_id, &deferral);
                return Ok(None);
            }
            Next::Facts(facts) => {
                let recorded = self.order_record(&mut tx, history, facts, Some(claim)).await?;
                tx.commit().await?;
                self.order_announce_changed(&recorded);
                return Ok(None);
            }
            Next::Begin(begin) => *begin,
        };
        if let Some((sender, body)) = &begin.bound {
            orders::bind(&tx.pipeline(), history.order.id, sender, body).await?;
        }
        history.exclude_deferred_time();
        let order = history.order.order.clone();
        let recorded = self.order_record(&mut tx, history, vec![begin.fact], None).await?;
        tx.commit().await?;
        self.order_announce_changed(&recorded);
        let (call, place) = (begin.call, begin.place);
        Ok(account.map(|account| Begun { order, ylh: account.ylh, call, place }))
    }

    /// Ends the call that the worker before has begun and not ended, if there is one: that is no matter of logging in first.
    async fn order_end_lost(&self, claim: &ClaimedOrder) -> Result<bool> {
        let mut tx = self.store.begin().await?;
        let history = self.order_lock_without_people(&mut tx, &claim.so_id).await?;
        let lost = lost(&history.standing);
        let holds = order_pushes::holds(&tx.pipeline(), claim).await?;
        let Some(lost) = lost.filter(|_| holds) else {
            tx.rollback().await?;
            return Ok(false);
        };
        let recorded = self.order_record(&mut tx, history, vec![lost], Some(claim)).await?;
        tx.commit().await?;
        self.order_announce_changed(&recorded);
        Ok(true)
    }

    /// Whoever sends an order: that of its first attempt, for ever; else the active one.
    async fn order_account(self: &Arc<Self>, claim: &ClaimedOrder) -> Result<Option<SendingAccount>> {
        let haier = match &claim.sender {
            Some(sender) => self.upstream_of(&sender.account).await?,
            None => self.upstreams.find_active(),
        };
        Ok(haier.and_then(|haier| {
            let account = haier.openplat.account();
            let (name, seller_code) = (account.name.clone(), account.customer_code.clone());
            let identity = account_identity(account)?;
            Some(SendingAccount { ylh: haier.ylh.clone()?, name, identity, seller_code })
        }))
    }

    /// What is to be done now with an order that was sent as these bytes, if it ever was.
    fn order_next(
        &self,
        history: &History,
        account: Option<&SendingAccount>,
        body: Option<Sealed>,
        login: std::result::Result<(), Deferral>,
    ) -> Result<Next> {
        let (standing, order) = (&history.standing, &history.order);
        if let Some(lost) = lost(standing) {
            return Ok(Next::Facts(vec![lost]));
        }
        if standing.step == Step::Nothing || order.next_attempt_at.is_none_or(|due| due > history.now) {
            return Ok(Next::Facts(Vec::new()));
        }
        let Some(account) = account else {
            return Ok(Next::Deferred(no_account(history)));
        };
        if let Some(sender) = &order.sender {
            // The claim is older than the lock: never under another account, whatever happened in between.
            if sender.account != account.name {
                return Ok(Next::Facts(Vec::new()));
            }
            // The name is the same and may mean another place or customer by now: that one must not get the order.
            if sender.identity.as_ref().is_some_and(|identity| *identity != account.identity) {
                return Ok(Next::Deferred(other_place(&sender.account)));
            }
        }
        if let Err(deferral) = login {
            return Ok(Next::Deferred(deferral));
        }
        let (fact, call, bound) = match standing.step {
            Step::Nothing => return Ok(Next::Facts(Vec::new())),
            Step::Push => {
                let (body, bound) = self.order_bytes(order, account, body)?;
                let attempt = standing.attempts + 1;
                let began =
                    FactKind::PushBegan { attempt, round: standing.round, account: account.name.clone() };
                (began, Call::Push { attempt, body }, bound)
            }
            Step::Change(number) => {
                let attempt = standing.change_attempts + 1;
                let ours = &account.ylh.account().source_system;
                let Some(call) = Call::change(history, number, attempt, ours) else {
                    return Ok(Next::Facts(Vec::new()));
                };
                (FactKind::ChangeBegan { number, attempt }, call, None)
            }
        };
        // Last of all: whoever has a place uses it.
        Ok(match account.ylh.reserve(call.kind(), call.number(order)) {
            Ok(place) => Next::Begin(Box::new(Begin { fact, call, place, bound })),
            Err(error) => Next::Deferred(Deferral::from_error(&error, history.now)),
        })
    }

    /// The bytes that are sent: built at the first attempt, and to be kept with the sender then.
    fn order_bytes(
        &self,
        order: &StoredOrder,
        account: &SendingAccount,
        body: Option<Sealed>,
    ) -> Result<(SecretString, Option<Bound>)> {
        let ring = self.key_ring()?;
        if let Some(body) = body {
            return Ok((ring.open(place(order.id, BODY), &body)?, None));
        }
        let given = &order.order;
        let ylh = account.ylh.account();
        let or = |given: &Option<String>, theirs: &str| given.clone().unwrap_or_else(|| theirs.to_owned());
        let sender = Sender {
            account: account.name.clone(),
            identity: Some(account.identity.clone()),
            seller_code: account.seller_code.clone(),
            source_system: or(&given.source_system, &ylh.source_system),
            shop_name: or(&given.shop_name, &ylh.shop_name),
        };
        let body =
            order_body(given, &sender, order.created_at).map_err(|error| Error::Internal(Box::new(error)))?;
        let sealed = ring.seal(place(order.id, BODY), &body)?;
        Ok((body.into(), Some((sender, sealed))))
    }

    /// Stores what came of a call, whoever holds the lease by now: it is the truth.
    async fn order_end(&self, claim: &ClaimedOrder, begun: &Begun, outcome: Outcome) -> Result<()> {
        let _turn = self.orders.storing.acquire().await;
        let mut tx = self.store.begin().await?;
        let history = self.order_lock(&mut tx, &claim.so_id).await?;
        let mut facts = with_end(&history, vec![begun.call.ended(outcome)]);
        let is_there_already = is_repeated_at_first(&history, &facts);
        if is_there_already && self.orders_come_again(&mut tx).await? {
            facts.push(FactKind::Doubted { by: LOST_RECORDS.to_owned() });
            tracing::warn!(
                so_id = claim.so_id.as_str(),
                alert = true,
                "Haier has this order already, and nothing here says who sent it: it counts as sent before the database was \
                 restored or failed over. Compare what Haier has with it, and cancel it where they differ"
            );
        }
        let recorded = self.order_record(&mut tx, history, facts, Some(claim)).await?;
        tx.commit().await?;
        self.order_announce(&recorded);
        Ok(())
    }

    fn order_announce_changed(&self, recorded: &Recorded) {
        if recorded.before != recorded.after {
            self.order_announce(recorded);
        }
    }
}

/// An account that can send orders.
struct SendingAccount {
    ylh: Arc<Ylh>,
    name: String,
    identity: AccountIdentity,
    seller_code: String,
}

/// An attempt that its worker did not end: whoever finds it says so, and nobody knows what came of it.
fn lost(standing: &Standing) -> Option<FactKind> {
    let (reason, words) =
        (Reason::WorkerLost, "whoever sent it went away before the answer was stored".to_owned());
    Some(match standing.open? {
        OpenAttempt::Push(attempt) => {
            FactKind::PushEnded { attempt, answer: PushAnswer::InDoubt { reason, words } }
        }
        OpenAttempt::Change { number, attempt } => {
            let answer = ChangeAnswer::Failed { reason, words, again_at: None };
            FactKind::ChangeEnded { number, attempt, answer }
        }
    })
}

/// Why nobody can send it now.
fn no_account(history: &History) -> Deferral {
    let words = match &history.order.sender {
        Some(sender) => format!("the account {} under which it was first sent is not there", sender.account),
        None => "no account at the order system is active".to_owned(),
    };
    Deferral::new(Reason::NotConfigured, words)
}

/// The account of the order's name is another place or customer than the one it was first sent to: nothing is sent, and what
/// is in doubt stays so.
fn other_place(account: &str) -> Deferral {
    let words = format!(
        "the account {account} leads to another place or customer than the one that this order was first sent to: give the \
         account its former addresses and codes again, or say that both are the same (`config update {account} --same-place`)"
    );
    Deferral::new(Reason::OtherPlace, words)
}

/// Whether Haier has it from somebody of whom nothing is on record.
fn is_repeated_at_first(history: &History, facts: &[FactKind]) -> bool {
    let after = history.with(facts);
    let error = after.last_error.as_ref().map(|error| error.reason);
    after.state == OrderState::Refused && error == Some(Reason::OrderRepeated)
}

/// These facts, and that the order is given up if with them it is past its deadline and provably not at Haier, and Haier has
/// received it once more in vain.
fn with_end(history: &History, mut facts: Vec<FactKind>) -> Vec<FactKind> {
    let in_vain =
        matches!(&*facts, [FactKind::PushEnded { answer: PushAnswer::NotSent { reached: true, .. }, .. }]);
    let after = history.with(&facts);
    let gives_up = in_vain
        && history.now >= history.order.deadline_at
        && after.state == OrderState::Accepted
        && after.never_there;
    facts.extend(gives_up.then_some(FactKind::GaveUp { round: history.standing.round }));
    facts
}
