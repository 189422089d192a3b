//! An order as the book holds it: what was ordered, the supplier's own numbers and what became of it. Of the consignee it
//! knows nothing, so that nothing of him can get out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::callback_note::Wishes;
use super::dice::{Dice, hash};
use super::shanghai;

const SALT: u64 = 6;

/// What a push asks for, once it was checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Push {
    pub(super) so_id: String,
    pub(super) online_no: String,
    pub(super) seller_code: String,
    pub(super) source_system: String,
    /// A decimal's text.
    pub(super) total_amt: String,
    #[serde(flatten)]
    pub(super) times: Times,
    pub(super) items: Vec<Item>,
}

/// When an order is to be delivered and installed, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Times {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) distribution_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) install_time: Option<i64>,
}

/// One line, which is one unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) product_code: String,
    pub(super) item_qty: i64,
    /// A decimal's text.
    pub(super) actual_price: String,
}

/// What the supplier has decided about an order; the callback that tells it may still be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OrderState {
    Confirmed,
    Refused,
    OutOfStock,
    Cancelled,
}

/// A booked order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    #[serde(flatten)]
    pub(super) push: Push,
    pub(super) retail_order_no: String,
    /// The number that callbacks call `ExtOrderNo`.
    pub(super) haier_order_no: String,
    pub(super) state: OrderState,
    pub(super) created_at: DateTime<Utc>,
}

/// A push that was cut off, and is booked all the same when it falls due, unless its `soId` is there by then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Late {
    pub(super) push: Push,
    pub(super) wishes: Wishes,
    pub(super) due: DateTime<Utc>,
}

impl Order {
    /// Books a push as the `place`th order, counted from 1. Its first number follows from seed and `soId` alone.
    pub(super) fn new(push: Push, state: OrderState, seed: u64, place: usize, now: DateTime<Utc>) -> Self {
        let mut dice = Dice::new(seed, SALT, hash(&push.so_id));
        let retail_order_no = format!("HMM{:018}", dice.below(1_000_000_000_000_000_000));
        let day = shanghai::local(now).format("%Y%m%d");
        let haier_order_no = format!("SO.{day}.{place:06}");
        Self { push, retail_order_no, haier_order_no, state, created_at: now }
    }
}
