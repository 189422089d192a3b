//! Plays a schedule.

mod end;
mod people;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use haier_integration::{
    app::{NewHaierConfig, OrderSettings, OrderWish},
    domain::{
        accounts::{AccountDraft, Field},
        clock::Clock as _,
        orders::plan::PushRules,
        violations::Violations,
    },
    keyring::{Document, KeyRing},
    sandbox::{CALLBACK_APPS, CALLBACK_SECRET, CUSTOMER_CODES, CallbackOrderKey, Options},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    clock::Turned,
    haiers::Haiers,
    on_sale,
    opener::Gate,
    replica::{House, Log, Replica, operator},
    schedule::{Act, Blow, Schedule},
};
use crate::{
    orders::PERSONAL,
    support::{Asker, Plan, within},
};

const ACCOUNTS: [&str; 2] = ["first", "second"];
const DOUBT_WAIT: TimeDelta = TimeDelta::seconds(60);
/// The last second of 2026-01-01 in Shanghai.
const END_OF_DAY: i64 = 1_767_283_199;
/// How long somebody may be busy before time is turned on a little: he may wait for just that.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(super) struct Play {
    seed: u64,
    schedule: Schedule,
    asker: Asker,
    haier: Haiers,
    pub(super) house: House,
    replicas: Vec<Replica>,
    product_code: String,
    /// Numbers that a client was told are accepted.
    accepted: Arc<Mutex<BTreeSet<String>>>,
    /// Clients that still wait.
    clients: JoinSet<()>,
    active: usize,
}

pub(super) async fn play(plan: Plan, seed: u64) {
    // A file has one process.
    let most = if plan.database.is_postgres() { 3 } else { 1 };
    let mut play = Box::pin(Play::begin(plan, Schedule::draw(seed, most), seed)).await;
    for act in play.schedule.acts.clone() {
        Box::pin(play.act(act)).await;
    }
    Box::pin(play.end()).await;
}

impl Play {
    pub(super) async fn begin(plan: Plan, schedule: Schedule, seed: u64) -> Self {
        let haier = Haiers::start(Options {
            addr: ([127, 0, 0, 1], 0).into(),
            products: 45,
            seed,
            throttle: None,
            callback_delay: Duration::from_millis(schedule.callback_delay_ms),
            callback_order_key: match schedule.by_online_no {
                true => CallbackOrderKey::OnlineNo,
                false => CallbackOrderKey::SoId,
            },
            ..Options::default()
        })
        .await;
        let clock = Arc::new(Turned::new());
        let keys = Document::generate(clock.now()).unwrap();
        let database = plan.database;
        let house = House {
            database: database.clone(),
            clock,
            gate: Gate::new(),
            ring: Arc::new(KeyRing::from_text(&keys.to_text()).unwrap()),
            log: Log::default(),
            orders: OrderSettings {
                rules: PushRules {
                    schedule: [1, 5, 60, 300].map(TimeDelta::seconds).to_vec(),
                    doubt_wait: DOUBT_WAIT,
                    deadline: TimeDelta::seconds(schedule.deadline),
                },
                calls_in_flight: 4,
                lease: TimeDelta::seconds(30),
                heartbeat: TimeDelta::seconds(10),
                unconfirmed_after: TimeDelta::days(1),
            },
            breaker_failures: schedule.breaker_failures,
        };
        house.migrate().await;
        let mut replicas = Vec::new();
        for _ in 0..schedule.replicas {
            replicas.push(Replica::start(&house).await);
        }
        let product_code = on_sale(haier.of_account(0)).await;
        let asker = database.asker().await;
        let (accepted, clients) = (Arc::default(), JoinSet::new());
        let play = Self {
            seed,
            schedule,
            asker,
            haier,
            house,
            replicas,
            product_code,
            accepted,
            clients,
            active: 0,
        };
        play.store_accounts().await;
        play.haier.call_back(&play.replicas[0].callback_url).await;
        let mut faults = play.schedule.faults.clone();
        faults.extend(play.lasting_fault());
        play.haier.faults(&json!(faults)).await;
        play
    }

    /// Two sellers at two order systems, of whom the first is active.
    async fn store_accounts(&self) {
        for (at, name) in ACCOUNTS.into_iter().enumerate() {
            let base_url = self.haier.of_account(at).base_url();
            let mut draft = AccountDraft::default();
            for field in Field::ALL.iter().copied().filter(|field| field.is_required()) {
                let value = match field {
                    Field::BaseUrl | Field::YlhBaseUrl => &base_url,
                    Field::CustomerCode => CUSTOMER_CODES[at],
                    Field::YlhSourceSystem => "shop",
                    Field::YlhShopName => "测试旗舰店",
                    Field::YlhCallbackAppKey => CALLBACK_APPS[at],
                    Field::YlhCallbackSecret => CALLBACK_SECRET,
                    _ => "sandbox",
                };
                draft.set(field, value);
            }
            let new = NewHaierConfig { name: name.to_owned(), draft, preset: None };
            let app = Arc::clone(&self.replicas[0].app);
            let stored =
                async move { app.haier_config_create(&operator(), new, Violations::default(), false).await };
            within(self.replicas[0].ask(stored)).await.unwrap().unwrap();
        }
        self.activate(&self.replicas[0], ACCOUNTS[0]).await;
        // The others hear of it within a second.
        self.house.clock.turn(TimeDelta::seconds(2));
        for replica in &self.replicas {
            let app = Arc::clone(&replica.app);
            within(replica.ask(async move { app.upstreams_follow().await })).await.unwrap().unwrap();
        }
    }

    async fn activate(&self, replica: &Replica, name: &'static str) {
        let app = Arc::clone(&replica.app);
        let activated = async move { app.haier_config_activate(&operator(), name, "", false).await };
        within(replica.ask(activated)).await.unwrap().unwrap();
    }

    /// Each account gets the other one's name, as if both had been deleted and made again.
    async fn rename(&self) {
        let [first, second] = ACCOUNTS;
        let renamed = [(first, "neither"), (second, first), ("neither", second)].map(|(from, to)| {
            format!("UPDATE haier_configs SET name = '{to}', version = version + 1 WHERE name = '{from}';")
        });
        // At once: a replica that looks in between must not send anything under a name that is gone a moment later.
        let renamed = format!("BEGIN; {} COMMIT;", renamed.concat());
        self.house.database.execute(&renamed).await.unwrap();
    }

    fn lasting_fault(&self) -> Option<Value> {
        let so_id = self.so_id(0);
        self.schedule.lasting.then(|| json!({ "kind": "server_error", "endpoint": "Y1", "so_id": so_id }))
    }

    fn so_id(&self, order: usize) -> String {
        format!("CH-{}-{order}", self.seed)
    }

    pub(super) async fn act(&mut self, act: Act) {
        match act {
            Act::Push { order, replica, wait } => {
                let wait = if wait { TimeDelta::seconds(1) } else { TimeDelta::zero() };
                self.push(order, self.awake(replica), wait).await;
            }
            Act::PushTwice { order, replica } => {
                let (one, other) = (self.awake(replica), self.awake(replica + 1));
                let pushes = [one, other].map(|replica| self.push(order, replica, TimeDelta::zero()));
                join_all(pushes).await;
            }
            Act::PushOther { order, replica } => self.push_other(order, self.awake(replica)).await,
            Act::Hit { order, replica, fault, blow } => self.hit(order, replica, fault, blow).await,
            Act::Strike { replica, blow } => self.strike(self.awake(replica), blow).await,
            Act::GoOn => self.replicas.iter_mut().for_each(Replica::go_on),
            Act::Cancel { order, replica } => {
                let reason = format!("{} 不想要了，电话 {}", PERSONAL[0], PERSONAL[1]);
                self.wish(order, replica, OrderWish::Cancel { reason }).await;
            }
            Act::Reschedule { order, replica, days } => {
                let distribution_time = DateTime::from_timestamp(END_OF_DAY + days * 86_400, 0);
                let wish = OrderWish::Reschedule { distribution_time, install_time: None };
                self.wish(order, replica, wish).await;
            }
            Act::Retry { order, replica } => self.wish(order, replica, OrderWish::Retry).await,
            Act::Resolve { order, replica } => self.resolve(order, replica).await,
            Act::Turn { seconds } => self.house.clock.turn(TimeDelta::seconds(seconds)),
            Act::Quiet => self.quiet().await,
            Act::Pause { replica } => self.pause(replica).await,
            Act::Resume { replica } => self.resume(replica).await,
            Act::Defer { replica, seconds } => {
                self.pause(replica).await;
                self.house.clock.turn(TimeDelta::seconds(seconds));
                self.resume(replica).await;
            }
            Act::Switch { replica } => {
                self.active = 1 - self.active;
                self.activate(&self.replicas[self.awake(replica)], ACCOUNTS[self.active]).await;
            }
            Act::Rename => self.rename().await,
            Act::CallBack => self.haier.settle_callbacks().await,
            Act::ArriveLate => self.haier.settle_orders().await,
            Act::Fault(fault) => self.haier.fault(fault).await,
            Act::Heal => self.heal().await,
        }
    }

    /// This replica, or the next one that is not stopped.
    fn awake(&self, replica: usize) -> usize {
        let all = (0..self.replicas.len()).map(|more| (replica + more) % self.replicas.len());
        all.into_iter().find(|at| !self.replicas[*at].is_stopped()).expect("one always goes on")
    }

    /// A push that Haier has in hand is struck down on our side.
    async fn hit(&mut self, order: usize, replica: usize, fault: &str, blow: Blow) {
        let (at, so_id) = (self.awake(replica), self.so_id(order));
        let fault = json!({ "kind": fault, "endpoint": "Y1", "so_id": so_id, "count": 1, "delay_ms": 60 });
        self.haier.fault(fault).await;
        let before = self.received(&so_id).await;
        self.push(order, at, TimeDelta::zero()).await;
        let mut sleepers = self.house.clock.sleepers();
        within(async {
            while self.received(&so_id).await == before && self.busy().await {
                // Not everybody may have heard yet that new orders are paused.
                if tokio::time::timeout(LOOK_AGAIN, sleepers.changed()).await.is_err() {
                    self.house.clock.turn(TimeDelta::seconds(1));
                }
            }
        })
        .await;
        self.strike(at, blow).await;
    }

    async fn received(&self, so_id: &str) -> u64 {
        self.haier.orders().await["received"][so_id].as_u64().unwrap_or(0)
    }

    async fn strike(&mut self, at: usize, blow: Blow) {
        match blow {
            Blow::Kill { seconds } => {
                self.replicas.remove(at).kill(&self.house.clock).await;
                self.house.clock.turn(TimeDelta::seconds(seconds));
                self.begin_again(at).await;
            }
            Blow::Drain => {
                self.replicas.remove(at).drain(&self.house.clock).await;
                self.begin_again(at).await;
            }
            Blow::Stop => {
                if self.replicas.iter().filter(|replica| !replica.is_stopped()).count() > 1 {
                    self.replicas[at].stop();
                }
            }
        }
        // Callbacks find one that answers, as those to a service of several replicas do.
        let awake = &self.replicas[self.awake(at)];
        self.haier.call_back(&awake.callback_url).await;
    }

    async fn begin_again(&mut self, at: usize) {
        let replica = Replica::start(&self.house).await;
        self.replicas.insert(at, replica);
    }

    async fn heal(&self) {
        self.haier.clear_faults().await;
        if let Some(lasting) = self.lasting_fault() {
            self.haier.fault(lasting).await;
        }
    }

    /// Whether somebody who is awake works on an order, could take one, or has a callback to apply.
    async fn busy(&self) -> bool {
        let awake: Vec<&Replica> = self.replicas.iter().filter(|replica| !replica.is_stopped()).collect();
        // Nothing may be left to do with an order of which a callback told before its push was answered.
        if awake.iter().any(|replica| replica.app.orders_in_hand() > 0) {
            return true;
        }
        let workers: Vec<String> = awake.iter().map(|replica| format!("'{}'", replica.worker)).collect();
        let (workers, now) = (workers.join(", "), instant(self.house.clock.now()));
        let paused = self.replicas[self.awake(0)].app.pauses_in_force();
        let steps = if paused.is_empty() { "'push', 'change'" } else { "'change'" };
        let sql = format!(
            "SELECT (SELECT count(*) FROM order_pushes \
                     WHERE lease_until >= '{now}' AND worker IN ({workers}) \
                        OR (lease_until IS NULL OR lease_until < '{now}') AND next_attempt_at <= '{now}' \
                           AND step IN ({steps})) + \
                    (SELECT count(*) FROM callbacks WHERE applied_at IS NULL AND parked_at IS NULL) + \
                    (SELECT count(*) FROM unnumbered_order_changes)"
        );
        self.asker.number(&sql).await > 0
    }

    /// Returns when nothing can be done before time passes.
    async fn quiet(&self) {
        let mut sleepers = self.house.clock.sleepers();
        within(async {
            while self.busy().await {
                // Whoever has done something goes to sleep; whoever sleeps too long is woken.
                if tokio::time::timeout(LOOK_AGAIN, sleepers.changed()).await.is_err() {
                    self.house.clock.turn(TimeDelta::seconds(1));
                }
            }
        })
        .await;
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
