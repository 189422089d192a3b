//! Plays a schedule: one run after the other, each disturbed as drawn, and looks after each what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use haier_integration::proto::{
    CancelSyncRequest, GetProductsRequest, ListProductsRequest, ListSyncLogsRequest, RetrySyncRequest,
    SyncLog, SyncProductsRequest, SyncProgress, SyncStatus, SyncType, WatchSyncRequest,
};
use serde_json::{Value, json};
use tonic::Code;

use super::{
    invariants::{Ended, assert_served, assert_tidy},
    replica::Replica,
    schedule::{Kind, Round, Schedule, What},
};
use crate::support::{Client, Plan, Shown, World, collect, refusal, within};

const NOBODY_HAS: &str = "ZZ9999999";
/// Products compared after a run; after the last one all are.
const SAMPLE: usize = 12;
/// Calls of the test itself: a token and a listing.
const OWN_CALLS: u32 = 2;

struct Play {
    world: World,
    schedule: Schedule,
    replica: Replica,
    /// Codes that refuse every call that holds them, by endpoint.
    poison: Vec<(&'static str, String)>,
    /// The run of the first start, as long as nobody looked after it.
    first: Option<i64>,
    /// What Haier lists.
    codes: Vec<String>,
    /// What it served earlier in this round.
    former: BTreeMap<String, Vec<Shown>>,
    /// What it no longer lists.
    gone: BTreeSet<String>,
    /// A run of this round as it stood when it was cancelled.
    cancelled: Option<SyncLog>,
}

pub(super) async fn play(plan: Plan, seed: u64) {
    let schedule = Schedule::draw(seed);
    let mut play = Play::begin(plan, schedule, seed).await;
    for round in std::mem::take(&mut play.schedule.rounds) {
        play = Box::pin(play.round(&round)).await;
    }
    Box::pin(play.end()).await;
}

async fn watch(client: &mut Client, sync_log_id: i64) -> SyncProgress {
    let stream = client.watch_sync(WatchSyncRequest { sync_log_id }).await.unwrap().into_inner();
    collect(stream).await.unwrap().pop().unwrap()
}

fn full() -> SyncProductsRequest {
    SyncProductsRequest { sync_prices: true, ..Default::default() }
}

impl Play {
    async fn begin(plan: Plan, schedule: Schedule, seed: u64) -> Self {
        let (rate, single_token, envelope) = (schedule.rate, schedule.single_token, schedule.envelope);
        let plan = plan.products(schedule.products).sandbox(|options| {
            options.seed = seed;
            options.latency = schedule.latency;
            options.throttle = rate.map(|rate| rate + OWN_CALLS);
            options.single_token = single_token;
            options.envelope = envelope;
        });
        let world = plan
            .settings(|settings| {
                settings.upstream_rate = rate.unwrap_or(0);
                settings.sync.batch_size = schedule.batch_size;
                settings.sync.calls_in_flight = schedule.calls_in_flight;
                settings.sync.flush_rows = 30;
                settings.sync.flush_interval = Duration::from_millis(5);
                settings.upstream.retry_base = Duration::from_millis(1);
                settings.upstream.retry_max = Duration::from_millis(5);
                settings.upstream.breaker_open = Duration::from_millis(50);
                // However much the catalogue changes: what is set aside is applied at the end of its run.
                settings.guard.delisted = 100;
                settings.guard.moved = 100;
            })
            .prepare()
            .await;
        let codes = world.haier.listed().await;
        let faults = json!(schedule.faults.iter().map(|fault| fault.body(&codes)).collect::<Vec<_>>());
        if !schedule.warm {
            world.haier.faults(&faults).await;
        }
        let mut replica = Replica::start(&world.settings).await;
        let mut first = Some(newest(&mut replica.client).await);
        if let Some(first) = first.take_if(|_| schedule.warm) {
            assert_eq!(watch(&mut replica.client, first).await.status(), SyncStatus::Success);
            world.haier.faults(&faults).await;
        }
        let poison = schedule.faults.iter().filter_map(|fault| fault.poison(&codes));
        let poison = poison.map(|(endpoint, code)| (endpoint, code.to_owned())).collect();
        let (former, gone) = (BTreeMap::new(), BTreeSet::new());
        Self { world, schedule, replica, poison, first, codes, former, gone, cancelled: None }
    }

    /// One run, disturbed and looked at.
    async fn round(mut self, round: &Round) -> Self {
        self.former.clear();
        let kind = if self.first.is_some() { Kind::Full { prices: true } } else { round.kind };
        let (request, asked) = self.request(kind).await;
        let id = match self.first.take() {
            Some(first) => first,
            None => self.ask(request).await,
        };
        if round.beside {
            let product_codes = self.codes.iter().rev().take(7).cloned().collect();
            self.ask(SyncProductsRequest { product_codes, ..full() }).await;
        }
        for disturbance in &round.disturbances {
            self.decided(id, disturbance.after).await;
            self = Box::pin(self.disturb(disturbance.what, id)).await;
        }
        self.settle().await;
        for log in self.logs().await {
            Ended::fetch(&mut self.replica.client, log.id).await.assert_adds_up();
        }
        let ended = Ended::fetch(&mut self.replica.client, id).await;
        if let Some(cancelled) = self.cancelled.take() {
            assert_eq!(ended.log, cancelled);
        }
        self.look(kind, &ended, &asked).await;
        if round.retry {
            self.retry(&ended).await;
        }
        self
    }

    /// Tries again what failed, undisturbed but under the same faults.
    async fn retry(&mut self, parent: &Ended) {
        let request = RetrySyncRequest { sync_log_id: parent.log.id };
        match self.replica.client.retry_sync(request).await {
            Ok(stream) => {
                let id = collect(stream.into_inner()).await.unwrap().pop().unwrap().sync_log_id;
                let ended = Ended::fetch(&mut self.replica.client, id).await;
                ended.assert_adds_up();
                ended.assert_retries(parent);
            }
            Err(status) => {
                assert_eq!(refusal(&status), (Code::FailedPrecondition, "NOTHING_TO_RETRY".to_owned()));
                assert!(parent.failures.is_empty(), "{:?}", parent.failures);
            }
        }
    }

    /// What a kind of run asks for, and the codes that it is about.
    async fn request(&mut self, kind: Kind) -> (SyncProductsRequest, BTreeSet<String>) {
        let some = |count: u64| -> Vec<String> { self.codes.iter().take(count as usize).cloned().collect() };
        let request = match kind {
            Kind::Full { prices } => SyncProductsRequest { sync_prices: prices, ..Default::default() },
            Kind::Codes { count, prices } => {
                let mut product_codes = some(count);
                product_codes.push(NOBODY_HAS.to_owned());
                SyncProductsRequest { product_codes, sync_prices: prices, ..Default::default() }
            }
            Kind::Prices => SyncProductsRequest { kind: SyncType::Prices.into(), ..Default::default() },
            Kind::Stock { count } => {
                let product_codes = some(count);
                SyncProductsRequest { kind: SyncType::Stock.into(), product_codes, ..Default::default() }
            }
        };
        let asked = match kind {
            Kind::Full { .. } => self.codes.clone(),
            Kind::Prices => self.stored().await,
            Kind::Codes { .. } | Kind::Stock { .. } => request.product_codes.clone(),
        };
        (request, asked.into_iter().collect())
    }

    async fn stored(&mut self) -> Vec<String> {
        let request = ListProductsRequest { page_size: 1_000, ..Default::default() };
        let answer = self.replica.client.list_products(request).await.unwrap().into_inner();
        answer.products.into_iter().map(|product| product.product_code).collect()
    }

    /// Starts a run. Of those over everything one goes on at a time: the one of the first start may be in the way.
    async fn ask(&mut self, request: SyncProductsRequest) -> i64 {
        loop {
            match self.replica.client.sync_products(request.clone()).await {
                Ok(stream) => {
                    return within(stream.into_inner().message()).await.unwrap().unwrap().sync_log_id;
                }
                Err(status) => {
                    assert_eq!(status.code(), Code::Aborted, "{status}");
                    self.settle().await;
                }
            }
        }
    }

    /// Waits until so many codes of a run are decided, or it has ended.
    async fn decided(&mut self, sync_log_id: i64, codes: i64) {
        let request = WatchSyncRequest { sync_log_id };
        let mut stream = self.replica.client.watch_sync(request).await.unwrap().into_inner();
        while let Some(progress) = within(stream.message()).await.unwrap() {
            if progress.success_count + progress.failed_count >= codes {
                return;
            }
        }
    }

    async fn logs(&mut self) -> Vec<SyncLog> {
        let request = ListSyncLogsRequest { page_size: 1_000, ..Default::default() };
        self.replica.client.list_sync_logs(request).await.unwrap().into_inner().sync_logs
    }

    /// Waits until no run is open.
    async fn settle(&mut self) {
        for log in self.logs().await.iter().filter(|log| log.status <= SyncStatus::Processing as i32) {
            watch(&mut self.replica.client, log.id).await;
        }
    }

    async fn disturb(mut self, what: What, id: i64) -> Self {
        // A lease that has run out is written down, not waited for.
        let forgotten = "UPDATE sync_runs SET lease_until = NULL";
        match what {
            What::Restart => {
                self.replica.stop().await;
                self.replica = Replica::start(&self.world.settings).await;
            }
            What::Crash => {
                self.replica.vanish().await;
                self.world.database.execute(forgotten).await.unwrap();
                self.replica = Replica::start(&self.world.settings).await;
            }
            What::Steal => {
                let stolen = "UPDATE sync_runs SET lease_until = NULL, epoch = epoch + 1";
                self.world.database.execute(stolen).await.unwrap();
                // Rings the bell: the runner looks for work at once, and finds the stolen run first.
                let product_codes = vec![self.codes[0].clone()];
                self.ask(SyncProductsRequest { product_codes, ..Default::default() }).await;
            }
            What::Change => self.change().await,
            What::Cancel => {
                let request = CancelSyncRequest { sync_log_id: id };
                let log = within(self.replica.client.cancel_sync(request)).await.unwrap().into_inner();
                // It may have ended a moment before; either way nothing moves it any more.
                assert!(log.status > SyncStatus::Processing as i32, "{log:?}");
                self.cancelled = Some(log);
            }
        }
        self
    }

    async fn change(&mut self) {
        let moved: Vec<String> = self.codes.iter().step_by(9).cloned().collect();
        let gone = self.codes.pop().unwrap();
        let mut prices = json!({});
        for code in &moved {
            let shown = self.world.haier.show(code).await;
            let versions = self.former.entry(code.clone()).or_default();
            versions.push(shown);
            prices[code] = json!({ "supplyPrice": format!("{}.25", 4_000 + versions.len()) });
        }
        let change = json!({ "prices": prices, "withdraw": [gone], "add": 1 });
        let answer = self.world.haier.change(change).await;
        let added = answer["added"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned);
        self.codes.splice(0..0, added);
        self.gone.insert(gone);
    }

    /// What a run that completed has said must be so.
    async fn look(&mut self, kind: Kind, ended: &Ended, asked: &BTreeSet<String>) {
        let changed = !self.former.is_empty();
        if ended.completed() && !changed && self.gone.is_empty() {
            // Each code was decided, and once.
            assert_eq!(ended.log.total_count, asked.len() as i64, "{:?}", ended.log);
        }
        let poison = self.poison.iter().filter(|(endpoint, _)| kind.asks(endpoint));
        let poison = poison.map(|(_, code)| code.as_str()).collect();
        ended.assert_names_poison(&poison, asked);
        let by_catalogue = matches!(kind, Kind::Full { .. } | Kind::Prices);
        if self.schedule.passing && by_catalogue && !changed && ended.log.end_reason != "CANCELLED" {
            ended.assert_whole(&poison);
        }
        let prices =
            matches!(kind, Kind::Full { prices: true } | Kind::Codes { prices: true, .. } | Kind::Prices);
        if ended.completed() && !matches!(kind, Kind::Stock { .. }) {
            let failed = ended.failed();
            let right = |code: &&String| !failed.contains(code.as_str()) && !self.gone.contains(*code);
            let right: Vec<String> = asked.iter().filter(right).cloned().collect();
            let step = right.len().div_ceil(SAMPLE).max(1);
            self.compare(right.into_iter().step_by(step).collect(), prices).await;
        }
    }

    async fn compare(&mut self, product_codes: Vec<String>, prices: bool) {
        if product_codes.is_empty() {
            return;
        }
        let request = GetProductsRequest { product_codes, ..Default::default() };
        let answer = self.replica.client.get_products(request).await.unwrap().into_inner();
        assert!(answer.missing_codes.is_empty(), "not stored: {:?}", answer.missing_codes);
        for stored in &answer.products {
            let mut versions = self.former.remove(&stored.product_code).unwrap_or_default();
            versions.push(self.world.haier.show(&stored.product_code).await);
            assert_served(stored, &versions, prices);
        }
    }

    /// The outage is over: a full sync brings everything, and nothing is left behind.
    async fn end(mut self) {
        self.settle().await;
        self.world.haier.clear_faults().await;
        let mut end = SyncProgress::default();
        for _ in 0..3 {
            // A call that was held back when the outage ended still fails, and whoever shares its token with it.
            let id = self.ask(full()).await;
            end = watch(&mut self.replica.client, id).await;
            if end.status() == SyncStatus::Success {
                break;
            }
        }
        assert_eq!(
            (end.status(), end.success_count),
            (SyncStatus::Success, self.codes.len() as i64),
            "{}",
            end.message
        );
        assert_tidy(&mut self.replica.client, &self.world.database).await;
        self.assert_within_rate().await;
        self.assert_all_served().await;
        self.replica.stop().await;
        self.world.finish_leaving_open().await;
    }

    async fn assert_all_served(&mut self) {
        let served = self.world.haier.served().await;
        assert_eq!(served.len(), self.codes.len());
        let product_codes = served.keys().cloned().collect();
        let request = GetProductsRequest { product_codes, ..Default::default() };
        let answer = self.replica.client.get_products(request).await.unwrap().into_inner();
        assert!(answer.missing_codes.is_empty(), "not stored: {:?}", answer.missing_codes);
        for stored in &answer.products {
            assert_served(stored, std::slice::from_ref(&served[&stored.product_code]), true);
        }
    }

    async fn assert_within_rate(&self) {
        if let Some(rate) = self.schedule.rate {
            let stats = self.world.haier.stats().await;
            assert_eq!(stats["rejected"], 0, "{stats}");
            let most = stats["max_in_any_second"]["openplat"].as_u64().unwrap();
            assert!(most <= u64::from(rate + OWN_CALLS), "{most} calls in a second, {rate} are allowed");
        }
    }
}

async fn newest(client: &mut Client) -> i64 {
    let logs = client.list_sync_logs(ListSyncLogsRequest::default()).await.unwrap().into_inner();
    logs.sync_logs[0].id
}
