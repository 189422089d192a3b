//! The client of Haier's open platform: tokens, the wire, and the one policy that every call goes through.
//!
//! Built from an account, and replaced when that changes. Knows nothing of what is stored.

mod budget;
mod envelope;
mod error;
mod listing;
mod policy;
mod record;
mod redact;
mod token;
mod wire;

use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use serde_json::{json, value::RawValue};

pub use budget::{Budget, MemoryLedger, Priority, SlotLedger, Turn};
pub use error::{Error, Result};
pub use listing::{Listing, ListingEvent};
pub use policy::Call;
pub use record::BadRecord;

use crate::domain::{
    accounts::Account,
    balances::Balance,
    clock::Clock,
    logistics::{Logistics, LogisticsQuery},
    products::{CatalogueRecord, PriceRecord, ProductCode},
    stock::{CountyCode, StockRecord},
};
use envelope::Bare;
use policy::{Caller, Endpoint};
use wire::{logistics, stock};

/// Time limits and sizes of the client.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Longest time of one call.
    pub request_timeout: Duration,
    /// Longest time of one token call.
    pub token_timeout: Duration,
    /// Longest time of a whole listing; its headers, and each read, have `request_timeout`.
    pub listing_timeout: Duration,
}

/// What Haier answered: each record by itself, readable or not, in Haier's order.
pub type Answer<T> = Vec<std::result::Result<T, BadRecord>>;

/// The open platform, under one account.
pub struct Openplat {
    caller: Caller,
    clock: Arc<dyn Clock>,
}

impl Openplat {
    /// A client for an account.
    ///
    /// # Errors
    /// When this machine has no usable TLS roots.
    pub fn new(account: Account, settings: Settings, budget: Budget, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self { caller: Caller::new(account, settings, budget, Arc::clone(&clock))?, clock })
    }

    /// The account it was built from.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.caller.account
    }

    /// Authenticates, unless a valid token is at hand.
    ///
    /// # Errors
    /// When Haier refuses or does not answer.
    pub async fn authenticate(&self, call: &Call) -> Result<()> {
        self.caller.token(call).await.map(drop)
    }

    /// H1 for up to 20 codes.
    ///
    /// # Errors
    /// When the call fails as a whole.
    pub async fn products(&self, codes: &[ProductCode], call: &Call) -> Result<Answer<CatalogueRecord>> {
        let mut body = self.products_body();
        body["productCodes"] = json!(codes.iter().map(ProductCode::as_str).collect::<Vec<_>>());
        let asked_at = self.clock.now();
        let answer = self.caller.call(Endpoint::Products, &body, call).await?;
        let records = self.records(&answer, Bare::List)?;
        Ok(records.into_iter().map(|record| wire::catalogue_record(record, asked_at)).collect())
    }

    /// H1 without codes: the whole purchasable catalogue, as a stream.
    ///
    /// # Errors
    /// When the call fails before its first record.
    pub async fn listing(&self, call: &Call) -> Result<Listing> {
        let asked_at = self.clock.now();
        let response = self.caller.open(Endpoint::Products, &self.products_body(), call).await?;
        Ok(listing::read(response, asked_at, &self.caller))
    }

    /// H2 for up to 20 codes.
    ///
    /// # Errors
    /// When the call fails as a whole.
    pub async fn prices(&self, codes: &[ProductCode], call: &Call) -> Result<Answer<PriceRecord>> {
        let account = self.account();
        let body = json!({
            "customerCode": account.customer_code,
            "sendToCode": account.send_to_code,
            "productCodes": codes.iter().map(ProductCode::as_str).collect::<Vec<_>>(),
            "priceType": "PT",
            "passWord": account.password.expose_secret(),
        });
        let asked_at = self.clock.now();
        let answer = self.caller.call(Endpoint::Prices, &body, call).await?;
        let records = self.records(&answer, Bare::List)?;
        Ok(records.into_iter().map(|record| wire::price_record(record, asked_at)).collect())
    }

    /// H3 for one product in one county.
    ///
    /// # Errors
    /// When the call fails, or its answer cannot be read.
    pub async fn stock(&self, code: &ProductCode, county: &CountyCode, call: &Call) -> Result<StockRecord> {
        let account = self.account();
        let body = json!({
            "salesCode": account.customer_code,
            "senderCode": account.send_to_code,
            "productCode": code.as_str(),
            "countyCode": county.as_str(),
            "source": "JSH-B",
            "sellerPassword": account.seller_password.expose_secret(),
        });
        let asked_at = self.clock.now();
        let answer = self.caller.call(Endpoint::Stock, &body, call).await?;
        let records = self.records(&answer, Bare::Record)?;
        let warehouses =
            stock::warehouses(&records).map_err(|(reason, detail)| Error::new(reason, detail))?;
        Ok(StockRecord { code: code.clone(), county: county.clone(), warehouses, asked_at })
    }

    /// H4.
    ///
    /// # Errors
    /// When the call fails, or its answer cannot be read.
    pub async fn logistics(&self, query: &LogisticsQuery, call: &Call) -> Result<Logistics> {
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
        let answer = self.caller.call(Endpoint::Logistics, &body, call).await?;
        let records = self.records(&answer, Bare::Record)?;
        logistics::of_records(&records).map_err(|(reason, detail)| Error::new(reason, detail))
    }

    /// H5.
    ///
    /// # Errors
    /// When the call fails, or its answer cannot be read.
    pub async fn balances(&self, call: &Call) -> Result<Vec<Balance>> {
        let account = self.account();
        let body = json!({
            "customerCode": account.customer_code,
            "customerPassword": account.customer_password.expose_secret(),
        });
        let answer = self.caller.call(Endpoint::Balance, &body, call).await?;
        let records = self.records(&answer, Bare::Record)?;
        let balances = records.into_iter().map(wire::balance).collect::<std::result::Result<_, _>>();
        balances.map_err(|(reason, detail)| Error::new(reason, detail))
    }

    fn records<'a>(&self, answer: &'a [u8], bare: Bare) -> Result<Vec<&'a RawValue>> {
        envelope::records(answer, bare).map_err(|error| self.caller.redacted(&error))
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
