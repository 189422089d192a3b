//! How orders and their lines look as rows.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{Insertable, Queryable, Selectable};
use serde::{Deserialize, Serialize};

use super::super::{
    Result,
    instant::At,
    schema::{order_items, orders},
    sync_logs::unknown,
};
use crate::domain::{
    accounts::AccountIdentity,
    decimal::Money,
    orders::{
        Failure, Order, OrderItem, OrderState, OrderSummary, Personal, Sender, SoId, StoredOrder, ToldTimes,
        sealing::{PersonalPart, SealedOrder},
    },
    products::ProductCode,
    reasons::Reason,
    sealed::Sealed,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = orders)]
pub(super) struct OrderRow {
    pub(super) id: i64,
    so_id: String,
    online_no: String,
    source_system: Option<String>,
    shop_name: Option<String>,
    consignee_name: String,
    consignee_mobile: String,
    province: String,
    city: String,
    area: String,
    town: Option<String>,
    detail_address: String,
    remark: Option<String>,
    total_amount_e4: i64,
    distribution_time: Option<At>,
    install_time: Option<At>,
    government_order: bool,
    requested_by: String,
    account: Option<String>,
    sender: Option<serde_json::Value>,
    state: String,
    retail_order_no: Option<String>,
    haier_order_no: Option<String>,
    error_reason: Option<String>,
    error_words: Option<String>,
    in_doubt: bool,
    deadline_at: At,
    sync_log_id: Option<i64>,
    created_at: At,
    updated_at: At,
    told_times: Option<serde_json::Value>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = order_items)]
pub(super) struct ItemRow {
    order_id: i64,
    line: i64,
    product_code: String,
    retail_price_e4: i64,
    discount_amount_e4: i64,
    actual_price_e4: i64,
    is_gift: bool,
}

/// What the account said at the first attempt.
#[derive(Serialize, Deserialize)]
struct StoredSender {
    seller_code: String,
    source_system: String,
    shop_name: String,
    #[serde(default)]
    place: Option<String>,
    #[serde(default)]
    account_id: Option<i64>,
}

/// Times that Haier was told of after the order.
#[derive(Serialize, Deserialize)]
struct StoredTimes {
    distribution_time: Option<DateTime<Utc>>,
    install_time: Option<DateTime<Utc>>,
}

pub(super) fn told_json(told: ToldTimes) -> Option<serde_json::Value> {
    let ToldTimes { distribution_time, install_time } = told;
    (told != ToldTimes::default()).then(|| serde_json::json!(StoredTimes { distribution_time, install_time }))
}

fn told(json: Option<serde_json::Value>) -> Result<ToldTimes> {
    let Some(json) = json else { return Ok(ToldTimes::default()) };
    let stored: StoredTimes = serde_json::from_value(json)
        .map_err(|error: serde_json::Error| unknown("times of an order", &error.to_string()))?;
    Ok(ToldTimes { distribution_time: stored.distribution_time, install_time: stored.install_time })
}

pub(super) fn sender_json(sender: &Sender) -> serde_json::Value {
    serde_json::json!(StoredSender {
        seller_code: sender.seller_code.clone(),
        source_system: sender.source_system.clone(),
        shop_name: sender.shop_name.clone(),
        place: sender.identity.as_ref().map(|identity| identity.place.clone()),
        account_id: sender.identity.as_ref().and_then(|identity| identity.account_id),
    })
}

pub(super) fn items(order_id: i64, order: &Order) -> impl Iterator<Item = ItemRow> {
    order.items.iter().zip(1..).map(move |(item, line)| ItemRow {
        order_id,
        line,
        product_code: item.product_code.as_str().to_owned(),
        retail_price_e4: item.retail_price.e4,
        discount_amount_e4: item.discount_amount.e4,
        actual_price_e4: item.actual_price.e4,
        is_gift: item.is_gift,
    })
}

impl From<ItemRow> for OrderItem {
    fn from(row: ItemRow) -> Self {
        Self {
            product_code: ProductCode::from_stored(row.product_code),
            retail_price: Money { e4: row.retail_price_e4 },
            discount_amount: Money { e4: row.discount_amount_e4 },
            actual_price: Money { e4: row.actual_price_e4 },
            is_gift: row.is_gift,
        }
    }
}

/// What is to be done with an order next: its id, when, whether a worker has it in hand, and why it waits.
pub(super) type NextRow = (i64, At, bool, Option<String>, Option<String>);

/// Orders out of rows; lines come in their order.
pub(super) fn whole(
    rows: Vec<OrderRow>,
    items: Vec<ItemRow>,
    next: Vec<NextRow>,
) -> Result<Vec<SealedOrder>> {
    let mut lines: HashMap<i64, Vec<OrderItem>> = HashMap::new();
    for item in items {
        lines.entry(item.order_id).or_default().push(item.into());
    }
    let mut next: HashMap<i64, NextRow> = next.into_iter().map(|next| (next.0, next)).collect();
    rows.into_iter()
        .map(|row| {
            let (lines, next) = (lines.remove(&row.id), next.remove(&row.id));
            row.with(lines.unwrap_or_default(), next)
        })
        .collect()
}

impl OrderRow {
    fn with(self, items: Vec<OrderItem>, next: Option<NextRow>) -> Result<SealedOrder> {
        let (next_attempt_at, in_hand, reason, words) = match next {
            Some((_, at, in_hand, reason, words)) => (Some(at), in_hand, reason, words),
            None => (None, false, None, None),
        };
        let personal = PersonalPart {
            consignee_name: Sealed::from_stored(self.consignee_name),
            consignee_mobile: Sealed::from_stored(self.consignee_mobile),
            detail_address: Sealed::from_stored(self.detail_address),
            remark: self.remark.map(Sealed::from_stored),
        };
        let sender =
            self.account.zip(self.sender).map(|(account, json)| sender(account, json)).transpose()?;
        let nothing = || Personal::new("");
        let order = Order {
            so_id: SoId::from_stored(self.so_id),
            online_no: self.online_no,
            source_system: self.source_system,
            shop_name: self.shop_name,
            consignee_name: nothing(),
            consignee_mobile: nothing(),
            province: self.province,
            city: self.city,
            area: self.area,
            town: self.town,
            detail_address: nothing(),
            remark: None,
            total_amount: Money { e4: self.total_amount_e4 },
            distribution_time: self.distribution_time.map(Into::into),
            install_time: self.install_time.map(Into::into),
            government_order: self.government_order,
            items,
        };
        let summary = OrderSummary {
            state: state(&self.state)?,
            retail_order_no: self.retail_order_no,
            haier_order_no: self.haier_order_no,
            last_error: failure(self.error_reason, self.error_words)?,
            in_doubt: self.in_doubt,
            told: told(self.told_times)?,
        };
        let rest = StoredOrder {
            id: self.id,
            order,
            requested_by: self.requested_by,
            sender,
            summary,
            deadline_at: self.deadline_at.into(),
            sync_log_id: self.sync_log_id,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            next_attempt_at: next_attempt_at.map(Into::into),
            deferral: failure(reason, words)?,
            in_hand,
        };
        Ok(SealedOrder::new(rest, personal))
    }
}

pub(in crate::store) fn sender(account: String, json: serde_json::Value) -> Result<Sender> {
    let stored: StoredSender = serde_json::from_value(json)
        .map_err(|error: serde_json::Error| unknown("sender of an order", &error.to_string()))?;
    let StoredSender { seller_code, source_system, shop_name, place, account_id } = stored;
    let identity = place.map(|place| AccountIdentity { place, account_id });
    Ok(Sender { account, identity, seller_code, source_system, shop_name })
}

pub(in crate::store) fn state(word: &str) -> Result<OrderState> {
    OrderState::parse(word).ok_or_else(|| unknown("order state", word))
}

pub(in crate::store) fn failure(reason: Option<String>, words: Option<String>) -> Result<Option<Failure>> {
    let Some((word, words)) = reason.zip(words) else { return Ok(None) };
    let reason = Reason::parse(&word).ok_or_else(|| unknown("reason", &word))?;
    Ok(Some(Failure { reason, words }))
}
