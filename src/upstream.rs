//! The client of Haier's open platform: tokens, the wire, and the one policy that every call goes through.
//!
//! Built from an account, and replaced when that changes. Knows nothing of what is stored.

mod account_key;
mod breaker;
mod budget;
mod endpoint;
mod envelope;
mod error;
mod gate;
mod listing;
mod matrix;
mod memory_shelf;
mod order_body;
mod patience;
mod policy;
mod record;
mod redact;
mod retry;
mod status;
mod token;
mod token_flight;
mod token_share;
mod traffic;
mod transport;
mod wire;

use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use serde_json::json;

pub use account_key::account_key;
pub use breaker::BreakerSettings;
pub use budget::{Budget, MemoryLedger, Priority, SlotLedger, Unreachable};
pub use error::{Error, Result};
pub use listing::{Listing, ListingEvent};
pub use memory_shelf::MemoryShelf;
pub use order_body::order_body;
pub use patience::{Call, Patience, Seat};
pub use record::BadRecord;
pub use retry::RetrySettings;
pub use status::{BreakerState, BreakerStatus, BudgetStatus, SystemStatus, TokenStatus};
pub use token_share::{Lease, TokenShelf};

use crate::domain::{
    accounts::Account,
    balances::Balance,
    clock::Clock,
    logistics::{Logistics, LogisticsQuery},
    pauses::Pause,
    products::{CatalogueRecord, PriceRecord, ProductCode},
    stock::{CountyCode, StockRecord},
};
use chrono::{DateTime, Utc};
use endpoint::Endpoint;
use envelope::Bare;
use listing::Streamed;
use policy::Caller;
use record::FieldError;
use transport::Whole;
use wire::{logistics, stock};

/// Time limits and sizes of the client.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Longest time of one send.
    pub request_timeout: Duration,
    /// Longest time of one send of a token call.
    pub token_timeout: Duration,
    /// Longest time of a whole listing; its headers, and each read, have `request_timeout`.
    pub listing_timeout: Duration,
    /// How often a call is repeated.
    pub retry: RetrySettings,
    /// When an operation is left alone.
    pub breaker: BreakerSettings,
    /// Calls a second that the budget allows, to show; 0: no limit.
    pub rate: u32,
}

/// What Haier answered: each record by itself, readable or not, in Haier's order.
pub type Answer<T> = Vec<std::result::Result<T, BadRecord>>;

/// The open platform, under one account.
pub struct Openplat {
    caller: Arc<Caller>,
}

impl Openplat {
    /// A client for an account. With a shelf, it shares its token with the account's other replicas.
    ///
    /// # Errors
    /// When this machine has no usable TLS roots.
    pub fn new(
        account: Account,
        settings: Settings,
        budget: Budget,
        shelf: Option<Arc<dyn TokenShelf>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Ok(Self { caller: Arc::new(Caller::new(account, settings, budget, shelf, clock)?) })
    }

    /// The account it was built from.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.caller.account
    }

    /// Pauses every call at once, also those that wait for a slot; `None` lets them pass again.
    pub fn set_pause(&self, pause: Option<Pause>) {
        self.caller.gate.set(pause);
    }

    /// How its budget, breakers and token stand.
    #[must_use]
    pub fn status(&self) -> SystemStatus {
        self.caller.status()
    }

    /// Authenticates, unless a valid token is at hand.
    ///
    /// # Errors
    /// When Haier refuses or does not answer.
    pub async fn authenticate(&self, call: &Call<'_>) -> Result<()> {
        self.caller.token(call).await.map(drop)
    }

    /// H1 for up to 20 codes.
    ///
    /// # Errors
    /// When the call fails as a whole.
    pub async fn products(&self, codes: &[ProductCode], call: &Call<'_>) -> Result<Answer<CatalogueRecord>> {
        let mut body = self.products_body();
        body["productCodes"] = json!(codes.iter().map(ProductCode::as_str).collect::<Vec<_>>());
        let reading = Whole(|answer: &[u8], asked_at| {
            let records = envelope::records(answer, Bare::List)?;
            Ok(records.into_iter().map(|record| wire::catalogue_record(record, asked_at)).collect())
        });
        self.caller.call(Endpoint::Products, &body, call, &reading).await
    }

    /// H1 without codes: the whole purchasable catalogue, as a stream.
    ///
    /// # Errors
    /// When the call fails before its first record.
    pub async fn listing(&self, call: &Call<'_>) -> Result<Listing> {
        let reading = Streamed(&self.caller.settings);
        self.caller.call(Endpoint::Products, &self.products_body(), call, &reading).await
    }

    /// H2 for up to 20 codes.
    ///
    /// # Errors
    /// When the call fails as a whole.
    pub async fn prices(&self, codes: &[ProductCode], call: &Call<'_>) -> Result<Answer<PriceRecord>> {
        let account = self.account();
        let body = json!({
            "customerCode": account.customer_code,
            "sendToCode": account.send_to_code,
            "productCodes": codes.iter().map(ProductCode::as_str).collect::<Vec<_>>(),
            "priceType": "PT",
            "passWord": account.password.expose_secret(),
        });
        let reading = Whole(|answer: &[u8], asked_at| {
            let records = envelope::records(answer, Bare::List)?;
            Ok(records.into_iter().map(|record| wire::price_record(record, asked_at)).collect())
        });
        self.caller.call(Endpoint::Prices, &body, call, &reading).await
    }

    /// H3 for one product in one county.
    ///
    /// # Errors
    /// When the call fails, or its answer cannot be read.
    pub async fn stock(
        &self,
        code: &ProductCode,
        county: &CountyCode,
        call: &Call<'_>,
    ) -> Result<StockRecord> {
        let account = self.account();
        let body = json!({
            "salesCode": account.customer_code,
            "senderCode": account.send_to_code,
            "productCode": code.as_str(),
            "countyCode": county.as_str(),
            "source": "JSH-B",
            "sellerPassword": account.seller_password.expose_secret(),
        });
        let reading = Whole(|answer: &[u8], asked_at| {
            let records = envelope::records(answer, Bare::Record)?;
            let warehouses = stock::warehouses(&records).map_err(unusable)?;
            Ok(StockRecord { code: code.clone(), county: county.clone(), warehouses, asked_at })
        });
        self.caller.call(Endpoint::Stock, &body, call, &reading).await
    }

    /// H4.
    ///
    /// # Errors
    /// When the call fails, or its answer cannot be read.
    pub async fn logistics(&self, query: &LogisticsQuery, call: &Call<'_>) -> Result<Logistics> {
        let account = self.account();
        let mut body = json!({
            "orderCode": query.order_code,
            "sellerCode": account.customer_code,
            "sellerPassword": account.seller_password.expose_secret(),
        });
        if let Some(record) = &query.delivery_record_code {
            body["deliveryRecordCode"] = json!(record);
        }
        if let Some(member) = query.member_id {
            body["memberId"] = json!(member);
        }
        let reading = Whole(|answer: &[u8], _: DateTime<Utc>| {
            logistics::of_records(&envelope::records(answer, Bare::Record)?).map_err(unusable)
        });
        self.caller.call(Endpoint::Logistics, &body, call, &reading).await
    }

    /// H5.
    ///
    /// # Errors
    /// When the call fails, or its answer cannot be read.
    pub async fn balances(&self, call: &Call<'_>) -> Result<Vec<Balance>> {
        let account = self.account();
        let body = json!({
            "customerCode": account.customer_code,
            "customerPassword": account.customer_password.expose_secret(),
        });
        let reading = Whole(|answer: &[u8], _: DateTime<Utc>| {
            let records = envelope::records(answer, Bare::Record)?;
            records.into_iter().map(wire::balance).collect::<std::result::Result<_, _>>().map_err(unusable)
        });
        self.caller.call(Endpoint::Balance, &body, call, &reading).await
    }

    fn products_body(&self) -> serde_json::Value {
        let account = self.account();
        json!({
            "customerCode": account.customer_code,
            "sendToCode": account.send_to_code,
            "supplierCode": account.supplier_code,
            "searchType": "PTJSH",
            "passWord": account.password.expose_secret(),
        })
    }
}

/// A good answer with a field that nobody can use: it would be the same the next time.
fn unusable((reason, detail): FieldError) -> Error {
    Error::new(reason, detail)
}
