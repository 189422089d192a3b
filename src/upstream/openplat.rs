//! The open platform's calls: H1 to H5 of Haier's description.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    Answer, Call, Listing, Result,
    endpoint::Endpoint,
    envelope::{self, Bare},
    listing::Streamed,
    policy::{Client, Means},
    site::Site,
    subject::Subject,
    transport::Whole,
    wire::{self, logistics, stock, unusable},
};
use crate::domain::{
    accounts::Account,
    balances::Balance,
    logistics::{Logistics, LogisticsQuery},
    products::{CatalogueRecord, PriceRecord, ProductCode},
    stock::{CountyCode, StockRecord},
};

/// The open platform, under one account.
pub struct Openplat {
    account: Account,
    client: Arc<Client>,
}

impl Openplat {
    /// A client for an account.
    ///
    /// # Errors
    /// When this machine has no usable TLS roots.
    pub fn new(account: Account, means: Means) -> Result<Self> {
        let client = Client::new(Site::open_platform(&account), means)?;
        Ok(Self { account, client: Arc::new(client) })
    }

    /// The account it was built from.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// What all its calls go through.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
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
        self.client.call(Endpoint::Products, &about(codes), &bytes(&body), call, &reading).await
    }

    /// H1 without codes: the whole purchasable catalogue, as a stream.
    ///
    /// # Errors
    /// When the call fails before its first record.
    pub async fn listing(&self, call: &Call<'_>) -> Result<Listing> {
        let reading = Streamed(&self.client.settings);
        // That Haier fails to list everything says nothing about calls by code, and the other way round.
        let subject = Subject::of(["the whole catalogue"]);
        let body = bytes(&self.products_body());
        let listing = self.client.call(Endpoint::Products, &subject, &body, call, &reading).await;
        self.client.note_listing(listing.as_ref().map(drop).map_err(|error| error.health));
        listing
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
        self.client.call(Endpoint::Prices, &about(codes), &bytes(&body), call, &reading).await
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
        self.client.call(Endpoint::Stock, &Subject::of([code.as_str()]), &bytes(&body), call, &reading).await
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
        self.client
            .call(Endpoint::Logistics, &Subject::of([&*query.order_code]), &bytes(&body), call, &reading)
            .await
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
        self.client.call(Endpoint::Balance, Subject::WHOLE, &bytes(&body), call, &reading).await
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

fn about(codes: &[ProductCode]) -> Subject {
    Subject::of(codes.iter().map(ProductCode::as_str))
}

/// A body as it is sent.
fn bytes(body: &Value) -> Bytes {
    body.to_string().into()
}
