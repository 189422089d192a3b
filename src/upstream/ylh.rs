//! The order system's calls: Y1 to Y5 of Haier's description. Those that change the world end in an answer, in a failure
//! that left nothing behind, or in an error that is in doubt.

mod answers;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    Call, Error, Reservation, Result,
    endpoint::Endpoint,
    envelope::{self, Bare},
    matrix::Executed,
    policy::{Client, Means},
    site::Site,
    subject::Subject,
    transport::Whole,
    wire::unusable,
};
use crate::domain::{
    accounts::YlhAccount,
    order_calls::{
        Cancellation, ChangeAnswer, CourierNumbers, DeliveryPhoto, OrderRefusal, PushAnswer, Rescheduling,
    },
    order_evidence::{Evidence, EvidenceRules, OrderNames, says},
    reasons::Reason,
};

/// A call that changes the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderCall {
    /// A new order.
    Create,
    /// A cancellation.
    Cancel,
    /// Other times.
    Reschedule,
}

impl OrderCall {
    const fn endpoint(self) -> Endpoint {
        match self {
            Self::Create => Endpoint::CreateOrder,
            Self::Cancel => Endpoint::CancelOrder,
            Self::Reschedule => Endpoint::RescheduleOrder,
        }
    }
}

/// The order system, under one account.
pub struct Ylh {
    account: YlhAccount,
    client: Arc<Client>,
}

impl Ylh {
    /// A client for an account of this name.
    ///
    /// # Errors
    /// When this machine has no usable TLS roots.
    pub fn new(name: &str, account: YlhAccount, means: Means) -> Result<Self> {
        let client = Client::new(Site::order_system(name, &account), means)?;
        Ok(Self { account, client: Arc::new(client) })
    }

    /// The account it was built from.
    #[must_use]
    pub const fn account(&self) -> &YlhAccount {
        &self.account
    }

    /// What all its calls go through.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Why such a call would not be admitted now. Asks nobody.
    #[must_use]
    pub fn hold(&self, call: OrderCall) -> Option<Error> {
        self.client.hold(call.endpoint())
    }

    /// How many such calls would be admitted now. `None`: any number.
    #[must_use]
    pub fn free(&self, call: OrderCall) -> Option<u32> {
        self.client.free(call.endpoint())
    }

    /// Keeps a place for such a call about the order of this number.
    ///
    /// # Errors
    /// When it would not be admitted now; nothing was sent.
    pub fn reserve(&self, call: OrderCall, number: &str) -> Result<Reservation> {
        self.client.reserve(call.endpoint(), &Subject::of([number]))
    }

    /// Y1 with exactly these bytes, for the order that is named like this.
    ///
    /// # Errors
    /// When Haier gave no answer about this order. Unless the error is in doubt, Haier has not booked it.
    pub async fn create_order(&self, order: &OrderNames, body: Bytes, call: &Call<'_>) -> Result<PushAnswer> {
        let reading = Whole(|answer: &[u8], _: DateTime<Utc>| answers::booked(answer));
        let subject = Subject::of([order.so_id.as_str()]);
        let answer = self.client.call(Endpoint::CreateOrder, &subject, &body, call, &reading).await;
        answer.or_else(|error| judged(error, &self.client.settings.evidence, order))
    }

    /// Y2.
    ///
    /// # Errors
    /// When Haier gave no answer about this order. Unless the error is in doubt, Haier has not cancelled it.
    pub async fn cancel_order(&self, cancellation: &Cancellation, call: &Call<'_>) -> Result<ChangeAnswer> {
        let body = json!({
            "soId": cancellation.so_id,
            "cancelTime": cancellation.cancelled_at.timestamp_millis().to_string(),
            "cancelReason": cancellation.reason,
            "sourceSystem": cancellation.source_system,
        });
        Ok(match self.change(Endpoint::CancelOrder, &cancellation.so_id, &body, call).await? {
            ChangeAnswer::Refused(refusal)
                if says(&refusal.message.to_lowercase(), &self.client.settings.cancelled_words) =>
            {
                ChangeAnswer::CancelledAlready(refusal)
            }
            other => other,
        })
    }

    /// Y3.
    ///
    /// # Errors
    /// When Haier gave no answer about this order. Unless the error is in doubt, Haier has not changed it.
    pub async fn reschedule_order(&self, times: &Rescheduling, call: &Call<'_>) -> Result<ChangeAnswer> {
        let mut body = json!({ "retailOrderNo": times.retail_order_no });
        for (field, time) in
            [("distributionTime", times.distribution_time), ("installTime", times.install_time)]
        {
            if let Some(time) = time {
                body[field] = json!(time.timestamp_millis());
            }
        }
        self.change(Endpoint::RescheduleOrder, &times.retail_order_no, &body, call).await
    }

    /// Y4: photos of an order's delivery and installation, by Haier's number of it.
    ///
    /// # Errors
    /// When the call fails, or its answer cannot be read.
    pub async fn delivery_photos(
        &self,
        retail_order_no: &str,
        call: &Call<'_>,
    ) -> Result<Vec<DeliveryPhoto>> {
        let body = json!({ "orderNo": retail_order_no });
        let reading = Whole(|answer: &[u8], _: DateTime<Utc>| {
            let records = envelope::records(answer, Bare::List)?;
            records.into_iter().map(answers::photo).collect::<std::result::Result<_, _>>().map_err(unusable)
        });
        let subject = Subject::of([retail_order_no]);
        self.client.call(Endpoint::DeliveryPhotos, &subject, &bytes(&body), call, &reading).await
    }

    /// Y5: courier numbers of up to 100 orders, by Haier's numbers of them (SO numbers).
    ///
    /// # Errors
    /// When the call fails, or its answer cannot be read.
    pub async fn courier_numbers(
        &self,
        order_codes: &[String],
        call: &Call<'_>,
    ) -> Result<Vec<CourierNumbers>> {
        let reading = Whole(|answer: &[u8], _: DateTime<Utc>| {
            let records = envelope::records(answer, Bare::List)?;
            let couriers = records.into_iter().map(answers::courier_numbers);
            couriers.collect::<std::result::Result<_, _>>().map_err(unusable)
        });
        let subject = Subject::of(order_codes.iter().map(String::as_str));
        self.client
            .call(Endpoint::CourierNumbers, &subject, &bytes(&json!(order_codes)), call, &reading)
            .await
    }

    /// A change of the order of this number.
    async fn change(
        &self,
        endpoint: Endpoint,
        number: &str,
        body: &Value,
        call: &Call<'_>,
    ) -> Result<ChangeAnswer> {
        let reading = Whole(|answer: &[u8], _: DateTime<Utc>| answers::accepted(answer));
        let answer = self.client.call(endpoint, &Subject::of([number]), &bytes(body), call, &reading).await;
        answer.or_else(|error| {
            let refusal = refusal(error)?;
            // The system's own failure says nothing about the change: it is asked for again.
            if self.client.settings.evidence.leaves_doubt(&refusal) {
                return Err(doubt(Reason::ServerError, refusal));
            }
            Ok(ChangeAnswer::Refused(refusal))
        })
    }
}

/// What the failure of a push proves about the order. The words of a status that does not speak of the order (no right, too
/// many calls, out of order) prove nothing.
fn judged(error: Error, rules: &EvidenceRules, order: &OrderNames) -> Result<PushAnswer> {
    let of_an_order = match error.status {
        None => true,
        Some(status) => (400..500).contains(&status) && !matches!(status, 401 | 403 | 408 | 429),
    };
    let Some(said) = error.refusal.as_deref().filter(|_| of_an_order) else {
        return refusal(error).map(PushAnswer::Refused);
    };
    let said = said.clone();
    match rules.judge(&said, order) {
        Evidence::Repeated => Ok(PushAnswer::Repeated(said)),
        // Haier says of the account or of the moment that nothing was done, in whatever words.
        _ if matches!(error.reason, Reason::AuthFailed | Reason::Forbidden | Reason::RateLimited) => {
            Err(error)
        }
        Evidence::WeaklyRepeated => Err(doubt(Reason::OrderRepeated, said)),
        Evidence::Doubt => Err(doubt(Reason::ServerError, said)),
        Evidence::Refused => refusal(error).map(PushAnswer::Refused),
    }
}

/// A refusal after which nobody knows whether Haier did what it was asked for.
fn doubt(reason: Reason, refusal: OrderRefusal) -> Error {
    let detail = refusal.to_string();
    Error { in_doubt: true, refusal: Some(Box::new(refusal)), ..Error::new(reason, detail) }
}

/// Haier's answer to this very order, if it is one; else the error, which is the account's or the moment's.
fn refusal(error: Error) -> Result<OrderRefusal> {
    let of_this_order = error.executed == Executed::No
        && matches!(error.reason, Reason::ValidationError | Reason::ServerError);
    match error.refusal {
        Some(refusal) if of_this_order => Ok(*refusal),
        _ => Err(error),
    }
}

/// A body as it is sent.
fn bytes(body: &Value) -> Bytes {
    body.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::matrix;

    fn judged(error: Error) -> Result<PushAnswer> {
        let order = OrderNames { so_id: "SO-1".to_owned(), online_no: "TB-1".to_owned() };
        super::judged(error, &EvidenceRules::default(), &order)
    }

    fn refused(status: u16, message: &str) -> Error {
        let refusal = OrderRefusal { message: message.to_owned(), ..OrderRefusal::default() };
        let of_status = Error::of(matrix::of_status(status), "refused");
        Error { status: Some(status), refusal: Some(Box::new(refusal)), ..of_status }
    }

    #[test]
    fn words_prove_nothing_under_a_status_that_is_not_about_the_order() {
        for status in [401, 403, 408, 429, 500, 502, 503, 504, 302] {
            let error = judged(refused(status, "订单SO-1重复")).unwrap_err();
            assert_ne!(error.reason, Reason::OrderRepeated, "{status}");
        }
        for status in [400, 404, 409, 422] {
            let answer = judged(refused(status, "订单SO-1重复"));
            assert!(matches!(answer, Ok(PushAnswer::Repeated(_))), "{status}: {answer:?}");
        }
    }

    #[test]
    fn a_refusal_without_words_leaves_a_doubt_and_is_no_refusal() {
        for status in [400, 409, 422] {
            let error = judged(refused(status, "")).unwrap_err();
            assert!(error.is_in_doubt(), "{status}");
        }
        // These say nothing about the order; nothing was done.
        for status in [403, 404, 429] {
            assert!(!judged(refused(status, "")).unwrap_err().is_in_doubt(), "{status}");
        }
    }

    #[test]
    fn a_proof_in_a_200_counts_whatever_the_code_and_names_the_number() {
        for code in ["400", "500", r#""429""#, r#""B1""#, "null"] {
            let body = format!(
                r#"{{"success":false,"code":{code},"message":"订单重复","data":{{"retailOrderNo":"LS1"}}}}"#
            );
            let answer = judged(answers::booked(body.as_bytes()).unwrap_err());
            let Ok(PushAnswer::Repeated(refusal)) = answer else { panic!("{body}: {answer:?}") };
            assert_eq!(refusal.retail_order_no.as_deref(), Some("LS1"), "{body}");
        }
        for rest in ["", r#","data":null"#, r#","data":"LS1""#, r#","data":{"retailOrderNo":[1]}"#] {
            let body = format!(r#"{{"success":false,"message":"订单重复"{rest}}}"#);
            let error = judged(answers::booked(body.as_bytes()).unwrap_err()).unwrap_err();
            assert!(error.is_in_doubt() && error.reason == Reason::OrderRepeated, "{body}: a phrase alone");
        }
    }
}
