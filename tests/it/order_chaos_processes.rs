//! Chaos around orders among real processes: services are killed, stopped, continued and replaced while clients push to
//! them and a stand-in of its own process misbehaves, each schedule drawn from a seed; afterwards everything that
//! `order_chaos` promises must hold. On SQLite, whose file has one process, one service at a time.
//!
//! `HAIER_ORDER_CHAOS_PROCESS_SCHEDULES=100` plays more of them on each database, `HAIER_ORDER_CHAOS_SEED=7` that one
//! alone. A seed repeats what is done to whom and when, not what the machine makes of it.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use chrono::TimeDelta;
use haier_integration::{
    app::SystemClock,
    domain::clock::Clock as _,
    keyring::Document,
    proto::{CancelOrderRequest, PushOrderRequest},
};
use serde_json::{Value, json};
use tonic::Code;
use url::Url;

use crate::{
    chaos::{play_each, seeds, shares},
    order_chaos::invariants::Left,
    orders::{killed::service, order},
    processes::Running,
    support::{Asker, Backend, Client, Dice, Haier, Plan, Wire, run, within},
};

/// Schedules a database when nothing else is said.
const USUAL: u64 = 8;
/// Test functions the schedules are dealt to.
const SHARES: u64 = 2;
/// What the service is told, and never less than the limit of a request.
const DOUBT_WAIT: TimeDelta = TimeDelta::milliseconds(500);

shares!(orders_are_there_once_under_even_seeds = 0, orders_are_there_once_under_odd_seeds = 1);

fn play_share(backend: Backend, share: u64) {
    let seeds = seeds("HAIER_ORDER_CHAOS_PROCESS_SCHEDULES", "HAIER_ORDER_CHAOS_SEED", USUAL);
    let seeds = seeds.filter(|seed| seed % SHARES == share);
    let test = format!("test(/^order_chaos_processes::.*{backend:?}/i)");
    play_each(seeds, 1, "HAIER_ORDER_CHAOS_SEED", &test, |seed| {
        run(backend, move |plan| Box::pin(play(plan, seed)))
    });
}

/// What is done, one after the other.
enum Act {
    /// A client pushes an order and hears that it is accepted.
    Push {
        replica: usize,
    },
    /// The same, and a blow falls while Haier has it in hand.
    Hit {
        replica: usize,
        fault: &'static str,
        blow: Blow,
    },
    Strike {
        replica: usize,
        blow: Blow,
    },
    Cancel {
        replica: usize,
        order: usize,
    },
}

#[derive(Clone, Copy)]
enum Blow {
    /// `kill -9`, and a new process in its place.
    Kill,
    /// SIGTERM, and a new process in its place.
    Replace,
    /// SIGSTOP, and SIGCONT after so long: mostly longer than the lease of a second, so that another one takes over.
    Stop(Duration),
    /// Its connections to the database stay open and nothing passes on them any more; new ones pass. On SQLite, which has none,
    /// `kill -9`.
    Silence,
}

impl Blow {
    fn draw(dice: &mut Dice) -> Self {
        match dice.between(0, 7) {
            0..=2 => Self::Kill,
            3 => Self::Replace,
            4 => Self::Silence,
            _ => Self::Stop(Duration::from_millis(dice.between(300, 1_800))),
        }
    }
}

fn acts(dice: &mut Dice, replicas: u64) -> Vec<Act> {
    let mut orders = 0;
    let mut acts = Vec::new();
    for _ in 0..dice.between(4, 8) {
        let replica = dice.between(0, replicas) as usize;
        let act = match dice.between(0, 8) {
            0 | 1 => Act::Push { replica },
            2..=4 => {
                let fault = dice.pick(&["hang", "booked_then_hang", "latency"]);
                Act::Hit { replica, fault, blow: Blow::draw(dice) }
            }
            5 if orders > 0 => Act::Cancel { replica, order: dice.between(0, orders) as usize },
            _ => Act::Strike { replica, blow: Blow::draw(dice) },
        };
        orders += u64::from(matches!(act, Act::Push { .. } | Act::Hit { .. }));
        acts.push(act);
    }
    acts
}

fn faults(dice: &mut Dice) -> Value {
    let faults = (0..dice.between(1, 5)).map(|_| {
        let kind = dice.pick(&[
            "server_error",
            "html",
            "reset_before",
            "reset_after",
            "lost_answer",
            "truncated_json",
            "unauthorized",
            "booked_then_error",
            "booked_late",
            "duplicate",
            "reversed",
            "early",
        ]);
        let count = dice.between(1, 4);
        match kind {
            "booked_late" => json!({ "kind": kind, "endpoint": "Y1", "count": count, "delay_ms": 300 }),
            _ => json!({ "kind": kind, "endpoint": "Y1", "count": count }),
        }
    });
    json!(faults.collect::<Vec<_>>())
}

struct Replica {
    running: Running,
    client: Client,
    callback_url: String,
    /// Between it and its database, where that is reached by one.
    wire: Option<Wire>,
}

struct Play {
    plan: Plan,
    seed: u64,
    haier: Haier,
    keys: Document,
    log: PathBuf,
    code: String,
    asker: Option<Asker>,
    replicas: Vec<Replica>,
    /// Numbers of the orders that were pushed so far; every one of them is accepted in the end.
    pushed: Vec<String>,
}

async fn play(plan: Plan, seed: u64) {
    let dice = &mut Dice::new(seed);
    let replicas = if plan.database.is_postgres() { dice.between(2, 4) } else { 1 };
    let products = ["--products", "45", "--callback-delay", "20ms", "--seed", &seed.to_string()];
    let (_sandbox, haier) = Running::sandbox_with(plan.database.folder(), &products);
    let keys = Document::generate(SystemClock::new().now()).unwrap();
    let log = plan.database.folder().join("services.log");
    let code = crate::order_chaos::on_sale(&haier).await;
    let (replicas_of, pushed) = (Vec::new(), Vec::new());
    let mut play = Play { plan, seed, haier, keys, log, code, asker: None, replicas: replicas_of, pushed };
    for _ in 0..replicas {
        let replica = play.replica().await;
        play.replicas.push(replica);
    }
    play.asker = Some(play.plan.database.asker().await);
    play.haier.call_back(&play.replicas[0].callback_url).await;
    play.haier.faults(&faults(dice)).await;
    for act in acts(dice, replicas) {
        play.act(act).await;
    }
    Box::pin(play.end()).await;
}

impl Play {
    async fn replica(&self) -> Replica {
        let mut command = service(&self.plan, &self.haier, &self.keys, &self.log);
        command
            .env("HAIER_INTEGRATION_UPSTREAM_REQUEST_TIMEOUT", "400ms")
            .env("HAIER_INTEGRATION_UPSTREAM_BREAKER_FAILURES", "1000")
            // A database that is silent is noticed sooner.
            .env("HAIER_INTEGRATION_HEALTH_INTERVAL", "1s");
        let mut wire = None;
        if self.plan.database.is_postgres() {
            let mut address = Url::parse(&self.plan.database.address).unwrap();
            let to = wire.insert(Wire::to(address.port().unwrap()).await);
            address.set_port(Some(to.port())).unwrap();
            command.env("HAIER_INTEGRATION_DATABASE_URL", address.as_str());
        }
        let mut running = Running::start(command);
        let client = running.client().await;
        let callback_url = running.told("callbacks ");
        Replica { running, client, callback_url, wire }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Push { replica } => self.push(replica).await,
            Act::Hit { replica, fault, blow } => {
                let so_id = format!("CP-{}-{}", self.seed, self.pushed.len());
                let fault =
                    json!({ "kind": fault, "endpoint": "Y1", "so_id": so_id, "count": 1, "delay_ms": 300 });
                self.haier.fault(fault).await;
                self.push(replica).await;
                within(async { while !self.arrived(&so_id).await {} }).await;
                self.strike(replica, blow).await;
            }
            Act::Strike { replica, blow } => self.strike(replica, blow).await,
            Act::Cancel { replica, order } => {
                let request = CancelOrderRequest {
                    so_id: self.pushed[order].clone(),
                    reason: "不想要了".to_owned(),
                };
                // What cannot be cancelled any more is refused, and that is all.
                let _ = within(self.replicas[replica].client.cancel_order(request)).await;
            }
        }
    }

    async fn push(&mut self, replica: usize) {
        let so_id = format!("CP-{}-{}", self.seed, self.pushed.len());
        self.pushed.push(so_id.clone());
        self.push_again(replica, &so_id).await;
    }

    async fn push_again(&mut self, replica: usize, so_id: &str) {
        let request = PushOrderRequest { order: Some(order(so_id, &self.code)), wait: None };
        // Without its database a replica says so, and the client asks again.
        while let Err(status) = within(self.replicas[replica].client.push_order(request.clone())).await {
            assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status:?}");
        }
    }

    async fn arrived(&self, so_id: &str) -> bool {
        !self.haier.orders().await["received"][so_id].is_null()
    }

    async fn strike(&mut self, at: usize, blow: Blow) {
        match (blow, &self.replicas[at].wire) {
            (Blow::Silence, Some(wire)) => wire.silence_old(),
            (Blow::Kill | Blow::Silence, _) => {
                self.replicas.remove(at).running.kill();
                let replica = self.replica().await;
                self.replicas.insert(at, replica);
            }
            (Blow::Replace, _) => {
                let Replica { running, client, .. } = self.replicas.remove(at);
                drop(client);
                assert_eq!(running.terminate().await, Some(0));
                let replica = self.replica().await;
                self.replicas.insert(at, replica);
            }
            (Blow::Stop(time), _) => {
                self.replicas[at].running.signal("-STOP");
                tokio::time::sleep(time).await;
                self.replicas[at].running.signal("-CONT");
            }
        }
        self.haier.call_back(&self.replicas[at].callback_url).await;
    }

    /// Nothing goes wrong any more; every order is pushed once more, and what is left when nothing moves is judged.
    async fn end(mut self) {
        self.haier.clear_faults().await;
        for so_id in self.pushed.clone() {
            self.push_again(0, &so_id).await;
        }
        self.haier.settle_orders().await;
        let asker = self.asker.take().unwrap();
        let moving = "SELECT (SELECT count(*) FROM order_pushes) + \
                             (SELECT count(*) FROM callbacks WHERE applied_at IS NULL)";
        within(async {
            loop {
                self.haier.settle_callbacks().await;
                if asker.number(moving).await == 0 {
                    return;
                }
            }
        })
        .await;
        let (book, callbacks) = (self.haier.orders().await, self.haier.callbacks().await);
        for Replica { running, client, .. } in std::mem::take(&mut self.replicas) {
            drop(client);
            assert_eq!(running.terminate().await, Some(0));
        }
        let left = Left::read(&self.plan.database.store().await.unwrap()).await;
        let left = Left {
            accepted: self.pushed.into_iter().collect::<BTreeSet<_>>(),
            leased: asker.number("SELECT count(*) FROM order_pushes").await,
            unapplied: asker.number("SELECT count(*) FROM callbacks WHERE applied_at IS NULL").await,
            open_logs: asker.number(OPEN_LOGS).await,
            log: fs::read_to_string(&self.log).unwrap(),
            doubt_wait: DOUBT_WAIT,
            ..left.and_haiers(&book, &callbacks)
        };
        assert!(left.log.contains("order accepted"), "nothing was logged");
        let complaints = left.complaints();
        assert!(complaints.is_empty(), "{}", left.story(&complaints));
    }
}

const OPEN_LOGS: &str = "SELECT count(*) FROM sync_logs WHERE sync_type = 'order' AND completed_at IS NULL";
