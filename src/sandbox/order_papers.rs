//! What there is to see of an order on its way: photos and courier numbers, always the same for the same order.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::dice::{Dice, hash};
use super::logistics::COMPANIES;
use super::order::{Order, OrderState};
use super::shanghai;

const SALT: u64 = 7;
const KINDS: &[&str] = &["配送签收", "安装完成"];

fn dice(seed: u64, order: &Order) -> Dice {
    Dice::new(seed, SALT, hash(&order.retail_order_no))
}

/// Y4: none of an order that is not delivered.
pub(super) fn photos(seed: u64, order: &Order) -> Vec<Value> {
    if order.state != OrderState::Confirmed {
        return Vec::new();
    }
    let mut dice = dice(seed, order);
    let number = &order.retail_order_no;
    let photos = (0..1 + dice.below(4)).map(|at| {
        json!({
            "imageType": KINDS[(at % 2) as usize],
            "imageUrl": format!("https://img.haier.example/delivery/{number}/{at}.jpg"),
            "uploadTime": shanghai::text(order.created_at + TimeDelta::seconds(at as i64)),
        })
    });
    photos.collect()
}

/// Y5, under the number that was asked for: a parcel a line.
pub(super) fn couriers(seed: u64, asked: &str, order: &Order) -> Value {
    let mut dice = dice(seed, order);
    let parcels = order.push.items.iter().map(|_| {
        json!({
            "logisticsCompany": dice.pick(COMPANIES),
            "logisticsNo": format!("SF{:012}", dice.below(1_000_000_000_000)),
            "snCode": format!("SN{:014}", dice.below(100_000_000_000_000)),
        })
    });
    let parcels: Vec<_> = parcels.collect();
    let record = format!("DR{:012}", dice.below(1_000_000_000_000));
    json!({ "orderCode": asked, "deliveryRecordCode": record, "logisticsList": parcels })
}
