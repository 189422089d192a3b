//! The stand-in for Haier and its controls.

use std::{collections::BTreeMap, time::Duration};

use haier_integration::{
    domain::accounts::{Account, AuthorizationScheme, Origin, YlhAccount},
    sandbox::{CLIENT_ID, CLIENT_SECRET, CUSTOMER_CODES, Options, PASSWORD, Sandbox, start},
};
use reqwest::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

const LISTING: &str = "/yilihuo/jsh-service-goods-mall-search/api/product-info/procurable-products-out/check-procurable-products";

const PRICES: &str =
    "/yilihuo/jsh-service-goods-price/api/goods-price/price-daily-sales/price-query/pt-out-list-price";

/// Records as they come: bare, or in an envelope.
fn rows<T: DeserializeOwned>(text: &str) -> Vec<T> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        data: Vec<T>,
    }
    if text.starts_with('[') {
        return serde_json::from_str(text).unwrap();
    }
    serde_json::from_str::<Envelope<T>>(text).unwrap().data
}

fn code_of(product: &Value) -> String {
    product["productCode"].as_str().unwrap().to_owned()
}

/// A stand-in that listens. One of this process stops when dropped.
pub(crate) struct Haier {
    base_url: String,
    http: reqwest::Client,
    sandbox: Option<(Sandbox, Options)>,
    /// What to start again with, while it is gone.
    gone: Option<Options>,
}

/// What the stand-in serves of one product, to the digit.
#[derive(Deserialize)]
pub(crate) struct Shown {
    pub(crate) product: Value,
    pub(crate) price: Price,
}

/// Prices with the text they have on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Price {
    pub(crate) supply_price: Option<Box<RawValue>>,
    pub(crate) invoice_price: Option<Box<RawValue>>,
    pub(crate) market_price: Option<Box<RawValue>>,
    pub(crate) rebate_money: Option<Box<RawValue>>,
}

impl Haier {
    pub(crate) async fn start(options: Options) -> Self {
        let sandbox = start(options.clone()).await.unwrap();
        let haier = Self::at(sandbox.base_url());
        let options = Options { addr: sandbox.addr(), ..options };
        Self { sandbox: Some((sandbox, options)), ..haier }
    }

    /// Closes its port and every connection. [`Self::come_back`] opens it again.
    pub(crate) async fn go(&mut self) {
        let (sandbox, options) = self.sandbox.take().expect("it is of this process");
        sandbox.stop().await;
        self.gone = Some(options);
    }

    /// Listens where it listened, with the same catalogue and no faults.
    pub(crate) async fn come_back(&mut self) {
        let options = self.gone.take().expect("it went before");
        self.sandbox = Some((start(options.clone()).await.unwrap(), options));
    }

    /// One that another process runs.
    pub(crate) fn at(base_url: String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30));
        // Spoken to in the clear: the roots of this machine are not read for each test.
        let http = http.tls_certs_only([]).build().unwrap();
        Self { base_url, http, sandbox: None, gone: None }
    }

    pub(crate) fn base_url(&self) -> String {
        self.base_url.clone()
    }

    /// The account that the stand-in knows.
    pub(crate) fn account(&self) -> Account {
        let base_url = self.base_url();
        let ylh = YlhAccount {
            base_url: base_url.clone(),
            service_suffix: String::new(),
            auth_url: YlhAccount::default_auth_url(&base_url, ""),
            username: "sandbox".to_owned(),
            password: PASSWORD.into(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.into(),
            source_system: "shop".to_owned(),
            shop_name: "测试旗舰店".to_owned(),
            callback_app_key: "sandbox-app".to_owned(),
            callback_secret: "sandbox-callback-secret".into(),
        };
        Account {
            name: "environment".to_owned(),
            origin: Origin::Unstored,
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.into(),
            token_url: format!("{base_url}/oauth2/auth"),
            token_url_is_default: true,
            base_url,
            customer_code: CUSTOMER_CODES[0].to_owned(),
            send_to_code: CUSTOMER_CODES[0].to_owned(),
            supplier_code: "1001".to_owned(),
            password: PASSWORD.into(),
            seller_password: PASSWORD.into(),
            customer_password: PASSWORD.into(),
            authorization_scheme: AuthorizationScheme::Bare,
            ylh: Some(ylh),
        }
    }

    async fn control(&self, method: Method, path: &str, body: &Value) -> String {
        let url = format!("{}/_sandbox/{path}", self.base_url());
        let response = self.http.request(method, url).json(body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {text}");
        text
    }

    /// Switches a fault on, beside those that are on.
    pub(crate) async fn fault(&self, fault: Value) {
        self.faults(&json!([fault])).await;
    }

    /// Switches faults on, or a preset of them, beside those that are on.
    pub(crate) async fn faults(&self, faults: &Value) {
        self.control(Method::POST, "faults", faults).await;
    }

    pub(crate) async fn clear_faults(&self) {
        self.control(Method::DELETE, "faults", &json!(null)).await;
    }

    /// Waits until the fault switched on first has struck so many calls.
    pub(crate) async fn struck(&self, times: u64) {
        let arrived = async {
            loop {
                let faults = self.control(Method::GET, "faults", &json!(null)).await;
                let faults: Value = serde_json::from_str(&faults).unwrap();
                if faults[0]["hits"].as_u64().unwrap() >= times {
                    return;
                }
            }
        };
        super::within(arrived).await;
    }

    /// Has callbacks sent there from now on.
    pub(crate) async fn call_back(&self, url: &str) {
        self.control(Method::POST, "callbacks/url", &json!({ "url": url })).await;
    }

    /// Callbacks that wait are sent now; returns when each was.
    pub(crate) async fn settle_callbacks(&self) {
        self.control(Method::POST, "callbacks/settle", &json!(null)).await;
    }

    /// Callbacks that wait, and those that were heard or given up.
    pub(crate) async fn callbacks(&self) -> Value {
        serde_json::from_str(&self.control(Method::GET, "callbacks", &json!(null)).await).unwrap()
    }

    /// Orders that were cut off arrive now.
    pub(crate) async fn settle_orders(&self) {
        self.control(Method::POST, "orders/settle", &json!(null)).await;
    }

    /// Changes the catalogue.
    pub(crate) async fn change(&self, change: Value) -> Value {
        let answer = self.control(Method::POST, "catalogue", &change).await;
        serde_json::from_str(&answer).unwrap()
    }

    pub(crate) async fn show(&self, code: &str) -> Shown {
        let path = format!("catalogue?productCode={code}");
        serde_json::from_str(&self.control(Method::GET, &path, &json!(null)).await).unwrap()
    }

    /// The order system's book.
    pub(crate) async fn orders(&self) -> Value {
        serde_json::from_str(&self.control(Method::GET, "orders", &json!(null)).await).unwrap()
    }

    pub(crate) async fn stats(&self) -> Value {
        serde_json::from_str(&self.control(Method::GET, "stats", &json!(null)).await).unwrap()
    }

    /// The codes of the catalogue, asked for as a client asks.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let token = self.token().await;
        self.listing(&token).await.iter().map(code_of).collect()
    }

    /// The whole catalogue with its prices, asked for as a client asks.
    pub(crate) async fn served(&self) -> BTreeMap<String, Shown> {
        let token = self.token().await;
        let listing = self.listing(&token).await;
        let mut all = BTreeMap::new();
        for some in listing.chunks(20) {
            let body = json!({
                "customerCode": CUSTOMER_CODES[0], "sendToCode": CUSTOMER_CODES[0], "priceType": "PT",
                "passWord": PASSWORD, "productCodes": some.iter().map(code_of).collect::<Vec<_>>(),
            });
            let prices: Vec<Price> = rows(&self.ask(PRICES, &token, &body).await);
            assert_eq!(prices.len(), some.len());
            let shown =
                some.iter().zip(prices).map(|(product, price)| Shown { product: product.clone(), price });
            all.extend(shown.map(|shown| (code_of(&shown.product), shown)));
        }
        all
    }

    async fn token(&self) -> String {
        let grant = "client_credentials";
        let body = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": grant });
        let answer: Value = serde_json::from_str(&self.ask("/oauth2/auth", "", &body).await).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn listing(&self, token: &str) -> Vec<Value> {
        let body = json!({
            "customerCode": CUSTOMER_CODES[0], "sendToCode": CUSTOMER_CODES[0], "supplierCode": "1001",
            "searchType": "PTJSH", "passWord": PASSWORD,
        });
        rows(&self.ask(LISTING, token, &body).await)
    }

    async fn ask(&self, path: &str, token: &str, body: &Value) -> String {
        let request = self.http.post(format!("{}{path}", self.base_url)).header("authorization", token);
        let text = request.json(body).send().await.unwrap().text().await.unwrap();
        text.trim_start_matches('\u{feff}').to_owned()
    }

    /// How often an endpoint was called.
    pub(crate) async fn calls(&self, endpoint: &str) -> u64 {
        self.stats().await["endpoints"][endpoint]["calls"].as_u64().unwrap()
    }
}
