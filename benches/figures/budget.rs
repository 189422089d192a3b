//! The budget of calls over several processes on one database: how much of it a run uses, also while processes die, how
//! long live calls wait beside it, and what is left for bulk beside live calls that never end.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use haier_integration::proto::{
    CheckStockRequest, SyncProductsRequest, SyncType, haier_integration_client::HaierIntegrationClient,
};
use serde_json::Value;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{
    cluster::Cluster,
    database::Database,
    options::Options,
    prices_at_rate::reqwest_client,
    quantiles::Times,
    report::Line,
    say,
    service::{Sandbox, Service},
};

type Client = HaierIntegrationClient<Channel>;

/// Another one than that of the run.
const LIVE_COUNTY: &str = "310101";
/// Live calls a second beside a run.
const LIVE_RATE: u32 = 20;
/// Until a run has begun, and the second before has passed.
const WARM_UP: Duration = Duration::from_secs(3);

pub(crate) async fn measure(options: &Options, server: &Cluster) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for processes in [1, 3, 10] {
        let mut fleet = Fleet::start(options, server, processes).await?;
        fleet.saturate().await?;
        let seconds = Duration::from_secs(options.seconds);
        let steady = fleet.during(tokio::time::sleep(seconds)).await?;
        lines.push(fleet.line(format!("{processes} processes, steady"), steady).await?);
        if processes == 3 {
            let mut times = Times::default();
            let calls = fleet.during(fleet.live(&mut times, seconds)).await?;
            let p99 = times.percentile(99);
            let waits =
                format!("p50 {:.1} ms, p99 {p99:.1} ms; {calls:.0} calls/s in all", times.percentile(50));
            say(&format!("live calls: {waits}"));
            let figure = format!("budget: CheckStock at {LIVE_RATE}/s beside a run, 3 processes");
            lines.push(Line::new(figure, waits).against("50 ms, the promise for p99", Some(p99 / 50.0)));

            let bulk = fleet.bulk_beside_live(seconds).await?;
            say(&format!("bulk beside live calls that never end: {bulk:.1} calls/s"));
            let figure = "budget: a run beside live calls that never end, 3 processes";
            lines.push(
                Line::new(figure, format!("{bulk:.1} calls/s")).against("10 calls/s", Some(bulk / 10.0)),
            );

            let dying = fleet.dying(seconds).await?;
            lines.push(fleet.line("3 processes, one killed every 3 s".to_owned(), dying).await?);
        }
    }
    Ok(lines)
}

struct Fleet<'a> {
    options: &'a Options,
    database: Database,
    sandbox: Sandbox,
    services: Vec<Service>,
    codes: Vec<String>,
}

impl<'a> Fleet<'a> {
    async fn start(options: &'a Options, server: &Cluster, processes: usize) -> anyhow::Result<Self> {
        let database = Database::create(Some(server)).await?;
        let sandbox = Sandbox::start(1_000, "0ms", 0)?;
        let mut fleet = Self { options, database, sandbox, services: Vec::new(), codes: Vec::new() };
        for process in 0..processes {
            fleet.add().await?;
            if process == 0 {
                fleet.services[0].first_start().await?;
                fleet.codes = fleet.services[0].codes(1_000).await?;
            }
        }
        Ok(fleet)
    }

    async fn add(&mut self) -> anyhow::Result<()> {
        let settings = [("HAIER_INTEGRATION_SYNC_LEASE".to_owned(), "2s".to_owned())];
        let beat = [("HAIER_INTEGRATION_SYNC_HEARTBEAT".to_owned(), "500ms".to_owned())];
        let all = [&settings[..], &beat[..], &self.options.settings[..]].concat();
        let service = Service::start(&self.database, Some(&self.sandbox), self.options.rate, &all).await?;
        self.services.push(service);
        Ok(())
    }

    /// Runs at every process that take all there is, for the whole measurement.
    async fn saturate(&mut self) -> anyhow::Result<()> {
        for service in &mut self.services {
            for _ in 0..4 {
                ask(&mut service.client, &self.codes).await?;
            }
        }
        tokio::time::sleep(WARM_UP).await;
        Ok(())
    }

    async fn stats(&self) -> anyhow::Result<Value> {
        let url = format!("{}/_sandbox/stats", self.sandbox.url);
        Ok(reqwest_client().get(url).send().await?.error_for_status()?.json().await?)
    }

    async fn arrived(&self) -> anyhow::Result<u64> {
        let stats = self.stats().await?;
        let endpoints = stats["endpoints"].as_object().context("no endpoints")?;
        Ok(endpoints.values().filter_map(|endpoint| endpoint["calls"].as_u64()).sum())
    }

    /// Calls a second that arrived while something went on.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    async fn during(&self, what: impl Future) -> anyhow::Result<f64> {
        let (began, before) = (Instant::now(), self.arrived().await?);
        what.await;
        Ok((self.arrived().await? - before) as f64 / began.elapsed().as_secs_f64())
    }

    /// Live calls at a steady pace, in turn at each process.
    async fn live(&self, times: &mut Times, time: Duration) {
        let mut pace = tokio::time::interval(Duration::from_secs(1) / LIVE_RATE);
        let (began, mut calls, mut turn) = (Instant::now(), JoinSet::new(), 0);
        while began.elapsed() < time {
            pace.tick().await;
            let client = self.services[turn % self.services.len()].client.clone();
            let code = self.codes[turn % self.codes.len()].clone();
            calls.spawn(async move { live(client, code).await });
            turn += 1;
        }
        for took in calls.join_all().await.into_iter().flatten() {
            times.push(took);
        }
    }

    /// Calls a second of runs while forty live callers ask all the time.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    async fn bulk_beside_live(&self, time: Duration) -> anyhow::Result<f64> {
        let (began, before) = (Instant::now(), self.arrived().await?);
        let mut callers = JoinSet::new();
        for caller in 0..40 {
            let client = self.services[caller % self.services.len()].client.clone();
            let codes = self.codes.clone();
            callers.spawn(async move {
                let mut answered = 0_u64;
                while began.elapsed() < time {
                    // Two callers with the same code would share one call.
                    let code = codes[(caller * 25 + answered as usize % 25) % codes.len()].clone();
                    answered += u64::from(live(client.clone(), code).await.is_ok());
                }
                answered
            });
        }
        let answered: u64 = callers.join_all().await.into_iter().sum();
        let all = self.arrived().await? - before;
        Ok(all.saturating_sub(answered) as f64 / began.elapsed().as_secs_f64())
    }

    /// Calls a second while every three seconds one process is killed and another one started.
    async fn dying(&mut self, time: Duration) -> anyhow::Result<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = |calls: u64, time: Duration| calls as f64 / time.as_secs_f64();
        let (began, before) = (Instant::now(), self.arrived().await?);
        while began.elapsed() < time {
            drop(self.services.remove(0));
            self.add().await?;
            let codes = self.codes.clone();
            if let Some(newest) = self.services.last_mut() {
                ask(&mut newest.client, &codes).await?;
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        Ok(rate(self.arrived().await? - before, began.elapsed()))
    }

    async fn line(&self, what: String, used: f64) -> anyhow::Result<Line> {
        let most = self.stats().await?["max_in_any_second"]["openplat"].clone();
        let measured = format!("{used:.1} calls/s; at most {most} in any second so far");
        say(&format!("{what}: {measured}"));
        let limit = f64::from(self.options.rate);
        Ok(Line::new(format!("budget: {what}"), measured)
            .against(format!("{limit:.0} calls/s, the limit"), Some(used / limit)))
    }
}

async fn live(mut client: Client, product_code: String) -> anyhow::Result<Duration> {
    let began = Instant::now();
    client.check_stock(CheckStockRequest { product_code, county_code: LIVE_COUNTY.to_owned() }).await?;
    Ok(began.elapsed())
}

async fn ask(client: &mut Client, codes: &[String]) -> anyhow::Result<()> {
    let (product_codes, kind) = (codes.to_vec(), SyncType::Stock.into());
    client.sync_products(SyncProductsRequest { product_codes, kind, ..Default::default() }).await?;
    Ok(())
}
