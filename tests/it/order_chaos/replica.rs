//! A replica on a thread of its own, by the turned clock: the use cases, the workers that push orders and apply
//! callbacks, and a listener for these. It can be killed, stopped and continued, or told to go.

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use chrono::TimeDelta;
use chrono_tz::Tz;
use haier_integration::{
    app::{
        App, CallbackSettings, ChangeSettings, Ctx, GivenAccount, OrderSettings, Parts, RunSettings,
        ScheduleSettings,
    },
    auth::Outside,
    domain::{
        accounts::AccountRules,
        callers::{Caller, Role},
        clock::Clock as _,
        guard::Limits,
    },
    http::callbacks,
    keyring::KeyRing,
    listener::{self, Listener, WhenFull},
    store::{Store, migrations, order_pushes},
    workers,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};
use tracing_subscriber::fmt::MakeWriter;

use super::{
    clock::Turned,
    opener::{Gate, Opener},
};
use crate::support::{Database, within};

/// Everything that is told, by all replicas of a schedule.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What the replicas of a schedule have in common.
#[derive(Clone)]
pub(super) struct House {
    pub(super) database: Database,
    pub(super) clock: Arc<Turned>,
    pub(super) gate: Gate,
    pub(super) ring: Arc<KeyRing>,
    pub(super) log: Log,
    pub(super) orders: OrderSettings,
    pub(super) breaker_failures: u32,
}

impl House {
    /// Makes the tables, where the database has none yet.
    pub(super) async fn migrate(&self) {
        let store = self.database.store().await.unwrap();
        migrations::run(&store).await.unwrap();
        store.ensure_partitions(self.clock.now()).await.unwrap();
        let released = store.released();
        drop(store);
        within(released.wait()).await;
    }
}

/// How long somebody may be busy going down before time is turned on.
const BUSY: Duration = Duration::from_millis(50);

enum End {
    /// As after `kill -9`: every task stops where it waits.
    Vanish,
    /// As after SIGTERM: what is in flight is stored.
    Drain,
}

pub(super) struct Replica {
    pub(super) app: Arc<App>,
    pub(super) worker: String,
    pub(super) callback_url: String,
    handle: Handle,
    end: oneshot::Sender<End>,
    thread: thread::JoinHandle<()>,
    /// While its thread stands still.
    stopped: Option<mpsc::Sender<()>>,
}

pub(super) fn operator() -> Ctx {
    let caller = Caller { name: "chaos".to_owned(), role: Role::Admin, address: String::new() };
    Ctx { caller, deadline: None }
}

impl Replica {
    pub(super) async fn start(house: &House) -> Self {
        static PROCESS: AtomicU16 = AtomicU16::new(1);
        let process = PROCESS.fetch_add(1, Ordering::Relaxed);
        let (house, (ready, is_ready), (end, ended)) =
            (house.clone(), oneshot::channel(), oneshot::channel());
        let thread = thread::spawn(move || {
            let log = tracing_subscriber::fmt().with_env_filter("warn,haier_integration=debug");
            let log = log.with_ansi(false).with_writer(house.log.clone()).finish();
            let _logging = tracing::subscriber::set_default(log);
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(live(&house, process, ready, ended));
        });
        let (app, callback_url, handle) = within(is_ready).await.unwrap();
        let worker = format!("{}-{process}", std::process::id());
        Self { app, worker, callback_url, handle, end, thread, stopped: None }
    }

    /// Asks something of it. Whoever asks hears nothing when it goes down meanwhile.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        asked: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(asked)
    }

    pub(super) async fn kill(self, clock: &Turned) {
        self.over(End::Vanish, clock).await;
    }

    pub(super) async fn drain(self, clock: &Turned) {
        self.over(End::Drain, clock).await;
    }

    async fn over(self, end: End, clock: &Turned) {
        let Self { end: how, thread, stopped, app, .. } = self;
        drop((stopped, app));
        // Whoever has ended already has panicked, which the join tells.
        let _ = how.send(end);
        let mut over = tokio::task::spawn_blocking(move || thread.join());
        let over = within(async {
            loop {
                match tokio::time::timeout(BUSY, &mut over).await {
                    Ok(over) => return over,
                    // Whoever goes down in good order may wait for a moment to come.
                    Err(_) => clock.turn(TimeDelta::seconds(1)),
                }
            }
        });
        over.await.unwrap().unwrap();
    }

    /// As SIGSTOP does: not one instruction more, whatever time it is.
    pub(super) fn stop(&mut self) {
        let (go_on, wait) = mpsc::channel::<()>();
        self.handle.spawn(async move {
            // Ends with an error when the other side is dropped: that is the signal.
            let _ = wait.recv();
        });
        self.stopped = Some(go_on);
    }

    /// As SIGCONT does.
    pub(super) fn go_on(&mut self) {
        self.stopped = None;
    }

    pub(super) const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }
}

type Ready = (Arc<App>, String, Handle);

async fn live(house: &House, process: u16, ready: oneshot::Sender<Ready>, ended: oneshot::Receiver<End>) {
    let store = house.database.store().await.unwrap();
    if store.is_exclusive() {
        // As the service does at its start: nobody else can hold a lease here.
        let mut tx = store.begin().await.unwrap();
        order_pushes::expire_all(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    let app = App::new(parts(house, store, process));
    app.database_follow().await.unwrap();
    app.replica_report().await.unwrap();
    app.upstreams_follow().await.unwrap();
    app.pauses_refresh().await.unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}{}", listener.local_addr().unwrap(), callbacks::PATH);
    let mut working = JoinSet::new();
    working.spawn(workers::order_pusher::run(Arc::clone(&app)));
    working.spawn(workers::callbacks::run(Arc::clone(&app)));
    working.spawn(workers::upstream_control::run(Arc::clone(&app)));
    working.spawn(workers::feeds::run(Arc::clone(&app)));
    let (time, when_full) = (Duration::from_secs(10), WhenFull::Wait);
    let limits = listener::Limits {
        connections: 256,
        address_share: 50,
        when_full,
        grace: time,
        first_request: time,
        write: time,
        idle: time,
        age: time,
    };
    let listener = Listener::new(listener, "callbacks", limits);
    working.spawn(callbacks::serve(Arc::clone(&app), listener, time));
    assert!(ready.send((Arc::clone(&app), url, Handle::current())).is_ok());
    if let Ok(End::Drain) = ended.await {
        app.stop();
        working.join_all().await;
        app.finish_learning().await;
    }
}

fn parts(house: &House, store: Store, process: u16) -> Parts {
    let second = TimeDelta::seconds(1);
    Parts {
        store,
        clock: house.clock.clone(),
        opener: Box::new(Opener::new(house.clock.clone(), house.gate.clone(), house.breaker_failures)),
        given: GivenAccount::default(),
        key_ring: Some(Arc::clone(&house.ring)),
        account_rules: AccountRules { allow_plain_http: true, allow_private_hosts: true },
        // Nothing is synced here.
        runs: RunSettings {
            batch_size: 20,
            calls_in_flight: 1,
            flush_rows: 100,
            flush_interval: Duration::from_millis(5),
            lease: second * 15,
            heartbeat: second * 5,
            outage_wait: second,
            guard: Limits { delisted: 5, far: 30, moved: 10 },
            held_for: TimeDelta::days(7),
        },
        callers: Outside { admin_token: None, certificate_roles: Vec::new() },
        schedules: ScheduleSettings {
            zone: Tz::Asia__Shanghai,
            calls_per_second: None,
            low_stock: 5,
            selling_for: TimeDelta::days(1),
        },
        changes: ChangeSettings { kept: TimeDelta::days(30), patience: Duration::from_secs(30) },
        orders: house.orders.clone(),
        // The stand-in signs with the time of this machine, however far the clock is turned.
        callbacks: CallbackSettings { window: TimeDelta::days(36_500), parked_warning: TimeDelta::days(1) },
        process,
        host: "chaos".to_owned(),
        version: "0",
    }
}
