//! How fast a backlog of orders goes to Haier: the part of the order system's budget that is used.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use haier_integration::proto::{
    ListOrdersRequest, OrderState, PushOrderRequest,
    haier_integration_client::HaierIntegrationClient as Client,
};
use tokio::{task::JoinSet, time::sleep};
use tonic::transport::Channel;

use super::{cluster::Cluster, options::Options, report::Line, say, shop::Shop};

/// Orders that are pushed at a time while the backlog is made.
const PUSHED_AT_A_TIME: usize = 32;
/// Until every process has seen the pause.
const SEEN: Duration = Duration::from_secs(3);
/// How often the stand-in is asked how many it has received.
const LOOK: Duration = Duration::from_millis(20);
/// Longest time in which no order arrives.
const STANDSTILL: Duration = Duration::from_secs(30);

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let fleets: &[usize] = if server.is_some() { &[1, 3] } else { &[1] };
    let mut lines = Vec::new();
    for processes in fleets {
        lines.push(drain(options, server, *processes).await?);
    }
    Ok(lines)
}

async fn drain(options: &Options, server: Option<&Cluster>, processes: usize) -> anyhow::Result<Line> {
    let shop = Shop::start(options, server, processes, options.rate).await?;
    shop.pause().await?;
    sleep(SEEN).await;
    let clients: Vec<_> = shop.services.iter().map(|service| service.client.clone()).collect();
    store(&shop, &clients, "backlog", options.backlog).await?;
    ensure!(received(&shop).await? == 0, "an order went out while they were paused");
    shop.resume().await?;
    let resumed = Instant::now();
    let begun = arrival(&shop, 1).await?;
    let ended = arrival(&shop, u64::from(options.backlog)).await?;
    ensure!(shop.booked().await?.len() == options.backlog as usize, "an order is not in the book");
    ensure!(
        settled(clients.first().context("no service")?.clone()).await?,
        "an order is not known to be there"
    );

    let rate = f64::from(options.backlog - 1) / (ended - begun).as_secs_f64();
    let most = &shop.shown("stats").await?["max_in_any_second"]["ylh"];
    let measured = format!(
        "{rate:.1} orders/s; the last one {:.1} s after the pause ended; at most {most} calls in any second",
        (ended - resumed).as_secs_f64()
    );
    let (engine, limit) = (shop.database.engine(), f64::from(options.rate));
    say(&format!("{engine}, {processes} processes: {measured}"));
    let figure = format!("backlog of {} orders, {processes} processes, {engine}", options.backlog);
    Ok(Line::new(figure, measured).against(format!("{limit:.0} calls/s, the limit"), Some(rate / limit)))
}

/// Has so many orders stored, in turn at each client.
pub(crate) async fn store(
    shop: &Shop,
    clients: &[Client<Channel>],
    kind: &str,
    orders: u32,
) -> anyhow::Result<()> {
    let mut pushes = JoinSet::new();
    for number in 0..orders {
        if pushes.len() >= PUSHED_AT_A_TIME {
            pushes.join_next().await.context("nothing to wait for")???;
        }
        let mut client = clients[number as usize % clients.len()].clone();
        let order = Some(shop.order(kind, number));
        pushes.spawn(async move { client.push_order(PushOrderRequest { order, wait: None }).await });
    }
    while let Some(pushed) = pushes.join_next().await {
        pushed??;
    }
    Ok(())
}

/// When the stand-in has received so many orders.
async fn arrival(shop: &Shop, orders: u64) -> anyhow::Result<Instant> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let received = received(shop).await?;
        let now = Instant::now();
        if received >= orders {
            return Ok(now);
        }
        if received != last {
            (last, moved) = (received, now);
        }
        ensure!(now - moved < STANDSTILL, "only {received} orders arrived");
        sleep(LOOK).await;
    }
}

async fn received(shop: &Shop) -> anyhow::Result<u64> {
    shop.shown("stats").await?["endpoints"]["Y1"]["calls"].as_u64().context("no count of orders")
}

/// Whether the service soon knows of every order that Haier has it.
pub(crate) async fn settled(mut client: Client<Channel>) -> anyhow::Result<bool> {
    let began = Instant::now();
    while began.elapsed() < STANDSTILL {
        let mut open = 0;
        for state in [OrderState::Accepted, OrderState::InDoubt] {
            let request = ListOrdersRequest { state: state.into(), page_size: 1, ..Default::default() };
            open += client.list_orders(request).await?.into_inner().orders.len();
        }
        if open == 0 {
            return Ok(true);
        }
        sleep(LOOK).await;
    }
    Ok(false)
}
