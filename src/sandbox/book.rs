//! The order book: every order once, found by each of its numbers, and how often each `soId` was pushed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::dice::mix;
use super::events::Event;
use super::journal::{Journal, Keeping};
use super::order::{Order, OrderState, Push};
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
}

/// The pushes of one `soId`, those that were not acted on included.
#[derive(Default)]
struct Received {
    times: u64,
    bodies: HashSet<u64>,
}

/// What became of a push.
pub(super) enum Booking {
    Booked(Order, Keeping),
    /// It is there already; that, too, may be said only once what was recorded before is on disk.
    Repeated(Order),
}

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

    /// Counts a push that arrived.
    pub(super) fn received(&self, so_id: &str, body: &[u8]) -> Keeping {
        let body = body.iter().fold(body.len() as u64, |sum, byte| mix(sum ^ u64::from(*byte)));
        self.record(&mut self.pages(), Event::Received { so_id: so_id.to_owned(), body })
    }

    /// Books a push, unless its `soId` is there already, whatever its content and its seller.
    pub(super) fn book(&self, push: Push, state: OrderState) -> Booking {
        let mut pages = self.pages();
        if let Some(order) = pages.find(&push.so_id) {
            return Booking::Repeated(order.clone());
        }
        let order = Order::new(push, state, self.seed, pages.orders.len() + 1, shanghai::now());
        let keeping = self.record(&mut pages, Event::Booked(order.clone()));
        Booking::Booked(order, keeping)
    }

    /// The answer of `GET orders`.
    pub(super) fn shown(&self) -> Value {
        let pages = self.pages();
        let orders: Vec<_> = pages.orders.iter().map(|order| pages.shown(order)).collect();
        let received: BTreeMap<_, _> =
            pages.received.iter().map(|(so_id, received)| (so_id, received.times)).collect();
        json!({ "orders": orders, "received": received })
    }
}

impl Pages {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Catalogue(_) => {}
            Event::Received { so_id, body } => {
                let received = self.received.entry(so_id).or_default();
                received.times += 1;
                received.bodies.insert(body);
            }
            Event::Booked(order) => {
                let place = self.orders.len();
                self.by_so_id.insert(order.push.so_id.clone(), place);
                self.by_number.insert(order.retail_order_no.clone(), place);
                self.by_number.insert(order.haier_order_no.clone(), place);
                self.orders.push(order);
            }
        }
    }

    fn find(&self, so_id: &str) -> Option<&Order> {
        self.by_so_id.get(so_id).and_then(|place| self.orders.get(*place))
    }

    fn shown(&self, order: &Order) -> Value {
        let received = self.received.get(&order.push.so_id);
        let mut shown = json!(order);
        shown["received"] = json!(received.map_or(0, |received| received.times));
        shown["bodies"] = json!(received.map_or(0, |received| received.bodies.len()));
        shown
    }
}
