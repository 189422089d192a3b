//! Orders: what a shop sold and Haier shall deliver, legal by construction; where an order stands is derived from facts.

pub mod check;
pub mod content;
pub mod derive;
pub mod facts;
pub mod personal;
pub mod plan;
#[cfg(test)]
pub(crate) mod sample;
pub mod sealing;
pub mod standing;
pub mod told;

use std::fmt;

use chrono::{DateTime, Utc};

pub use check::{ItemDraft, OrderDraft};
pub use personal::Personal;
pub use standing::{Doubt, Failure, OpenAttempt, OrderState, Standing, Step};
pub use told::ToldTimes;

use super::{accounts::AccountIdentity, decimal::Money, printable::is_invisible, products::ProductCode};

/// Longest sub-order number in characters.
const MAX_SO_ID_CHARS: usize = 64;

/// The shop's sub-order number: 1 to 64 characters, trimmed, without blanks and invisible characters. Unique for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SoId(String);

impl SoId {
    /// Checks and trims a number.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the field's name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("must not be blank");
        }
        if text.chars().count() > MAX_SO_ID_CHARS {
            return Err("must have at most 64 characters");
        }
        if text.chars().any(|letter| is_invisible(letter) || letter.is_whitespace()) {
            return Err("must contain neither blanks nor invisible characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number read back from the store, where only checked ones are.
    #[must_use]
    pub const fn from_stored(so_id: String) -> Self {
        Self(so_id)
    }
}

impl fmt::Display for SoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text can be Haier's number of an order: it holds a digit that counts. `false`, `0`, `null` and `-` stand where there
/// is none.
#[must_use]
pub fn is_order_number(text: &str) -> bool {
    text.contains(|char: char| matches!(char, '1'..='9'))
}

/// An order as it was given and checked, or read back from the store. `Debug` shows nothing personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The shop's sub-order number.
    pub so_id: SoId,
    /// The platform's own order number; several orders may share one.
    pub online_no: String,
    /// Name of the ordering system. `None`: the account's.
    pub source_system: Option<String>,
    /// Name of the shop. `None`: the account's.
    pub shop_name: Option<String>,
    /// Who receives it.
    pub consignee_name: Personal,
    /// The receiver's mobile number, 11 digits.
    pub consignee_mobile: Personal,
    /// Province.
    pub province: String,
    /// City.
    pub city: String,
    /// District.
    pub area: String,
    /// Town or street.
    pub town: Option<String>,
    /// The rest of the address.
    pub detail_address: Personal,
    /// The buyer's words, which may hold anything.
    pub remark: Option<Personal>,
    /// Sum of what is paid for the lines.
    pub total_amount: Money,
    /// When to deliver: 23:59:59 of a day in Shanghai.
    pub distribution_time: Option<DateTime<Utc>>,
    /// When to install: 23:59:59 of a day in Shanghai.
    pub install_time: Option<DateTime<Utc>>,
    /// Whether the state subsidises it (国补).
    pub government_order: bool,
    /// Its lines, one unit each, at least one.
    pub items: Vec<OrderItem>,
}

/// One line: one unit of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderItem {
    /// The product.
    pub product_code: ProductCode,
    /// Its price before the discount.
    pub retail_price: Money,
    /// The discount.
    pub discount_amount: Money,
    /// What is paid: the price less the discount.
    pub actual_price: Money,
    /// Whether it is a gift.
    pub is_gift: bool,
}

/// Whose order it became at its first attempt, and stays for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Name of the account.
    pub account: String,
    /// The account's identity: it is sent to no other one of this name. `None`: sent before identities were recorded, under
    /// an account that has not been there since.
    pub identity: Option<AccountIdentity>,
    /// The account's customer code.
    pub seller_code: String,
    /// Name of the ordering system that is sent.
    pub source_system: String,
    /// Name of the shop that is sent.
    pub shop_name: String,
}

/// Orders with which something is to be done and that nobody can send: their account leads elsewhere, or is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplacedOrders {
    /// Name of the account of their first attempt.
    pub account: String,
    /// Whether there is an account of this name with a part at the order system.
    pub account_is_there: bool,
    /// How many there are.
    pub count: i64,
    /// The first of them, at most 20.
    pub so_ids: Vec<SoId>,
}

impl DisplacedOrders {
    /// Why nobody can send them, and the remedy.
    #[must_use]
    pub fn why(&self) -> String {
        let account = &self.account;
        if self.account_is_there {
            format!(
                "the account {account} leads to another place or customer than when they were first sent: give it its former \
                 addresses and codes again, or say that both are the same (`config update {account} --same-place`)"
            )
        } else {
            format!("there is no account {account} with a part at the order system any more: give it back")
        }
    }
}

/// A stored order with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// Time-ordered id.
    pub id: i64,
    /// What was given.
    pub order: Order,
    /// Who pushed it; empty for the service itself.
    pub requested_by: String,
    /// Since its first attempt: under whose name it is sent.
    pub sender: Option<Sender>,
    /// Where it stands.
    pub summary: OrderSummary,
    /// Until when it is sent again after it was provably not booked.
    pub deadline_at: DateTime<Utc>,
    /// Its open or last sync log.
    pub sync_log_id: Option<i64>,
    /// When it was stored; also what Haier is told.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When something is tried next. `None`: nothing is left to do.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The cause of ours for which it waits, if it does.
    pub deferral: Option<Failure>,
    /// Whether a worker has it in hand.
    pub in_hand: bool,
}

/// What of a [`Standing`] is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSummary {
    /// The state.
    pub state: OrderState,
    /// Haier's number of the retail order, from the answer to a push.
    pub retail_order_no: Option<String>,
    /// Haier's order number, from callbacks.
    pub haier_order_no: Option<String>,
    /// What went wrong last.
    pub last_error: Option<Failure>,
    /// Whether nobody knows if Haier has it.
    pub in_doubt: bool,
    /// The times that Haier was told of after the order.
    pub told: ToldTimes,
}

impl From<&Standing> for OrderSummary {
    fn from(standing: &Standing) -> Self {
        Self {
            state: standing.state,
            retail_order_no: standing.retail_order_no.clone(),
            haier_order_no: standing.haier_order_no.clone(),
            last_error: standing.last_error.clone(),
            in_doubt: standing.doubt.is_some(),
            told: standing.told,
        }
    }
}

/// Which orders to list; `None` matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Exact state.
    pub state: Option<OrderState>,
    /// Exact sub-order number.
    pub so_id: Option<String>,
    /// Exact number of the platform.
    pub online_no: Option<String>,
    /// Stored then or later.
    pub created_after: Option<DateTime<Utc>>,
    /// Stored before.
    pub created_before: Option<DateTime<Utc>>,
}

/// One entry of the feed: how an order changed. Entries are numbered from 1 without gaps, in the order of their commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderChange {
    /// Its number.
    pub seq: i64,
    /// The order.
    pub so_id: SoId,
    /// The platform's own order number.
    pub online_no: String,
    /// State before; `None`: it is new.
    pub before: Option<OrderState>,
    /// State after.
    pub state: OrderState,
    /// Haier's number of the retail order, as far as it is known.
    pub retail_order_no: Option<String>,
    /// Haier's order number, as far as it is known.
    pub haier_order_no: Option<String>,
    /// What went wrong last.
    pub last_error: Option<Failure>,
    /// When it changed.
    pub changed_at: DateTime<Utc>,
}
