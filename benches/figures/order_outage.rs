//! What orders that wait cost while Haier is silent: processor time of the service over a part of an outage, taken to eight
//! hours, and the facts that are written.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use haier_integration::proto::{ListOrderFactsRequest, ListOrdersRequest};
use serde_json::json;
use tokio::time::sleep;

use super::{
    cluster::Cluster, options::Options, order_backlog::store, prices_at_rate::reqwest_client, report::Line,
    say, shop::Shop,
};

const ORDERS: u32 = 1_000;
/// Until the breaker has opened, and what was in flight has ended.
const SETTLED: Duration = Duration::from_secs(75);
/// Three times as long as a breaker takes to open, to probe and to open again.
const WATCHED: Duration = Duration::from_secs(180);
const OUTAGE: Duration = Duration::from_secs(8 * 3_600);
/// Processor time that the outage may cost.
const LIMIT: f64 = 60.0;

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let shop = Shop::start(options, server, 1, 0).await?;
    let silent = json!([{ "endpoint": "Y1", "kind": "hang" }]).to_string();
    let url = format!("{}/_sandbox/faults", shop.sandbox.url);
    reqwest_client().post(url).body(silent).send().await?.error_for_status()?;
    let service = shop.services.first().context("no service")?;
    store(&shop, std::slice::from_ref(&service.client), "outage", ORDERS).await?;
    sleep(SETTLED).await;
    let before = service.process.cpu_time()?;
    sleep(WATCHED).await;
    let used = (service.process.cpu_time()? - before).as_secs_f64();
    let (facts, sends) = (facts(&shop).await?, sends(&shop).await?);
    let most = 2 * sends + 3 * u64::from(ORDERS);
    ensure!(facts <= most, "{facts} facts for {sends} sends of {ORDERS} orders");
    let whole = used * OUTAGE.as_secs_f64() / WATCHED.as_secs_f64();
    let measured =
        format!("{whole:.0} CPU s ({used:.2} s in {} s); {facts} facts for {sends} sends", WATCHED.as_secs());
    let engine = shop.database.engine();
    say(&format!("{engine}: {measured}"));
    let figure = format!("8 hours without Haier, {ORDERS} orders wait, {engine}");
    Ok(vec![Line::new(figure, measured).against(format!("{LIMIT:.0} CPU s"), Some(whole / LIMIT))])
}

async fn sends(shop: &Shop) -> anyhow::Result<u64> {
    shop.shown("stats").await?["endpoints"]["Y1"]["calls"].as_u64().context("no count of orders")
}

/// All facts of all orders.
async fn facts(shop: &Shop) -> anyhow::Result<u64> {
    let mut client = shop.services.first().context("no service")?.client.clone();
    let request = ListOrdersRequest { page_size: 1_000, ..Default::default() };
    let mut facts = 0;
    for order in client.list_orders(request).await?.into_inner().orders {
        let request = ListOrderFactsRequest { so_id: order.so_id, page_size: 1_000, ..Default::default() };
        facts += client.list_order_facts(request).await?.into_inner().facts.len() as u64;
    }
    Ok(facts)
}
