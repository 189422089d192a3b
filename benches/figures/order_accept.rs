//! How long `PushOrder` takes to store an order and answer, against a bare transaction of two inserts at the same rate.

use std::sync::Arc;

use anyhow::Context as _;
use haier_integration::proto::{
    Order, PushOrderRequest, haier_integration_client::HaierIntegrationClient as Client,
};
use tonic::transport::{Channel, Endpoint};

use super::{
    bare_orders::{self, BareOrders},
    cluster::Cluster,
    options::Options,
    pace::at_rate,
    quantiles::{Times, median},
    report::Line,
    say,
    shop::Shop,
};

/// Orders a second.
const RATE: u32 = 300;
const CHANNELS: usize = 4;
/// Orders at each before the time counts: connections and statements are there then.
const WARM_UP: u32 = 300;

/// The three that store orders.
struct Contest {
    shop: Shop,
    ours: Vec<Client<Channel>>,
    bare: Vec<Client<Channel>>,
    direct: Arc<BareOrders>,
}

/// 99th percentiles of each round in milliseconds, and the median of the service.
#[derive(Default)]
struct Rounds {
    ours: Vec<f64>,
    ours_p50: Vec<f64>,
    bare: Vec<f64>,
    direct: Vec<f64>,
    to_bare: Vec<f64>,
    to_direct: Vec<f64>,
}

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    let shop = Shop::start(options, server, 1, options.rate).await?;
    let engine = shop.database.engine();
    let (_process, bare_url) = bare_orders::start(&shop.database.url())?;
    let service = shop.services.first().context("no service")?;
    let (ours, bare) = (clients(&service.url).await?, clients(&bare_url).await?);
    let direct = BareOrders::open(&shop.database.url()).await?;
    let contest = Contest { shop, ours, bare, direct };

    contest.shop.pause().await?;
    contest.round("warm", WARM_UP).await?;
    let mut lines = vec![contest.rounds(options, "new orders paused").await?];
    contest.shop.resume().await?;
    lines.push(contest.rounds(options, "a backlog being sent").await?);
    lines.iter_mut().for_each(|line| line.figure.push_str(&format!(", {engine}")));
    Ok(lines)
}

async fn clients(url: &str) -> anyhow::Result<Vec<Client<Channel>>> {
    let mut clients = Vec::new();
    for _ in 0..CHANNELS {
        clients.push(Client::new(Endpoint::from_shared(url.to_owned())?.connect().await?));
    }
    Ok(clients)
}

impl Contest {
    /// All rounds, as a line of the table.
    async fn rounds(&self, options: &Options, when: &str) -> anyhow::Result<Line> {
        let orders = RATE * u32::try_from(options.seconds)?;
        let mut rounds = Rounds::default();
        for round in 0..options.rounds {
            let [ours, bare, direct] = self.round(&format!("{}-{round}", when.len()), orders).await?;
            say(&format!("{when}: {}; bare {}; directly {}", ours.told(), bare.told(), direct.told()));
            rounds.ours_p50.push(ours.percentile(50));
            let [ours, bare, direct] = [ours, bare, direct].map(|times| times.percentile(99));
            rounds.ours.push(ours);
            rounds.bare.push(bare);
            rounds.direct.push(direct);
            rounds.to_bare.push(ours / bare);
            rounds.to_direct.push(ours / direct);
        }
        let [p50, p99] = [&rounds.ours_p50, &rounds.ours].map(|times| median(times));
        let compared = format!(
            "p99 {:.2} ms of a bare method with two inserts; the two inserts themselves {:.2} ms (ratio {:.2})",
            median(&rounds.bare),
            median(&rounds.direct),
            median(&rounds.to_direct)
        );
        Ok(Line::new(format!("PushOrder at {RATE}/s, {when}"), format!("p50 {p50:.2} ms, p99 {p99:.2} ms"))
            .against(compared, Some(median(&rounds.to_bare))))
    }

    /// So many orders at each, one after the other: the service, the bare method, the transaction itself.
    async fn round(&self, kind: &str, orders: u32) -> anyhow::Result<[Times; 3]> {
        let order = |number| self.shop.order(kind, number);
        let ours = at_rate(RATE, orders, |number| push(&self.ours, order(number), number)).await?;
        let bare = at_rate(RATE, orders, |number| push(&self.bare, order(number), number)).await?;
        let direct = at_rate(RATE, orders, |number| {
            let (orders, order) =
                (Arc::clone(&self.direct), self.shop.order(&format!("direct-{kind}"), number));
            async move { orders.insert(&order).await }
        })
        .await?;
        Ok([ours, bare, direct])
    }
}

/// Pushes an order by the client whose turn it is.
fn push(
    clients: &[Client<Channel>],
    order: Order,
    turn: u32,
) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
    let mut client = clients[turn as usize % clients.len()].clone();
    async move {
        let so_id = order.so_id.clone();
        let answer = client.push_order(PushOrderRequest { order: Some(order), wait: None }).await?;
        let stored = answer.into_inner().order.context("an answer without an order")?;
        anyhow::ensure!(stored.so_id == so_id, "another order was answered");
        Ok(())
    }
}
