//! The order system's calls: Y1 to Y5 of Haier's description. Those that change the world end in an answer, in a failure
//! that left nothing behind, or in an error that is in doubt.

mod answers;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    Call, Error, Result,
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
    reasons::Reason,
};

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

    /// Y1 of this order, with exactly these bytes.
    ///
    /// # Errors
    /// When Haier gave no answer about this order. Unless the error is in doubt, Haier has not booked it.
    pub async fn create_order(&self, so_id: &str, body: Bytes, call: &Call<'_>) -> Result<PushAnswer> {
        let reading = Whole(|answer: &[u8], _: DateTime<Utc>| answers::booked(answer));
        let answer =
            self.client.call(Endpoint::CreateOrder, &Subject::of([so_id]), &body, call, &reading).await;
        answer.or_else(|error| match repeated(&error, &self.client.settings.repeated_words) {
            Some(refusal) => Ok(PushAnswer::Repeated(refusal)),
            None => refusal(error).map(PushAnswer::Refused),
        })
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
            ChangeAnswer::Refused(refusal) if says(&refusal, &self.client.settings.cancelled_words) => {
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
        answer.or_else(|error| refusal(error).map(ChangeAnswer::Refused))
    }
}

/// Whether Haier's message holds one of these words.
fn says(refusal: &OrderRefusal, words: &[String]) -> bool {
    let message = refusal.message.to_lowercase();
    words.iter().any(|word| message.contains(&word.to_lowercase()))
}

/// The refusal that proves that Haier has the order: one with these words, whatever code stands beside them. Of the words of
/// a status that does not speak of the order (no right, too many calls, out of order) nobody knows what they are about.
fn repeated(error: &Error, words: &[String]) -> Option<OrderRefusal> {
    let of_an_order = match error.status {
        None => true,
        Some(status) => (400..500).contains(&status) && !matches!(status, 401 | 403 | 408 | 429),
    };
    let refusal = error.refusal.as_deref().filter(|refusal| of_an_order && says(refusal, words));
    refusal.cloned()
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

    /// Whether it is taken for a proof.
    fn proves(error: &Error) -> bool {
        repeated(error, &["重复".to_owned()]).is_some()
    }

    #[test]
    fn repeated_words_prove_nothing_under_a_status_that_is_not_about_the_order() {
        let refused = |status| {
            let refusal =
                OrderRefusal { message: "请勿重复推送".to_owned(), ..OrderRefusal::default() };
            let of_status = Error::of(matrix::of_status(status), "refused");
            Error { status: Some(status), refusal: Some(Box::new(refusal)), ..of_status }
        };
        for status in [401, 403, 408, 429, 500, 502, 503, 504, 302] {
            assert!(!proves(&refused(status)), "{status}");
        }
        for status in [400, 404, 409, 422] {
            assert!(proves(&refused(status)), "{status}");
        }
    }

    #[test]
    fn repeated_words_in_a_200_prove_whatever_the_code_and_name_the_number() {
        for code in ["400", "500", r#""429""#, r#""B1""#, "null"] {
            let body = format!(
                r#"{{"success":false,"code":{code},"message":"订单重复","data":{{"retailOrderNo":"LS1"}}}}"#
            );
            let error = answers::booked(body.as_bytes()).unwrap_err();
            assert!(proves(&error), "{body}");
            assert_eq!(error.refusal.unwrap().retail_order_no.as_deref(), Some("LS1"), "{body}");
        }
        for rest in ["", r#","data":null"#, r#","data":"LS1""#, r#","data":{"retailOrderNo":[1]}"#] {
            let body = format!(r#"{{"success":false,"message":"订单重复"{rest}}}"#);
            let error = answers::booked(body.as_bytes()).unwrap_err();
            assert!(proves(&error) && error.refusal.unwrap().retail_order_no.is_none(), "{body}");
        }
    }
}
