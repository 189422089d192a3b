//! The stand-in keeps its own promises, so that tests which lean on it mean something.

use std::sync::Once;
use std::time::Duration;

use haier_integration::sandbox::{Options, Sandbox, start};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

mod callbacks;
mod catalogue;
mod control;
mod faults;
mod openplat;
mod orders;
mod presets;
mod ylh;

const H1: &str = "/yilihuo/jsh-service-goods-mall-search/api/product-info/procurable-products-out/check-procurable-products";
const H2: &str =
    "/yilihuo/jsh-service-goods-price/api/goods-price/price-daily-sales/price-query/pt-out-list-price";
const H3: &str = "/yilihuo/jsh-service-stock-mall/api/page/stock/get-available-stock-open";
const H4: &str = "/yilihuo/ylh-cloud-service-stock/api/page/stock/logistics/sass/get-thirdparty-logistics-info-by-order-code-auth";
const H5: &str = "/yilihuo/jsh-service-finance-mall/api/page/account/account-balance-manager/get-payer-account-balance-by-customer-code";

/// A stand-in and a client that has a token.
struct Haier {
    sandbox: Sandbox,
    http: reqwest::Client,
    token: String,
}

impl Haier {
    async fn start() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let sandbox = start(Options { addr: ([127, 0, 0, 1], 0).into(), ..options }).await.unwrap();
        let mut haier = Self { sandbox, http: client(), token: String::new() };
        haier.authenticate().await;
        haier
    }

    async fn authenticate(&mut self) {
        let answer: Value = self.ask_token("/oauth2/auth", "sandbox").await.json().await.unwrap();
        self.token = answer["access_token"].as_str().unwrap().to_owned();
    }

    async fn ask_token(&self, path: &str, secret: &str) -> Response {
        let body =
            json!({ "client_id": "sandbox", "client_secret": secret, "grant_type": "client_credentials" });
        self.request("POST", path).json(&body).send().await.unwrap()
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.base_url());
        self.http.request(method.parse().unwrap(), url)
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request("POST", path).header("Authorization", &self.token).json(body)
    }

    async fn call(&self, path: &str, body: &Value) -> Response {
        self.post(path, body).send().await.unwrap()
    }

    /// The text of an answer that must be 200.
    async fn text(&self, path: &str, body: &Value) -> String {
        let response = self.call(path, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.text().await.unwrap()
    }

    async fn json(&self, path: &str, body: &Value) -> Value {
        serde_json::from_str(&self.text(path, body).await).unwrap()
    }

    async fn listing(&self) -> Vec<Value> {
        serde_json::from_str(&self.text(H1, &products(None)).await).unwrap()
    }

    /// The first codes of the catalogue.
    async fn codes(&self, count: usize) -> Vec<String> {
        let listing = self.listing().await;
        listing[..count].iter().map(|product| product["productCode"].as_str().unwrap().to_owned()).collect()
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.request(method, &format!("/_sandbox/{path}")).json(body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Switches a fault on instead of all others.
    async fn fault(&self, fault: &Value) {
        self.control("DELETE", "faults", &json!(null)).await;
        let (status, answer) = self.control("POST", "faults", &json!([fault])).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
}

fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .retry(reqwest::retry::never())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

fn products(codes: Option<&[String]>) -> Value {
    let mut body = json!({
        "customerCode": "8800000001", "sendToCode": "8800000001", "supplierCode": "1001",
        "searchType": "PTJSH", "passWord": "sandbox",
    });
    if let Some(codes) = codes {
        body["productCodes"] = json!(codes);
    }
    body
}

fn prices(codes: &[String]) -> Value {
    json!({
        "customerCode": "8800000001", "sendToCode": "8800000001", "productCodes": codes,
        "priceType": "PT", "passWord": "sandbox",
    })
}

fn stock(code: &str, county: &str) -> Value {
    json!({
        "salesCode": "8800000001", "senderCode": "8800000001", "productCode": code,
        "countyCode": county, "source": "JSH-B", "sellerPassword": "sandbox",
    })
}

fn logistics(order: &str) -> Value {
    json!({ "orderCode": order, "sellerCode": "8800000002", "sellerPassword": "sandbox" })
}

fn balance() -> Value {
    json!({ "customerCode": "8800000001", "customerPassword": "sandbox" })
}
