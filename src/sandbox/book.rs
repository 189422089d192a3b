//! The order book: every order once, found by each of its numbers, and how often each `soId` was pushed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::callback_note::{Note, Wishes};
use super::dice::mix;
use super::events::Event;
use super::journal::{Journal, Keeping};
use super::order::{Late, Order, OrderState, Push, Times};
use super::shanghai;

/// The book. What it does is in line for the disk when a method returns; nobody may be told before it is there.
pub(super) struct Book {
    seed: u64,
    journal: Arc<Journal>,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    orders: Vec<Order>,
    by_so_id: HashMap<String, usize>,
    /// By either of the supplier's numbers; apart, since a `soId` may look like one of them.
    by_number: HashMap<String, usize>,
    received: BTreeMap<String, Received>,
    late: Vec<Late>,
}

/// The pushes of one `soId`, those that were not acted on included.
#[derive(Default)]
struct Received {
    times: u64,
    bodies: HashSet<u64>,
}

/// Something that was done, and the callback about it.
pub(super) struct Done {
    pub(super) order: Order,
    pub(super) note: Option<Note>,
    pub(super) keeping: Keeping,
}

/// What the order is stands in the way of what was asked. One may say so only once everything so far is on disk.
pub(super) struct Conflict(pub(super) OrderState);

impl Book {
    pub(super) fn new(seed: u64, journal: Arc<Journal>) -> Self {
        Self { seed, journal, pages: Mutex::default() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Repeats what happened in a former life.
    pub(super) fn replay(&self, event: Event) {
        self.pages().apply(event);
    }

    fn record(&self, pages: &mut Pages, event: Event) -> Keeping {
        let keeping = self.journal.append(&event);
        pages.apply(event);
        keeping
    }

    /// Counts a push that arrived. Nobody waits for the disk: whatever is answered to it is recorded behind it.
    pub(super) fn received(&self, so_id: &str, body: &[u8]) {
        let body = body.iter().fold(body.len() as u64, |sum, byte| mix(sum ^ u64::from(*byte)));
        let _ = self.record(&mut self.pages(), Event::Received { so_id: so_id.to_owned(), body });
    }

    /// Whether this `soId` was ever booked.
    pub(super) fn has(&self, so_id: &str) -> bool {
        self.pages().find(so_id).is_some()
    }

    /// Books a push, unless its `soId` is there already, whatever its content and its seller.
    pub(super) fn book(
        &self,
        push: Push,
        state: OrderState,
        note: impl FnOnce(&Order) -> Option<Note>,
    ) -> Result<Done, Conflict> {
        let mut pages = self.pages();
        if let Some(order) = pages.find(&push.so_id) {
            return Err(Conflict(order.state));
        }
        let order = Order::new(push, state, self.seed, pages.orders.len() + 1, shanghai::now());
        let note = note(&order);
        let event = Event::Booked { order: order.clone(), note: note.clone() };
        let keeping = self.record(&mut pages, event);
        Ok(Done { order, note, keeping })
    }

    /// Books a push when it falls due, unless its `soId` is there by then.
    pub(super) fn book_later(&self, push: Push, wishes: Wishes, due: DateTime<Utc>) -> Keeping {
        self.record(&mut self.pages(), Event::CutOff(Late { push, wishes, due }))
    }

    /// The cut-off pushes that are due; each is taken once.
    pub(super) fn take_late(&self, now: DateTime<Utc>) -> Vec<Late> {
        self.pages().late.extract_if(.., |late| late.due <= now).collect()
    }

    /// When the next cut-off push falls due.
    pub(super) fn next_late(&self) -> Option<DateTime<Utc>> {
        self.pages().late.iter().map(|late| late.due).min()
    }

    /// Decides a cancellation; `None`: there is no such order.
    pub(super) fn cancel(
        &self,
        so_id: &str,
        accepted: bool,
        note: impl FnOnce(&Order) -> Option<Note>,
    ) -> Option<Result<Done, Conflict>> {
        let mut pages = self.pages();
        let order = pages.find(so_id)?.clone();
        if matches!(order.state, OrderState::Cancelled | OrderState::Refused) {
            return Some(Err(Conflict(order.state)));
        }
        let note = note(&order);
        let event = Event::Cancelled { so_id: so_id.to_owned(), accepted, note: note.clone() };
        let keeping = self.record(&mut pages, event);
        Some(Ok(Done { order, note, keeping }))
    }

    /// Gives an order other times; those not given stay. `None`: there is no such order.
    pub(super) fn reschedule(&self, retail_order_no: &str, times: Times) -> Option<Result<Done, Conflict>> {
        let mut pages = self.pages();
        let order = pages.find_number(retail_order_no)?;
        let order = Some(order).filter(|order| order.retail_order_no == retail_order_no)?.clone();
        if matches!(order.state, OrderState::Cancelled | OrderState::Refused) {
            return Some(Err(Conflict(order.state)));
        }
        let event = Event::Rescheduled { so_id: order.push.so_id.clone(), times };
        let keeping = self.record(&mut pages, event);
        Some(Ok(Done { order, note: None, keeping }))
    }

    /// The order behind any of its numbers.
    pub(super) fn find(&self, number: &str) -> Option<Order> {
        let pages = self.pages();
        pages.find_number(number).or_else(|| pages.find(number)).cloned()
    }

    /// The only order with this `onlineNo`.
    pub(super) fn find_by_online_no(&self, number: &str) -> Option<Order> {
        let pages = self.pages();
        let mut found = pages.orders.iter().filter(|order| order.push.online_no == number);
        found.next().filter(|_| found.next().is_none()).cloned()
    }

    /// The answer of `GET orders`.
    pub(super) fn shown(&self) -> Value {
        let pages = self.pages();
        let orders: Vec<_> = pages.orders.iter().map(|order| pages.shown(order)).collect();
        let received: BTreeMap<_, _> =
            pages.received.iter().map(|(so_id, received)| (so_id, received.times)).collect();
        let late: Vec<_> =
            pages.late.iter().map(|late| json!({ "soId": late.push.so_id, "due": late.due })).collect();
        json!({ "orders": orders, "received": received, "late": late })
    }
}

impl Pages {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Catalogue(_) | Event::CallbackEnded { .. } => {}
            Event::Received { so_id, body } => {
                let received = self.received.entry(so_id).or_default();
                received.times += 1;
                received.bodies.insert(body);
            }
            Event::CutOff(late) => self.late.push(late),
            Event::Booked { order, .. } => {
                let place = self.orders.len();
                // What is booked now is not booked again later.
                self.late.retain(|late| late.push.so_id != order.push.so_id);
                self.by_so_id.insert(order.push.so_id.clone(), place);
                self.by_number.insert(order.retail_order_no.clone(), place);
                self.by_number.insert(order.haier_order_no.clone(), place);
                self.orders.push(order);
            }
            Event::Cancelled { so_id, accepted, .. } => {
                self.change(&so_id, |order| {
                    if accepted {
                        order.state = OrderState::Cancelled;
                    }
                });
            }
            Event::Rescheduled { so_id, times } => self.change(&so_id, |order| {
                let kept = &mut order.push.times;
                kept.distribution_time = times.distribution_time.or(kept.distribution_time);
                kept.install_time = times.install_time.or(kept.install_time);
            }),
        }
    }

    fn change(&mut self, so_id: &str, change: impl FnOnce(&mut Order)) {
        if let Some(order) = self.by_so_id.get(so_id).and_then(|place| self.orders.get_mut(*place)) {
            change(order);
        }
    }

    fn find(&self, so_id: &str) -> Option<&Order> {
        self.by_so_id.get(so_id).and_then(|place| self.orders.get(*place))
    }

    fn find_number(&self, number: &str) -> Option<&Order> {
        self.by_number.get(number).and_then(|place| self.orders.get(*place))
    }

    fn shown(&self, order: &Order) -> Value {
        let received = self.received.get(&order.push.so_id);
        let mut shown = json!(order);
        shown["received"] = json!(received.map_or(0, |received| received.times));
        shown["bodies"] = json!(received.map_or(0, |received| received.bodies.len()));
        shown
    }
}
