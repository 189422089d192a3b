//! From the wire to an order as given. What is wrong with the order itself is the domain's to say.

use std::collections::HashSet;

use super::super::requests::instant;
use crate::{
    domain::{
        decimal::Money,
        orders::{ItemDraft, OrderDraft, OrderState, SoId, facts::ResolvedOutcome},
        violations::Violations,
    },
    proto,
};

/// The one currency.
const CURRENCY: &str = "CNY";
/// Billionths of a yuan in a ten-thousandth.
const NANOS_PER_E4: i32 = 100_000;
/// Billionths of a yuan in a yuan.
const NANOS_PER_YUAN: u32 = 1_000_000_000;

pub(super) fn draft(order: proto::Order, violations: &mut Violations) -> OrderDraft {
    let proto::Order { distribution_time, install_time, total_amount, items, .. } = &order;
    OrderDraft {
        total_amount: money("order.total_amount", total_amount.as_ref(), violations),
        distribution_time: instant("order.distribution_time", distribution_time.as_ref(), violations),
        install_time: instant("order.install_time", install_time.as_ref(), violations),
        items: items.iter().enumerate().map(|(index, item)| self::item(index, item, violations)).collect(),
        so_id: order.so_id,
        online_no: order.online_no,
        source_system: order.source_system,
        shop_name: order.shop_name,
        consignee_name: order.consignee_name,
        consignee_mobile: order.consignee_mobile,
        province: order.province,
        city: order.city,
        area: order.area,
        town: order.town,
        detail_address: order.detail_address,
        remark: order.remark,
        government_order: order.government_order,
    }
}

fn item(index: usize, item: &proto::OrderItem, violations: &mut Violations) -> ItemDraft {
    let field = |name: &str| format!("order.items[{index}].{name}");
    let discount = item.discount_amount.as_ref();
    ItemDraft {
        product_code: item.product_code.clone(),
        quantity: item.quantity,
        retail_price: money(&field("retail_price"), item.retail_price.as_ref(), violations),
        discount_amount: match discount {
            None => Some(Money { e4: 0 }),
            given => money(&field("discount_amount"), given, violations),
        },
        actual_price: money(&field("actual_price"), item.actual_price.as_ref(), violations),
        is_gift: item.is_gift,
    }
}

/// An amount that must be there, exact in four decimals.
fn money(field: &str, money: Option<&proto::Money>, violations: &mut Violations) -> Option<Money> {
    let Some(money) = money else {
        violations.add(field, "is required");
        return None;
    };
    if !money.currency_code.is_empty() && money.currency_code != CURRENCY {
        violations.add(field, "must be in CNY");
        return None;
    }
    let signs_agree = (money.units >= 0 && money.nanos >= 0) || (money.units <= 0 && money.nanos <= 0);
    if !signs_agree || money.nanos.unsigned_abs() >= NANOS_PER_YUAN {
        violations
            .add(field, "is no valid Money: nanos must be within ±999,999,999 and have the sign of units");
        return None;
    }
    if money.nanos % NANOS_PER_E4 != 0 {
        violations.add(field, "has more than four decimals");
        return None;
    }
    let e4 = money.units.checked_mul(10_000);
    let e4 = e4.and_then(|e4| e4.checked_add(i64::from(money.nanos / NANOS_PER_E4)));
    if e4.is_none() {
        violations.add(field, "is out of range");
    }
    e4.map(|e4| Money { e4 })
}

pub(super) fn so_id(field: &str, text: &str, violations: &mut Violations) -> Option<SoId> {
    SoId::parse(text).map_err(|fault| violations.add(field, fault)).ok()
}

/// Numbers as given: trimmed, each once, in the order asked.
pub(super) fn so_ids(texts: &[String], most: usize, violations: &mut Violations) -> Vec<SoId> {
    let mut seen = HashSet::new();
    let mut parsed = Vec::with_capacity(texts.len());
    if texts.is_empty() {
        violations.add("so_ids", "must name at least one order; to find orders use ListOrders");
    }
    for (index, text) in texts.iter().enumerate() {
        parsed.extend(
            so_id(&format!("so_ids[{index}]"), text, violations).filter(|so_id| seen.insert(so_id.clone())),
        );
    }
    if seen.len() > most {
        violations.add("so_ids", format!("names {} orders; at most {most} a request", seen.len()));
    }
    parsed
}
/// The state of a filter; an unknown number is a fault.
pub(super) fn state(number: i32, violations: &mut Violations) -> Option<OrderState> {
    use proto::OrderState as Wire;
    Some(match Wire::try_from(number) {
        Ok(Wire::Unspecified) => return None,
        Ok(Wire::Accepted) => OrderState::Accepted,
        Ok(Wire::InDoubt) => OrderState::InDoubt,
        Ok(Wire::Pushed) => OrderState::Pushed,
        Ok(Wire::Refused) => OrderState::Refused,
        Ok(Wire::Confirmed) => OrderState::Confirmed,
        Ok(Wire::OutOfStock) => OrderState::OutOfStock,
        Ok(Wire::Cancelling) => OrderState::Cancelling,
        Ok(Wire::Cancelled) => OrderState::Cancelled,
        Ok(Wire::GivenUp) => OrderState::GivenUp,
        Err(_) => {
            violations.add("state", format!("{number} is no OrderState"));
            return None;
        }
    })
}

pub(super) fn outcome(number: i32, violations: &mut Violations) -> Option<ResolvedOutcome> {
    match proto::OrderOutcome::try_from(number) {
        Ok(proto::OrderOutcome::Booked) => Some(ResolvedOutcome::Booked),
        Ok(proto::OrderOutcome::NotBooked) => Some(ResolvedOutcome::NotBooked),
        Ok(proto::OrderOutcome::Unspecified) | Err(_) => {
            let allowed = "ORDER_OUTCOME_BOOKED and ORDER_OUTCOME_NOT_BOOKED";
            violations.add("outcome", format!("{number} is no outcome; allowed are {allowed}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_fraction_below_one_with_the_sign_of_the_whole() {
        let read = |units, nanos| {
            let given = proto::Money { currency_code: CURRENCY.to_owned(), units, nanos };
            let mut violations = Violations::default();
            let read = money("amount", Some(&given), &mut violations);
            assert_eq!(violations.into_result(()).is_ok(), read.is_some(), "{given:?}");
            read.map(|money| money.e4)
        };
        assert_eq!([read(1, 500_000_000), read(-1, -999_900_000)], [Some(15_000), Some(-19_999)]);
        for (units, nanos) in [(0, i32::MIN), (-1, i32::MIN), (0, i32::MAX), (1, -1), (-1, 1), (0, 1)] {
            assert_eq!(read(units, nanos), None, "{units} {nanos}");
        }
    }
}
