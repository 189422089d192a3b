//! A shop that orders: services with an account at the stand-in's order system, and orders for it.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context as _;
use haier_integration::{
    app::SystemClock,
    domain::clock::Clock as _,
    keyring::Document,
    proto::{
        ListProductsRequest, Money, Order, OrderItem, PauseUpstreamRequest, ResumeUpstreamRequest,
        UpstreamTarget, haier_administration_client::HaierAdministrationClient,
    },
};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{
    cluster::Cluster,
    database::Database,
    options::Options,
    prices_at_rate::reqwest_client,
    service::{Sandbox, Service},
};

/// Products of the stand-in.
const PRODUCTS: u64 = 1_000;

/// The application that the account's callbacks come from, and what they are signed with.
pub(crate) const CALLBACK_APP: &str = "sandbox-app";
pub(crate) const CALLBACK_SECRET: &str = "sandbox-callback-secret";

/// Services on one database, the stand-in, and what can be ordered. What is first is dropped first.
pub(crate) struct Shop {
    pub(crate) services: Vec<Service>,
    pub(crate) sandbox: Sandbox,
    pub(crate) database: Database,
    /// Of what is on sale.
    pub(crate) codes: Arc<[String]>,
}

impl Shop {
    /// Starts so many services that have the catalogue; `rate` limits what they call, and what the stand-in lets through;
    /// 0 for neither.
    pub(crate) async fn start(
        options: &Options,
        server: Option<&Cluster>,
        services: usize,
        rate: u32,
    ) -> anyhow::Result<Self> {
        let database = Database::create(server).await?;
        let sandbox = Sandbox::start(PRODUCTS, "0ms", rate)?;
        let settings = [&account(&sandbox, rate)?[..], &options.settings[..]].concat();
        let mut started = Vec::new();
        for _ in 0..services {
            started.push(Service::start(&database, Some(&sandbox), rate, &settings).await?);
        }
        let first = started.first_mut().context("no service")?;
        first.first_start().await?;
        let request = ListProductsRequest { is_sales: Some(true), page_size: 1_000, ..Default::default() };
        let on_sale = first.client.list_products(request).await?.into_inner().products;
        let codes = on_sale.into_iter().map(|product| product.product_code).collect();
        Ok(Self { services: started, sandbox, database, codes })
    }

    /// An order of one line. The same number is always the same order.
    pub(crate) fn order(&self, kind: &str, number: u32) -> Order {
        let so_id = format!("SO-{kind}-{number}");
        let yuan = |units| Some(Money { currency_code: "CNY".to_owned(), units, nanos: 0 });
        Order {
            online_no: format!("TB-{so_id}"),
            so_id,
            consignee_name: "张小明".to_owned(),
            consignee_mobile: "13800138000".to_owned(),
            province: "北京市".to_owned(),
            city: "北京市".to_owned(),
            area: "东城区".to_owned(),
            detail_address: "景山前街4号".to_owned(),
            total_amount: yuan(1_999),
            items: vec![OrderItem {
                product_code: self.codes[number as usize % self.codes.len()].clone(),
                quantity: 1,
                retail_price: yuan(2_099),
                discount_amount: yuan(100),
                actual_price: yuan(1_999),
                is_gift: false,
            }],
            ..Order::default()
        }
    }

    /// Holds new orders back.
    pub(crate) async fn pause(&self) -> anyhow::Result<()> {
        let target = UpstreamTarget::OrderPush.into();
        let request = PauseUpstreamRequest { target, reason: "a backlog is wanted".to_owned(), until: None };
        self.administration().await?.pause_upstream(request).await?;
        Ok(())
    }

    /// Lets them go.
    pub(crate) async fn resume(&self) -> anyhow::Result<()> {
        let target = UpstreamTarget::OrderPush.into();
        self.administration().await?.resume_upstream(ResumeUpstreamRequest { target }).await?;
        Ok(())
    }

    async fn administration(&self) -> anyhow::Result<HaierAdministrationClient<tonic::transport::Channel>> {
        let first = self.services.first().context("no service")?;
        Ok(HaierAdministrationClient::connect(first.url.clone()).await?)
    }

    /// What one of the stand-in's controls shows.
    pub(crate) async fn shown(&self, control: &str) -> anyhow::Result<Value> {
        let url = format!("{}/_sandbox/{control}", self.sandbox.url);
        Ok(reqwest_client().get(url).send().await?.error_for_status()?.json().await?)
    }

    /// Haier's number of every order in the book, by ours. An error where the stand-in received one more than once.
    pub(crate) async fn booked(&self) -> anyhow::Result<HashMap<String, String>> {
        let book = self.shown("orders").await?;
        let mut numbers = HashMap::new();
        for order in book["orders"].as_array().context("the book has no orders")? {
            let text = |name: &str| order[name].as_str().unwrap_or_default().to_owned();
            anyhow::ensure!(
                order["received"] == 1,
                "{} was received {} times",
                text("soId"),
                order["received"]
            );
            anyhow::ensure!(
                numbers.insert(text("soId"), text("haierOrderNo")).is_none(),
                "an order is booked twice"
            );
        }
        Ok(numbers)
    }
}

/// The settings of an account at the order system, and keys for what is sealed.
fn account(sandbox: &Sandbox, rate: u32) -> anyhow::Result<Vec<(String, String)>> {
    let keys = Document::generate(SystemClock::new().now())?.to_text();
    let rate = rate.to_string();
    let settings = [
        ("HAIER_INTEGRATION_KEYS", keys.expose_secret()),
        ("HAIER_INTEGRATION_ORDER_RATE", rate.as_str()),
        ("YLH_BASE_URL", &sandbox.url),
        ("YLH_USERNAME", "sandbox"),
        ("YLH_PASSWORD", "sandbox"),
        ("YLH_CLIENT_ID", "sandbox"),
        ("YLH_CLIENT_SECRET", "sandbox"),
        ("YLH_SOURCE_SYSTEM", "SHOP"),
        ("YLH_SHOP_NAME", "海尔旗舰店"),
        ("YLH_CALLBACK_APP_KEY", CALLBACK_APP),
        ("YLH_CALLBACK_SECRET", CALLBACK_SECRET),
    ];
    Ok(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}
