//! Two stand-ins for Haier, one for each account: two order systems with a book each. What is switched on or called for
//! concerns both; what is read is read of both together.

use haier_integration::sandbox::Options;
use serde_json::{Value, json};

use crate::support::Haier;

pub(super) struct Haiers([Haier; 2]);

impl Haiers {
    pub(super) async fn start(options: Options) -> Self {
        Self([Haier::start(options.clone()).await, Haier::start(options).await])
    }

    /// The stand-in of one account.
    pub(super) const fn of_account(&self, at: usize) -> &Haier {
        &self.0[at]
    }

    pub(super) async fn fault(&self, fault: Value) {
        self.faults(&json!([fault])).await;
    }

    pub(super) async fn faults(&self, faults: &Value) {
        for haier in &self.0 {
            haier.faults(faults).await;
        }
    }

    pub(super) async fn clear_faults(&self) {
        for haier in &self.0 {
            haier.clear_faults().await;
        }
    }

    pub(super) async fn call_back(&self, url: &str) {
        for haier in &self.0 {
            haier.call_back(url).await;
        }
    }

    pub(super) async fn settle_callbacks(&self) {
        for haier in &self.0 {
            haier.settle_callbacks().await;
        }
    }

    pub(super) async fn settle_orders(&self) {
        for haier in &self.0 {
            haier.settle_orders().await;
        }
    }

    /// Callbacks of both.
    pub(super) async fn callbacks(&self) -> Value {
        let [one, other] = [self.0[0].callbacks().await, self.0[1].callbacks().await];
        json!({ "waiting": joined(&one, &other, "waiting"), "ended": joined(&one, &other, "ended") })
    }

    /// Both books as one: an order that stands in both is there twice.
    pub(super) async fn orders(&self) -> Value {
        let [one, other] = [self.0[0].orders().await, self.0[1].orders().await];
        let mut received = one["received"].as_object().unwrap().clone();
        for (so_id, times) in other["received"].as_object().unwrap() {
            let before = received.get(so_id).and_then(Value::as_u64).unwrap_or(0);
            received.insert(so_id.clone(), json!(before + times.as_u64().unwrap()));
        }
        json!({ "orders": joined(&one, &other, "orders"), "received": received })
    }
}

fn joined(one: &Value, other: &Value, field: &str) -> Vec<Value> {
    [one, other].into_iter().flat_map(|book| book[field].as_array().unwrap().clone()).collect()
}
