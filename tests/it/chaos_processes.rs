//! Chaos among real processes: replicas of the service on one PostgreSQL are killed, stopped and continued while they sync
//! from a sandbox that misbehaves, each schedule drawn from a seed; afterwards everything that was promised must hold.
//!
//! `HAIER_CHAOS_PROCESS_SCHEDULES=100` plays more of them, `HAIER_CHAOS_SEED=7` that one alone. A seed repeats what is done
//! to whom and when, not what the machine makes of it.

use std::time::Duration;

use haier_integration::proto::{
    GetProductsRequest, ListSyncLogsRequest, SyncLog, SyncProductsRequest, SyncStatus, WatchSyncRequest,
};
use serde_json::{Value, json};

use crate::{
    chaos::{
        invariants::{Ended, assert_served, assert_tidy},
        play_each, seeds,
    },
    processes::Running,
    support::{Backend, Client, Dice, Haier, Plan, collect, run, within},
};

/// Schedules when nothing else is said.
const USUAL: u64 = 15;
/// Test functions the schedules are dealt to.
const SHARES: u64 = 5;

macro_rules! shares {
    ($($name:ident = $share:literal),+ $(,)?) => {$(
        #[test]
        fn $name() {
            play_share($share);
        }
    )+};
}

shares!(
    replicas_keep_every_promise_under_seeds_0_5_10 = 0,
    replicas_keep_every_promise_under_seeds_1_6_11 = 1,
    replicas_keep_every_promise_under_seeds_2_7_12 = 2,
    replicas_keep_every_promise_under_seeds_3_8_13 = 3,
    replicas_keep_every_promise_under_seeds_4_9_14 = 4,
);

fn play_share(share: u64) {
    let seeds = seeds("HAIER_CHAOS_PROCESS_SCHEDULES", "HAIER_CHAOS_SEED", USUAL);
    let seeds = seeds.filter(|seed| seed % SHARES == share);
    play_each(seeds, 1, "HAIER_CHAOS_SEED", "test(/^chaos_processes::/)", |seed| {
        run(Backend::Postgres, move |plan| Box::pin(play(plan, seed)))
    });
}

/// Everything that is drawn before the play begins.
struct Schedule {
    products: u64,
    replicas: u64,
    batch_size: u64,
    faults: Value,
    acts: Vec<Act>,
}

/// What is done to one of the replicas.
struct Act {
    /// Since the act before: the replicas must have time to get somewhere, and how far they get is the point.
    pause: Duration,
    replica: usize,
    what: What,
}

enum What {
    /// `kill -9`, and a new process in its place.
    Kill,
    /// SIGSTOP to all others, and SIGCONT after so long: mostly longer than the lease of a second, so that this one takes
    /// over, and whoever worked before wakes to a run that is no longer its own.
    StopOthers(Duration),
    /// SIGTERM, and a new process in its place.
    Replace,
    /// A run by codes is asked of it.
    Ask,
}

impl Schedule {
    fn draw(seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let replicas = dice.between(2, 4);
        let slow = json!({ "kind": "latency", "endpoint": "H2", "delay_ms": dice.between(15, 31) });
        let mut faults = vec![slow];
        for _ in 0..dice.between(1, 4) {
            let kind = dice.pick(&[
                "server_error",
                "throttled_without_retry_after",
                "reset_before",
                "reset_after",
                "lost_answer",
                "html",
                "error_body",
                "truncated_json",
            ]);
            let probability = dice.between(2, 15) as f64 / 100.0;
            faults.push(json!({ "kind": kind, "endpoint": "H2", "probability": probability }));
        }
        if dice.one_in(3) {
            faults.push(json!({ "kind": "unauthorized", "endpoint": "H2", "count": 2, "after_calls": 10 }));
        }
        let acts = (0..dice.between(3, 6)).map(|_| Act::draw(dice, replicas)).collect();
        Self {
            products: dice.between(250, 450),
            replicas,
            batch_size: dice.between(4, 9),
            faults: json!(faults),
            acts,
        }
    }
}

impl Act {
    fn draw(dice: &mut Dice, replicas: u64) -> Self {
        let what = match dice.between(0, 8) {
            0..=2 => What::Kill,
            3..=5 => What::StopOthers(Duration::from_millis(dice.between(500, 2_500))),
            6 => What::Replace,
            _ => What::Ask,
        };
        let pause = Duration::from_millis(dice.between(100, 500));
        Self { pause, replica: dice.between(0, replicas) as usize, what }
    }
}

struct Play {
    plan: Plan,
    haier: Haier,
    batch_size: String,
    replicas: Vec<(Running, Client)>,
}

async fn play(plan: Plan, seed: u64) {
    let schedule = Schedule::draw(seed);
    let (products, seed) = (schedule.products.to_string(), seed.to_string());
    let (_sandbox, haier) =
        Running::sandbox_with(plan.database.folder(), &["--products", &products, "--seed", &seed]);
    haier.faults(&schedule.faults).await;
    let batch_size = schedule.batch_size.to_string();
    let mut play = Play { plan, haier, batch_size, replicas: Vec::new() };
    for _ in 0..schedule.replicas {
        let replica = play.replica().await;
        play.replicas.push(replica);
    }
    for act in &schedule.acts {
        tokio::time::sleep(act.pause).await;
        play.act(act).await;
    }
    play.end().await;
}

impl Play {
    async fn replica(&self) -> (Running, Client) {
        let mut command = Running::service(&self.plan, &self.haier);
        command.env("HAIER_INTEGRATION_SYNC_BATCH_SIZE", &self.batch_size);
        let mut running = Running::start(command);
        let client = running.client().await;
        (running, client)
    }

    async fn act(&mut self, act: &Act) {
        match act.what {
            What::Kill => {
                self.replicas.remove(act.replica).0.kill();
                let replica = self.replica().await;
                self.replicas.insert(act.replica, replica);
            }
            What::Replace => {
                let (running, client) = self.replicas.remove(act.replica);
                drop(client);
                assert_eq!(running.terminate().await, Some(0));
                let replica = self.replica().await;
                self.replicas.insert(act.replica, replica);
            }
            What::StopOthers(time) => {
                let others = || {
                    let all = self.replicas.iter().enumerate();
                    all.filter(|(at, _)| *at != act.replica).map(|(_, (running, _))| running)
                };
                others().for_each(|running| running.signal("-STOP"));
                tokio::time::sleep(time).await;
                others().for_each(|running| running.signal("-CONT"));
            }
            What::Ask => {
                let product_codes = self.haier.listed().await.into_iter().step_by(11).collect();
                let request = SyncProductsRequest { product_codes, sync_prices: true, ..Default::default() };
                let stream = self.replicas[act.replica].1.sync_products(request).await.unwrap();
                within(stream.into_inner().message()).await.unwrap().unwrap();
            }
        }
    }

    async fn logs(&mut self) -> Vec<SyncLog> {
        let request = ListSyncLogsRequest { page_size: 1_000, ..Default::default() };
        self.replicas[0].1.list_sync_logs(request).await.unwrap().into_inner().sync_logs
    }

    /// Every run ends by itself; then a sync without faults brings everything, and nothing is left behind.
    async fn end(mut self) {
        for log in self.logs().await {
            let request = WatchSyncRequest { sync_log_id: log.id };
            collect(self.replicas[0].1.watch_sync(request).await.unwrap().into_inner()).await.unwrap();
        }
        for log in self.logs().await {
            let ended = Ended::fetch(&mut self.replicas[0].1, log.id).await;
            ended.assert_adds_up();
            // Nothing but prices was disturbed: every code was heard of, and decided once.
            assert!(!ended.completed() || log.total_count > 0, "{log:?}");
        }
        self.haier.clear_faults().await;
        let served = self.haier.served().await;
        let last = self.replicas.last_mut().unwrap();
        let request = SyncProductsRequest { sync_prices: true, ..Default::default() };
        let stream = last.1.sync_products(request).await.unwrap().into_inner();
        let end = collect(stream).await.unwrap().pop().unwrap();
        assert_eq!(
            (end.status(), end.success_count),
            (SyncStatus::Success, served.len() as i64),
            "{}",
            end.message
        );
        let product_codes = served.keys().cloned().collect();
        let request = GetProductsRequest { product_codes, ..Default::default() };
        let answer = last.1.get_products(request).await.unwrap().into_inner();
        assert!(answer.missing_codes.is_empty(), "not stored: {:?}", answer.missing_codes);
        for stored in &answer.products {
            assert_served(stored, std::slice::from_ref(&served[&stored.product_code]), true);
        }
        assert_tidy(&mut last.1, &self.plan.database).await;
        for (running, client) in self.replicas {
            drop(client);
            assert_eq!(running.terminate().await, Some(0));
        }
    }
}
