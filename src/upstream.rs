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
use serde_json::json;

pub use budget::{Budget, MemoryLedger, Priority, SlotLedger, Turn};
pub use error::{Error, Result};
pub use listing::{Listing, ListingEvent};
pub use policy::Call;
pub use record::BadRecord;

use crate::domain::{
    accounts::Account,
    clock::Clock,
    products::{CatalogueRecord, PriceRecord, ProductCode},
};
use policy::{Caller, Endpoint};

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
        let records = envelope::records(&answer).map_err(|error| self.caller.redacted(&error))?;
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
        let records = envelope::records(&answer).map_err(|error| self.caller.redacted(&error))?;
        Ok(records.into_iter().map(|record| wire::price_record(record, asked_at)).collect())
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
