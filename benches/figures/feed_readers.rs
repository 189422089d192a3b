//! Many readers of the feed: what they cost the services, and how soon each has a change in its hand.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use haier_integration::{
    app::SystemClock,
    domain::clock::Clock as _,
    proto::{
        ProductChange, SyncProductsRequest, SyncType, WatchProductChangesRequest,
        haier_integration_client::HaierIntegrationClient,
    },
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
    let times = readers.end(beside.changes).await?;
    let engine = market.shop.database.engine();
    let measured = format!(
        "{:.2} cores of {replicas} {} at {:.0} changes/s; in every reader's hand after p50 {:.0} ms, p99 {:.0} ms, \
         max {:.0} ms from when it was stored",
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
    changes: usize,
}

impl Market {
    fn open(shop: Shop) -> Self {
        Self { shop, http: reqwest_client(), changes: 0 }
    }

    async fn change(&mut self) -> anyhow::Result<()> {
        let all = &self.shop.codes;
        let codes: Vec<String> =
            all.iter().cycle().skip(self.changes % all.len()).take(BATCH).cloned().collect();
        // Another one every time, and no move that a run is held for.
        let price = format!("{}.00", 2_000 + self.changes / all.len() % 100);
        let prices: Map<_, _> =
            codes.iter().map(|code| (code.clone(), json!({ "supplyPrice": price }))).collect();
        let url = format!("{}/_sandbox/catalogue", self.shop.sandbox.url);
        self.http.post(url).json(&json!({ "prices": prices })).send().await?.error_for_status()?;
        let request =
            SyncProductsRequest { product_codes: codes, kind: SyncType::Prices.into(), ..Default::default() };
        self.shop.services.first_mut().context("no service")?.sync(request).await?;
        self.changes += BATCH;
        Ok(())
    }

    /// Processor time that all processes of the service have used.
    fn used(&self) -> anyhow::Result<Duration> {
        self.shop.services.iter().map(|service| service.process.cpu_time()).sum()
    }
}

/// What changes cost.
struct Cost {
    changes: usize,
    /// Changes a second.
    rate: f64,
    /// Of all processes of the service.
    cores: f64,
}

async fn load(options: &Options, market: &mut Market) -> anyhow::Result<Cost> {
    let (began, before, first) = (Instant::now(), market.used()?, market.changes);
    let batches_a_second = options.rate.div_ceil(u32::try_from(BATCH)?).max(1);
    let mut pace = interval(Duration::from_secs(1) / batches_a_second);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..u64::from(batches_a_second) * options.seconds {
        pace.tick().await;
        market.change().await?;
    }
    let (took, cpu) = (began.elapsed().as_secs_f64(), market.used()? - before);
    let changes = market.changes - first;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = changes as f64 / took;
    Ok(Cost { changes, rate, cores: cpu.as_secs_f64() / took })
}

/// Readers that follow, dealt to all replicas.
struct Readers {
    tasks: JoinSet<anyhow::Result<Times>>,
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
                    let (mut read, mut times) = (0, Times::default());
                    loop {
                        if enough.borrow_and_update().is_some_and(|enough| read >= enough) {
                            return Ok(times);
                        }
                        let message = tokio::select! {
                            message = stream.message() => message?.context("the feed ended")?,
                            _ = enough.changed() => continue,
                        };
                        let now = SystemClock::new().now();
                        read += message.changes.len();
                        for change in &message.changes {
                            times.push((now - stored_at(change)?).to_std().unwrap_or_default());
                        }
                    }
                });
            }
            left = left.saturating_sub(A_CONNECTION);
        }
        Ok(Self { tasks, enough })
    }

    /// Waits until each has read so many changes; how long each change took to each of them.
    async fn end(mut self, changes: usize) -> anyhow::Result<Times> {
        self.enough.send_replace(Some(changes));
        let mut all = Times::default();
        let read = async {
            while let Some(times) = self.tasks.join_next().await {
                all.append(times??);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, read).await.context("some readers never had all changes")??;
        ensure!(!all.is_empty(), "nothing was read");
        Ok(all)
    }
}

fn stored_at(change: &ProductChange) -> anyhow::Result<DateTime<Utc>> {
    let at = change.changed_at.context("a change without its time")?;
    DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos)?).context("a time out of range")
}
