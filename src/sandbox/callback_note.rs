//! What the order system has to say about an order, from when it is decided until it was heard.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::fault_kinds::Kind;
use super::order::{Order, OrderState};
use super::{CALLBACK_APPS, CUSTOMER_CODES, CallbackOrderKey};

/// How long a confirmation that is meant to come second waits for what it is to come after.
const HELD: TimeDelta = TimeDelta::seconds(10);

/// What a callback is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Method {
    Confirm,
    Cancel,
    Oostock,
}

impl Method {
    pub(super) fn wire_name(self) -> &'static str {
        match self {
            Self::Confirm => "hmm.scm_heorder.confirm",
            Self::Cancel => "hmm.scm_heorder.cancel",
            Self::Oostock => "hmm.scm_heorder.oostock",
        }
    }
}

/// The `Data` of a callback, in the order of its fields.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Data<'a> {
    pub(super) ext_order_no: &'a str,
    pub(super) platform_order_no: &'a str,
    pub(super) state: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fail_msg: Option<&'a str>,
}

impl Data<'_> {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What is to become of an order and of the callback about it, when it is not the usual.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Wishes {
    pub(super) refuse: bool,
    pub(super) out_of_stock: bool,
    pub(super) refuse_cancel: bool,
    pub(super) duplicate: bool,
    pub(super) reversed: bool,
    pub(super) early: bool,
    pub(super) lost: bool,
    pub(super) late_ms: Option<u64>,
}

impl Wishes {
    pub(super) fn add(&mut self, kind: Kind, delay_ms: Option<u64>) {
        match kind {
            Kind::Refuse => self.refuse = true,
            Kind::OutOfStock => self.out_of_stock = true,
            Kind::RefuseCancel => self.refuse_cancel = true,
            Kind::Duplicate => self.duplicate = true,
            Kind::Reversed => self.reversed = true,
            Kind::Early => self.early = true,
            Kind::Lost => self.lost = true,
            Kind::Late => self.late_ms = Some(delay_ms.unwrap_or(10_000)),
            _ => {}
        }
    }

    /// What becomes of a new order.
    pub(super) fn decision(&self) -> OrderState {
        match self {
            Self { refuse: true, .. } => OrderState::Refused,
            Self { out_of_stock: true, .. } => OrderState::OutOfStock,
            _ => OrderState::Confirmed,
        }
    }
}

/// A callback that has not been heard yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Note {
    pub(super) id: u64,
    pub(super) so_id: String,
    pub(super) app_key: String,
    pub(super) method: Method,
    /// The JSON text as it is signed and sent.
    pub(super) data: String,
    pub(super) due: DateTime<Utc>,
    /// How often it is sent, the same to the byte.
    pub(super) copies: u8,
    /// It waits for another one of its order, and follows it.
    pub(super) behind: bool,
}

/// What all callbacks have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) delay: TimeDelta,
    pub(super) order_key: CallbackOrderKey,
}

impl Manner {
    /// The callback about what was decided, `None` when it gets lost. `cancelled` is the outcome of a cancellation.
    pub(super) fn note(
        self,
        id: u64,
        order: &Order,
        cancelled: Option<bool>,
        wishes: &Wishes,
        now: DateTime<Utc>,
    ) -> Option<Note> {
        if wishes.lost {
            return None;
        }
        let (method, fail_msg) = match (cancelled, order.state) {
            (Some(true), _) => (Method::Cancel, None),
            (Some(false), _) => (Method::Cancel, Some("订单已出库，无法取消")),
            (None, OrderState::OutOfStock) => (Method::Oostock, Some("商品缺货")),
            (None, OrderState::Refused) => (Method::Confirm, Some("订单信息校验不通过")),
            (None, OrderState::Confirmed | OrderState::Cancelled) => (Method::Confirm, None),
        };
        let push = &order.push;
        let data = Data {
            ext_order_no: if fail_msg.is_none() { &order.haier_order_no } else { "" },
            platform_order_no: match self.order_key {
                CallbackOrderKey::SoId => &push.so_id,
                CallbackOrderKey::OnlineNo => &push.online_no,
            },
            state: u8::from(fail_msg.is_none()),
            fail_msg,
        };
        let late = wishes.late_ms.and_then(|ms| i64::try_from(ms).ok()).map(TimeDelta::milliseconds);
        let held = if wishes.reversed { HELD } else { TimeDelta::zero() };
        let wait = if wishes.early { TimeDelta::zero() } else { late.unwrap_or(self.delay) + held };
        Some(Note {
            id,
            so_id: push.so_id.clone(),
            app_key: app_of(&push.seller_code).to_owned(),
            method,
            data: data.text(),
            due: now.checked_add_signed(wait).unwrap_or(now),
            copies: if wishes.duplicate { 2 } else { 1 },
            behind: wishes.reversed && !wishes.early,
        })
    }
}

/// The app that speaks to a seller.
pub(super) fn app_of(seller_code: &str) -> &'static str {
    let sellers = CUSTOMER_CODES.iter().zip(CALLBACK_APPS);
    sellers.filter(|(code, _)| **code == seller_code).map(|(_, app)| app).next().unwrap_or(CALLBACK_APPS[0])
}
