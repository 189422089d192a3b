//! Orders, their facts and changes, for the wire.

use chrono::{DateTime, Utc};

use super::super::convert::{money, timestamp};
use crate::{
    domain::{
        order_calls::{CourierNumbers, DeliveryPhoto},
        orders::{
            Failure, OrderChange, OrderItem, OrderState, Personal, SoId, StoredOrder,
            facts::{Callback, ChangeAnswer, Fact, FactKind, PushAnswer, Resolution},
        },
        reasons::Reason,
    },
    proto,
};

pub(super) fn order(stored: StoredOrder) -> proto::Order {
    let (order, summary, sender) = (stored.order, stored.summary, stored.sender);
    let text = |text: Option<String>| text.unwrap_or_default();
    let sent = |given: Option<String>, sent: Option<&String>| sent.cloned().or(given).unwrap_or_default();
    let personal = |personal: &Personal| personal.expose().to_owned();
    proto::Order {
        so_id: order.so_id.to_string(),
        online_no: order.online_no,
        source_system: sent(order.source_system, sender.as_ref().map(|sender| &sender.source_system)),
        shop_name: sent(order.shop_name, sender.as_ref().map(|sender| &sender.shop_name)),
        consignee_name: personal(&order.consignee_name),
        consignee_mobile: personal(&order.consignee_mobile),
        province: order.province,
        city: order.city,
        area: order.area,
        town: text(order.town),
        detail_address: personal(&order.detail_address),
        remark: order.remark.as_ref().map(personal).unwrap_or_default(),
        total_amount: Some(money(order.total_amount)),
        distribution_time: order.distribution_time.map(timestamp),
        install_time: order.install_time.map(timestamp),
        current_distribution_time: summary.told.distribution_time.or(order.distribution_time).map(timestamp),
        current_install_time: summary.told.install_time.or(order.install_time).map(timestamp),
        government_order: order.government_order,
        items: order.items.into_iter().map(item).collect(),
        state: state(summary.state).into(),
        retail_order_no: text(summary.retail_order_no),
        haier_order_no: text(summary.haier_order_no),
        last_error: last_error(stored.deferral.as_ref(), summary.last_error.as_ref()),
        next_attempt_at: stored.next_attempt_at.map(timestamp),
        created_at: Some(timestamp(stored.created_at)),
        updated_at: Some(timestamp(stored.updated_at)),
        account: sender.map(|sender| sender.account).unwrap_or_default(),
        deadline: Some(timestamp(stored.deadline_at)),
        requested_by: stored.requested_by,
        sync_log_id: stored.sync_log_id.unwrap_or_default(),
    }
}

/// Why it waits, then what went wrong before.
fn last_error(deferral: Option<&Failure>, last: Option<&Failure>) -> String {
    match (deferral, last) {
        (Some(_), Some(_)) => format!("{}; before that {}", failure(deferral), failure(last)),
        (Some(_), None) => failure(deferral),
        (None, _) => failure(last),
    }
}

fn item(item: OrderItem) -> proto::OrderItem {
    proto::OrderItem {
        product_code: item.product_code.into_string(),
        quantity: 1,
        retail_price: Some(money(item.retail_price)),
        discount_amount: Some(money(item.discount_amount)),
        actual_price: Some(money(item.actual_price)),
        is_gift: item.is_gift,
    }
}

const fn state(state: OrderState) -> proto::OrderState {
    match state {
        OrderState::Accepted => proto::OrderState::Accepted,
        OrderState::InDoubt => proto::OrderState::InDoubt,
        OrderState::Pushed => proto::OrderState::Pushed,
        OrderState::Refused => proto::OrderState::Refused,
        OrderState::Confirmed => proto::OrderState::Confirmed,
        OrderState::OutOfStock => proto::OrderState::OutOfStock,
        OrderState::Cancelling => proto::OrderState::Cancelling,
        OrderState::Cancelled => proto::OrderState::Cancelled,
        OrderState::GivenUp => proto::OrderState::GivenUp,
    }
}

fn failure(failure: Option<&Failure>) -> String {
    failure.map(|failure| reasoned(failure.reason, &failure.words)).unwrap_or_default()
}

fn reasoned(reason: Reason, words: &str) -> String {
    if words.is_empty() { reason.to_string() } else { format!("{reason}: {words}") }
}

pub(super) fn change(change: &OrderChange, cursor: String) -> proto::OrderChange {
    proto::OrderChange {
        cursor,
        so_id: change.so_id.to_string(),
        online_no: change.online_no.clone(),
        state_before: change.before.map_or(proto::OrderState::Unspecified, state).into(),
        state: state(change.state).into(),
        retail_order_no: change.retail_order_no.clone().unwrap_or_default(),
        haier_order_no: change.haier_order_no.clone().unwrap_or_default(),
        last_error: failure(change.last_error.as_ref()),
        changed_at: Some(timestamp(change.changed_at)),
    }
}

/// A fact in words.
pub(super) fn fact(fact: Fact) -> proto::OrderFact {
    let encoded = |kind: &str, detail: String| proto::OrderFact {
        at: Some(timestamp(fact.at)),
        kind: kind.to_owned(),
        detail,
        attempt: 0,
        change_number: 0,
        by: String::new(),
    };
    match fact.kind {
        FactKind::PushBegan { attempt, account, .. } => proto::OrderFact {
            attempt,
            ..encoded("push_began", format!("sending it under the account {account}"))
        },
        FactKind::PushEnded { attempt, answer } => {
            proto::OrderFact { attempt, ..encoded("push_ended", push_answer(answer)) }
        }
        FactKind::Callback(callback) => encoded("callback", callback_words(&callback)),
        FactKind::Resolved(Resolution { outcome, retail_order_no, evidence, by, .. }) => {
            let number = retail_order_no.map(|number| format!(" as {number}")).unwrap_or_default();
            let outcome = outcome.as_str().replace('_', " ");
            proto::OrderFact { by, ..encoded("resolved", format!("{outcome}{number}: {evidence}")) }
        }
        FactKind::Doubted { by } => proto::OrderFact {
            by,
            ..encoded("doubted", "an attempt may have been made that is not on record".to_owned())
        },
        FactKind::RetryRequested { by, .. } => {
            proto::OrderFact { by, ..encoded("retry_requested", "to be sent now".to_owned()) }
        }
        FactKind::GaveUp { .. } => {
            encoded("gave_up", "its deadline passed, and Haier surely does not have it".to_owned())
        }
        FactKind::CancelRequested { number, reason, by } => {
            proto::OrderFact { by, change_number: number, ..encoded("cancel_requested", reason) }
        }
        FactKind::RescheduleRequested { number, distribution_time, install_time, by } => {
            let day = |what: &str, time: Option<DateTime<Utc>>| {
                time.map(|time| format!("{what} {}", time.to_rfc3339())).unwrap_or_default()
            };
            let days = [day("delivery", distribution_time), day("installation", install_time)];
            let days: Vec<String> = days.into_iter().filter(|day| !day.is_empty()).collect();
            proto::OrderFact { by, change_number: number, ..encoded("reschedule_requested", days.join(", ")) }
        }
        FactKind::ChangeBegan { number, attempt } => proto::OrderFact {
            attempt,
            change_number: number,
            ..encoded("change_began", "telling Haier".to_owned())
        },
        FactKind::ChangeEnded { number, attempt, answer } => proto::OrderFact {
            attempt,
            change_number: number,
            ..encoded("change_ended", change_answer(&answer))
        },
    }
}

fn push_answer(answer: PushAnswer) -> String {
    match answer {
        PushAnswer::InDoubt { reason, words } => format!("in doubt, {}", reasoned(reason, &words)),
        PushAnswer::NotSent { reason, words, .. } => format!("not booked, {}", reasoned(reason, &words)),
        PushAnswer::Refused { words } => format!("refused: {words}"),
        PushAnswer::Repeated { words, .. } => format!("refused as repeated: {words}"),
        PushAnswer::Booked { retail_order_no } => {
            format!(
                "booked as {}",
                retail_order_no.unwrap_or_else(|| "a number that was not told".to_owned())
            )
        }
    }
}

fn change_answer(answer: &ChangeAnswer) -> String {
    match answer {
        ChangeAnswer::Failed { reason, words, .. } => format!("failed, {}", reasoned(*reason, words)),
        ChangeAnswer::Refused { words } => format!("refused: {words}"),
        ChangeAnswer::CancelledAlready { words } => format!("it is cancelled already: {words}"),
        ChangeAnswer::Done => "Haier has taken it".to_owned(),
    }
}

fn callback_words(callback: &Callback) -> String {
    let Callback { method, time_stamp, success, haier_order_no, words, .. } = callback;
    let said = if *success { "yes" } else { "no" };
    let number = haier_order_no.as_ref().map(|number| format!(" {number}")).unwrap_or_default();
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    format!("{} at {time_stamp}, {said}{number}{words}", method.as_str())
}

pub(super) fn photo(photo: DeliveryPhoto) -> proto::DeliveryPhoto {
    proto::DeliveryPhoto {
        image_type: photo.image_type,
        image_url: photo.image_url,
        uploaded_at: photo.uploaded_at.map(timestamp),
    }
}

pub(super) fn delivery((so_id, delivery): (SoId, CourierNumbers)) -> proto::CourierDelivery {
    let parcels = delivery.parcels.into_iter().map(|parcel| proto::CourierParcel {
        logistics_company: parcel.logistics_company,
        logistics_no: parcel.logistics_no,
        sn_code: parcel.sn_code,
    });
    proto::CourierDelivery {
        so_id: so_id.to_string(),
        haier_order_no: delivery.order_code,
        delivery_record_code: delivery.delivery_record_code,
        parcels: parcels.collect(),
    }
}
