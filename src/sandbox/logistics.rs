//! Logistics: what is on its way follows from the order code, how far it is from when it was first asked about.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::dice::{Dice, hash};
use super::shanghai;

const SALT: u64 = 5;
/// Beyond that many orders the memory starts anew; their parcels then set out again.
const MAX_REMEMBERED: usize = 100_000;
pub(super) const COMPANIES: &[&str] = &["日日顺物流", "顺丰速运", "德邦快递", "京东物流"];
const STEPS: &[(i64, &str)] = &[
    (0, "仓库已接单"),
    (60, "已出库"),
    (180, "运输中"),
    (420, "到达配送网点"),
    (600, "派送中"),
    (900, "已签收"),
];

/// When each order was first asked about.
#[derive(Default)]
pub(super) struct Parcels(Mutex<HashMap<String, DateTime<Utc>>>);

impl Parcels {
    /// The answer of H4.
    pub(super) fn track(&self, seed: u64, order_code: &str, now: DateTime<Utc>) -> Value {
        let mut first_asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first_asked.len() >= MAX_REMEMBERED && !first_asked.contains_key(order_code) {
            first_asked.clear();
        }
        let since = *first_asked.entry(order_code.to_owned()).or_insert(now);
        drop(first_asked);
        answer(seed, order_code, since, now)
    }
}

fn answer(seed: u64, order_code: &str, since: DateTime<Utc>, now: DateTime<Utc>) -> Value {
    let mut dice = Dice::new(seed, SALT, hash(order_code));
    let mut parcels = |most: u64| -> Vec<Value> {
        (0..dice.below(most + 1))
            .map(|_| {
                let company = dice.pick(COMPANIES);
                let number = format!("SB{:012}", dice.below(1_000_000_000_000));
                parcel(company, &number, dice.below(60) as i64, since, now)
            })
            .collect()
    };
    json!({
        "getAllLogisticsInfoByOrderCode": parcels(2),
        "getStockDeliveryLogisticsRecord": parcels(1),
        "getStockDeliveryLogisticsRecordThirdparty": parcels(1),
    })
}

fn parcel(company: &str, number: &str, lag: i64, since: DateTime<Utc>, now: DateTime<Utc>) -> Value {
    let reached = STEPS
        .iter()
        .map(|(seconds, status)| {
            (since + TimeDelta::seconds(if *seconds == 0 { 0 } else { seconds + lag }), *status)
        })
        .filter(|(at, _)| *at <= now);
    let traces: Vec<_> =
        reached.map(|(at, status)| json!({ "time": shanghai::text(at), "status": status })).collect();
    json!({
        "logisticsCompany": company,
        "logisticsNo": number,
        "status": traces.last().map_or(Value::Null, |trace| trace["status"].clone()),
        "traces": traces,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_gets_further_with_time() {
        let parcels = Parcels::default();
        let start = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let order = (0..).map(|n| format!("SO.20260101.{n:06}")).find(|order| {
            !parcels.track(42, order, start)["getAllLogisticsInfoByOrderCode"].as_array().unwrap().is_empty()
        });
        let order = order.unwrap();
        let at = |seconds| {
            let answer = parcels.track(42, &order, start + TimeDelta::seconds(seconds));
            answer["getAllLogisticsInfoByOrderCode"][0].clone()
        };
        assert_eq!(at(0)["traces"], json!([{ "time": "2026-01-01 08:00:00", "status": "仓库已接单" }]));
        assert_eq!((&at(130)["status"], &at(10_000)["status"]), (&json!("已出库"), &json!("已签收")));
        assert_eq!(at(0), at(0));
    }
}
