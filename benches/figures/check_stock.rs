//! What `CheckStock` adds to Haier's own time: the same calls through the service and directly, in turns.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use haier_integration::proto::CheckStockRequest;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    database::Database,
    options::Options,
    prices_at_rate::reqwest_client,
    quantiles::Times,
    report::Line,
    say,
    service::{CUSTOMER, Sandbox, Service},
};

const COUNTY: &str = "110101";
const STOCK_PATH: &str = "/yilihuo/jsh-service-stock-mall/api/page/stock/get-available-stock-open";
/// Calls of each kind before the time counts: connections and tokens are there then.
const WARM_UP: u32 = 50;

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let sandbox = Sandbox::start(options.products, "0ms", 0)?;
    let database = Database::create(server).await?;
    let mut service = Service::start(&database, Some(&sandbox), 0, &options.settings).await?;
    service.first_start().await?;
    let codes = service.codes(usize::try_from(options.products)?).await?;
    let haier = Direct::new(&sandbox).await?;
    let (mut ours, mut direct) = (Times::default(), Times::default());
    for call in 0..WARM_UP + options.calls {
        let code = codes.choose(&mut rand::rng()).context("nothing is stored")?;
        let started = Instant::now();
        let request = CheckStockRequest { product_code: code.clone(), county_code: COUNTY.to_owned() };
        service.client.check_stock(request).await?;
        let took = started.elapsed();
        let alone = haier.stock(code).await?;
        if call >= WARM_UP {
            ours.push(took);
            direct.push(alone);
        }
    }
    let mut lines = Vec::new();
    for percent in [50, 99] {
        let (ours, direct) = (ours.percentile(percent), direct.percentile(percent));
        let measured = format!("{:.2} ms added ({ours:.2} ms)", ours - direct);
        say(&format!("{}, p{percent}: {measured}", database.engine()));
        let figure = format!("CheckStock, p{percent} of {} calls, {}", options.calls, database.engine());
        lines.push(
            Line::new(figure, measured).against(format!("{direct:.2} ms, the call made directly"), None),
        );
    }
    Ok(lines)
}

/// Haier's stock call without the service between.
struct Direct {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Direct {
    async fn new(sandbox: &Sandbox) -> anyhow::Result<Self> {
        let client = reqwest_client();
        let body =
            json!({ "client_id": "sandbox", "client_secret": "sandbox", "grant_type": "client_credentials" });
        let answer = client.post(format!("{}/oauth2/auth", sandbox.url)).json(&body).send().await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        let token = answer["access_token"].as_str().context("no token")?.to_owned();
        Ok(Self { client, url: format!("{}{STOCK_PATH}", sandbox.url), token })
    }

    /// The time of one call, to the last byte of its answer.
    async fn stock(&self, code: &str) -> anyhow::Result<Duration> {
        let body = json!({
            "salesCode": CUSTOMER,
            "senderCode": CUSTOMER,
            "productCode": code,
            "countyCode": COUNTY,
            "source": "JSH-B",
            "sellerPassword": "sandbox",
        });
        let started = Instant::now();
        let request = self.client.post(&self.url).header("authorization", &self.token).json(&body);
        request.send().await?.error_for_status()?.bytes().await?;
        Ok(started.elapsed())
    }
}
