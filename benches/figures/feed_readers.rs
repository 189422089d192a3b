//! Many readers of the feed: what they cost the services, and how soon each has a change in its hand.

use std::{
    iter,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use haier_integration::proto::{
    SyncProductsRequest, SyncType, WatchProductChangesRequest,
    haier_integration_client::HaierIntegrationClient,
};
use serde_json::{Map, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tonic::transport::Endpoint;

use super::{
    cluster::Cluster, options::Options, prices_at_rate::reqwest_client, quantiles::Times, report::Line, say,
    service::Service, shop::Shop,
};

/// Prices that change at once, which a run of one batch finds.
const BATCH: usize = 20;
/// Readers that share a connection.
const A_CONNECTION: u32 = 50;
/// Longest time until the last change is in every reader's hand.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn measure(options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    // A file has one process.
    let replicas = if server.is_some() { 2 } else { 1 };
    let mut market = Market::open(Shop::start(options, server, replicas, 0).await?);
    let alone = load(options, &mut market).await?;
    let readers = Readers::start(options, &market.shop.services).await?;
    let beside = load(options, &mut market).await?;
    let times = readers.end(&beside.began).await?;
    let engine = market.shop.database.engine();
    let measured = format!(
        "{:.2} cores of {replicas} {} at {:.0} changes/s; in every reader's hand after p50 {:.0} ms, p99 {:.0} ms, \
         max {:.0} ms from before it changed at the stand-in",
        beside.cores,
        if replicas == 1 { "process" } else { "processes" },
        beside.rate,
        times.percentile(50),
        times.percentile(99),
        times.percentile(100),
    );
    say(&format!(
        "{engine}: {measured}; {:.2} cores without them at {:.0} changes/s",
        alone.cores, alone.rate
    ));
    let without = format!("{:.2} cores without a reader, at {:.0} changes/s", alone.cores, alone.rate);
    Ok(vec![
        Line::new(format!("{} readers of the feed, {engine}", options.readers), measured)
            .against(without, Some(beside.cores / alone.cores)),
    ])
}

/// Prices that change, at the stand-in and then, by runs over them, at the service.
struct Market {
    shop: Shop,
    http: reqwest::Client,
    /// When each batch began to change.
    began: Vec<Instant>,
}

impl Market {
    fn open(shop: Shop) -> Self {
        Self { shop, http: reqwest_client(), began: Vec::new() }
    }

    async fn change(&mut self) -> anyhow::Result<()> {
        // Batches of the same products in every round, so that each price of a batch changes.
        let mut batches = self.shop.codes.chunks_exact(BATCH);
        let (count, batch) = (batches.len(), self.began.len());
        let codes = batches.nth(batch % count).context("too few products")?.to_vec();
        // Another one every time, and no move that a run is held for.
        let price = format!("{}.00", 2_000 + batch / count % 100);
        self.began.push(Instant::now());
        let prices: Map<_, _> =
            codes.iter().map(|code| (code.clone(), json!({ "supplyPrice": price }))).collect();
        let url = format!("{}/_sandbox/catalogue", self.shop.sandbox.url);
        self.http.post(url).json(&json!({ "prices": prices })).send().await?.error_for_status()?;
        let request =
            SyncProductsRequest { product_codes: codes, kind: SyncType::Prices.into(), ..Default::default() };
        self.shop.services.first_mut().context("no service")?.sync(request).await?;
        Ok(())
    }

    /// Processor time that all processes of the service have used.
    fn used(&self) -> anyhow::Result<Duration> {
        self.shop.services.iter().map(|service| service.process.cpu_time()).sum()
    }
}

/// What changes cost.
struct Cost {
    /// When each batch began to change.
    began: Vec<Instant>,
    /// Changes a second.
    rate: f64,
    /// Of all processes of the service.
    cores: f64,
}

async fn load(options: &Options, market: &mut Market) -> anyhow::Result<Cost> {
    let (since, before, first) = (Instant::now(), market.used()?, market.began.len());
    let batches_a_second = options.rate.div_ceil(u32::try_from(BATCH)?).max(1);
    let mut pace = interval(Duration::from_secs(1) / batches_a_second);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..u64::from(batches_a_second) * options.seconds {
        pace.tick().await;
        market.change().await?;
    }
    let (took, cpu) = (since.elapsed().as_secs_f64(), market.used()? - before);
    let began: Vec<Instant> = market.began.iter().skip(first).copied().collect();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = (began.len() * BATCH) as f64 / took;
    Ok(Cost { began, rate, cores: cpu.as_secs_f64() / took })
}

/// Readers that follow, dealt to all replicas.
struct Readers {
    /// Each tells when it had each change.
    tasks: JoinSet<anyhow::Result<Vec<Instant>>>,
    /// How many changes each reads before it ends, once that is known.
    enough: watch::Sender<Option<usize>>,
}

impl Readers {
    /// Returns when every one of them has its first message.
    async fn start(options: &Options, services: &[Service]) -> anyhow::Result<Self> {
        let (mut tasks, enough) = (JoinSet::new(), watch::Sender::new(None));
        let mut services = services.iter().cycle();
        let mut left = options.readers;
        while left > 0 {
            let service = services.next().context("no service")?;
            let client =
                HaierIntegrationClient::new(Endpoint::from_shared(service.url.clone())?.connect().await?);
            for _ in 0..left.min(A_CONNECTION) {
                let mut client = client.clone();
                let mut stream =
                    client.watch_product_changes(WatchProductChangesRequest::default()).await?.into_inner();
                stream.message().await?.context("the feed ended")?;
                let mut enough = enough.subscribe();
                tasks.spawn(async move {
                    let mut read = Vec::new();
                    loop {
                        if enough.borrow_and_update().is_some_and(|enough| read.len() >= enough) {
                            return Ok(read);
                        }
                        let message = tokio::select! {
                            message = stream.message() => message?.context("the feed ended")?,
                            _ = enough.changed() => continue,
                        };
                        read.extend(message.changes.iter().map(|_| Instant::now()));
                    }
                });
            }
            left = left.saturating_sub(A_CONNECTION);
        }
        Ok(Self { tasks, enough })
    }

    /// Waits until each has read what changed; how long each change took to each of them.
    async fn end(mut self, began: &[Instant]) -> anyhow::Result<Times> {
        let changes = began.len() * BATCH;
        self.enough.send_replace(Some(changes));
        let mut all = Times::default();
        let read = async {
            while let Some(read) = self.tasks.join_next().await {
                let read = read??;
                ensure!(read.len() == changes, "{} changes were read of {changes}", read.len());
                let began = began.iter().flat_map(|began| iter::repeat_n(began, BATCH));
                read.iter().zip(began).for_each(|(read, began)| all.push(*read - *began));
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, read).await.context("some readers never had all changes")??;
        ensure!(!all.is_empty(), "nothing was read");
        Ok(all)
    }
}
