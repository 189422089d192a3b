//! Joins the rooms into a running service: opens the database, starts servers and workers, and drains them at the end.

mod announce;
mod door;
mod keys;
mod listeners;
mod recorder;
mod sandbox_account;
mod settings;
mod signals;
mod upstream;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::anyhow;
use chrono::TimeDelta;
use rustls::pki_types::CertificateDer;
use tokio::{sync::oneshot, task::JoinHandle};

use listeners::Listeners;
use sandbox_account::sandbox_account;
use settings::{
    callback_settings, change_settings, grpc_options, order_settings, run_settings, schedule_settings,
    store_options,
};
pub use signals::Signals;
use upstream::Opener;

use crate::{
    app::{App, GivenAccount, Parts, SystemClock, make_partitions},
    auth::Outside,
    config::{DatabaseUrl, Settings},
    domain::{accounts::AccountRules, clock::Clock},
    error::{Causes, Error},
    grpc, http, redact,
    sandbox::{self, Sandbox},
    store::{self, Store, migrations::SchemaState},
    tls::{self, ServerTls},
    workers,
};

/// How long connections have to let go of the database after their last answer.
const LETTING_GO: Duration = Duration::from_millis(500);

/// Runs the service until a signal stops it, and drains it.
///
/// # Errors
/// When it cannot start, with what to do about it.
pub async fn run(settings: Settings, mut signals: Signals) -> anyhow::Result<()> {
    let service = tokio::select! {
        service = Service::start(settings) => service?,
        () = signals.stop() => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
    };
    service.announce();
    signals.stop().await;
    tracing::info!("stopping: running calls end, running syncs are checkpointed; once more to stop at once");
    tokio::select! {
        () = service.stop() => Ok(()),
        () = signals.stop() => Err(anyhow!("stopped at once; what ran goes on at the next start")),
    }
}

/// Applies missing migrations, and returns their names.
///
/// # Errors
/// When the database cannot be reached, or refuses one.
pub async fn migrate(url: &DatabaseUrl) -> anyhow::Result<Vec<String>> {
    let settings = Settings { database_url: url.clone(), ..Settings::default() };
    let store = Store::open(&store_options(&settings)).await?;
    let applied = store::migrations::run(&store).await?;
    make_partitions(&store, SystemClock::new().now()).await;
    Ok(applied)
}

/// A service that is running in this process.
pub struct Service {
    app: Arc<App>,
    grpc_addr: SocketAddr,
    http_addr: SocketAddr,
    callback_addr: SocketAddr,
    sandbox: Option<Sandbox>,
    settings: Settings,
    grpc: JoinHandle<anyhow::Result<()>>,
    http: JoinHandle<()>,
    callbacks: JoinHandle<()>,
    http_stop: oneshot::Sender<()>,
    workers: Vec<JoinHandle<()>>,
}

impl Service {
    /// Starts everything; returns when calls are taken.
    ///
    /// # Errors
    /// When a port is taken, the database cannot be used, or the like.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let clock = Arc::new(SystemClock::new());
        Box::pin(Self::start_by(settings, clock.clone(), Some(clock))).await
    }

    /// The same by another clock, such as one that is turned by hand.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub async fn start_at(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Self::start_by(settings, clock, None).await
    }

    /// `system` is the clock where the database may set it.
    async fn start_by(
        settings: Settings,
        clock: Arc<dyn Clock>,
        system: Option<Arc<SystemClock>>,
    ) -> anyhow::Result<Self> {
        grpc::check_rules()?;
        // Before all that counts, so that no gauge is set before there is one.
        let metrics = recorder::install()?;
        redact::learn(&settings.database_url.password());
        let (tls, roots) = certificates(&settings, &*clock)?;
        let Listeners { grpc, http, callbacks, grpc_addr, http_addr, callback_addr } =
            Listeners::bind(&settings)?;
        let store = open_store(&settings).await?;
        let sandbox = start_sandbox(&settings, callback_addr).await?;
        let given = GivenAccount {
            account: sandbox.as_ref().map(sandbox_account).or_else(|| settings.account.clone()),
            over_any_other: sandbox.is_some(),
        };
        let process = rand::random::<u16>();
        let opener = Box::new(Opener::new(&settings, roots, store.clone(), process, clock.clone()));
        let account_rules = AccountRules {
            allow_plain_http: settings.allow_plain_http,
            allow_private_hosts: settings.allow_private_hosts || settings.sandbox.is_some(),
        };
        let key_ring = keys::open(&settings, clock.now())?;
        let (runs, changes) = (run_settings(&settings), change_settings(&settings));
        let schedules = schedule_settings(&settings);
        let (host, version) = (host_name(), env!("CARGO_PKG_VERSION"));
        let clients = settings.tls.as_ref().and_then(|tls| tls.clients.as_ref());
        let callers = Outside {
            admin_token: settings.admin_token.clone(),
            certificate_roles: clients
                .iter()
                .flat_map(|clients| &clients.roles)
                .map(|(_, role)| *role)
                .collect(),
        };
        let orders = order_settings(&settings);
        let app = App::new(Parts {
            store,
            clock: clock.clone(),
            opener,
            given,
            key_ring,
            account_rules,
            runs,
            schedules,
            changes,
            callers,
            orders,
            callbacks: callback_settings(&settings),
            process,
            host,
            version,
        });
        if let Some(system) = &system {
            system.measure(app.store()).await;
        }
        make_partitions(app.store(), clock.now()).await;
        let unwritten = !is_written(app.write_at_start().await)?;
        app.check_database(settings.database_wait).await;
        app.api_tokens_refresh().await?;
        door::check(&app, &settings)?;
        app.upstreams_follow().await?;
        // Again every few seconds.
        is_written(app.order_accounts_record().await)?;
        // Before anything is sent: a pause outlives a restart.
        app.pauses_refresh().await?;

        let (http_stop, http_stopped) = oneshot::channel::<()>();
        let http = tokio::spawn(http::serve(Arc::clone(&app), metrics, http, async {
            // A sender that is gone means the same as one that has spoken.
            let _ = http_stopped.await;
        }));
        let body_timeout = settings.callbacks.body_timeout;
        let callbacks = tokio::spawn(http::callbacks::serve(Arc::clone(&app), callbacks, body_timeout));
        let options = grpc_options(&settings);
        let grpc = tokio::spawn(grpc::serve(Arc::clone(&app), grpc, tls.clone(), options));
        let health_periods = workers::health::Periods {
            database: TimeDelta::from_std(settings.health_interval)?,
            upstream: TimeDelta::from_std(settings.health_upstream_interval)?,
        };
        let mut workers = vec![
            tokio::spawn(workers::sync_runner::run(Arc::clone(&app))),
            tokio::spawn(workers::order_pusher::run(Arc::clone(&app))),
            tokio::spawn(workers::callbacks::run(Arc::clone(&app))),
            tokio::spawn(workers::health::run(Arc::clone(&app), health_periods)),
            tokio::spawn(workers::housekeeping::run(Arc::clone(&app))),
            tokio::spawn(workers::upstream_control::run(Arc::clone(&app))),
            tokio::spawn(workers::callers::run(Arc::clone(&app))),
            tokio::spawn(workers::key_file::run(Arc::clone(&app))),
            tokio::spawn(workers::feeds::run(Arc::clone(&app))),
            tokio::spawn(workers::database_identity::run(Arc::clone(&app))),
        ];
        if let Some(system) = system {
            workers.push(tokio::spawn(workers::clock::run(Arc::clone(&app), system)));
        }
        if unwritten {
            workers.push(tokio::spawn(workers::start::run(Arc::clone(&app))));
        }
        if settings.schedules.enabled {
            workers.push(tokio::spawn(workers::scheduler::run(Arc::clone(&app))));
        }
        if let Some(tls) = tls {
            let stopping = app.stopping.clone();
            workers.push(tokio::spawn(async move { tls.follow(clock, stopping).await }));
        }
        Ok(Self {
            app,
            grpc_addr,
            http_addr,
            callback_addr,
            sandbox,
            settings,
            grpc,
            http,
            callbacks,
            http_stop,
            workers,
        })
    }

    /// Where gRPC listens.
    #[must_use]
    pub const fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where metrics and health listen.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where the order system's callbacks are posted on this machine.
    #[must_use]
    pub fn callback_url(&self) -> String {
        callback_url(self.callback_addr)
    }

    /// Drains: readiness turns, streams and running calls end, runs are checkpointed and given back.
    pub async fn stop(mut self) {
        self.app.stop();
        let drained = async {
            for worker in &mut self.workers {
                // A worker that panicked has said so in the log.
                let _ = worker.await;
            }
            match (&mut self.grpc).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(error = format!("{error:#}"), "the gRPC server failed"),
                Err(error) => tracing::error!(%error, "the gRPC server failed"),
            }
            // Requests that have begun are stored and answered; nothing new is accepted.
            let _ = (&mut self.callbacks).await;
            self.app.finish_learning().await;
        };
        if tokio::time::timeout(self.settings.drain_timeout, drained).await.is_err() {
            let limit = self.settings.drain_timeout;
            tracing::warn!(?limit, "some calls did not end in time and are cut");
            self.workers.iter().for_each(JoinHandle::abort);
            self.grpc.abort();
            self.callbacks.abort();
        }
        if let Err(error) = self.app.database_seal().await {
            tracing::debug!(error = %Causes(&error), "the last generation of the database is not stored");
        }
        let _ = self.http_stop.send(());
        self.http.abort();
        // That it was cut is no news.
        let _ = self.http.await;
        let released = self.app.store().released();
        drop(self.app);
        // Calls that were answered let go of the database in tasks of the servers' own.
        if tokio::time::timeout(LETTING_GO, released.wait()).await.is_err() {
            tracing::debug!("a connection is still open and holds the database");
        }
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

/// The certificates of the gRPC listener, and the authorities of Haier's.
type Certificates = (Option<Arc<ServerTls>>, Option<Vec<CertificateDer<'static>>>);

/// Reads them; what is wrong with any of the files is told at once.
fn certificates(settings: &Settings, clock: &dyn Clock) -> Result<Certificates, tls::Error> {
    let own = settings.tls.clone().map(|files| ServerTls::open(files, clock)).transpose();
    let haiers = settings.upstream.ca.as_deref();
    let haiers = haiers.map(|path| tls::authorities(path, "upstream.ca", clock.now())).transpose();
    match (own, haiers) {
        (Ok(own), Ok(haiers)) => Ok((own.map(Arc::new), haiers)),
        (own, haiers) => {
            let problems = own.err().into_iter().chain(haiers.err()).flat_map(|error| error.problems);
            Err(tls::Error { problems: problems.collect() })
        }
    }
}

/// Whether something is written. A database may only read for now, or be full: then this replica starts all the same, is not ready,
/// and answers what can be read.
fn is_written(outcome: Result<(), Error>) -> Result<bool, Error> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error @ Error::StoreUnavailable(_)) => {
            tracing::error!(error = %Causes(&error), "the database cannot be written: this replica is ready once it can");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn open_store(settings: &Settings) -> anyhow::Result<Store> {
    let store = Store::open(&store_options(settings)).await?;
    if settings.migrate || store.is_exclusive() {
        for name in store::migrations::run(&store).await? {
            tracing::info!(name, "migration applied");
        }
    }
    match store::migrations::state(&store).await? {
        SchemaState::Current => {}
        SchemaState::Newer(versions) => return Err(store::migrations::newer(&versions).into()),
        SchemaState::Behind(missing) => {
            return Err(anyhow!(
                "the database lacks {} migration(s) ({}): run `haier-integration migrate --database-url …`, or start \
                 with --migrate",
                missing.len(),
                missing.join(", ")
            ));
        }
    }
    if store.is_exclusive() {
        // Only this process can hold a lease here: those of a killed one need not be waited for.
        let mut tx = store.begin().await?;
        store::replicas::delete_all(&mut tx).await?;
        store::sync_runs::release_all(&mut tx).await?;
        store::order_pushes::expire_all(&mut tx).await?;
        tx.commit().await?;
    }
    Ok(store)
}

async fn start_sandbox(settings: &Settings, callback_addr: SocketAddr) -> anyhow::Result<Option<Sandbox>> {
    let Some(options) = &settings.sandbox else { return Ok(None) };
    let mut options = options.clone();
    if options.state.is_none() {
        options.state = Some(default_sandbox_state(&settings.database_url));
    }
    // Its orders are ours, so that we are who it has to call back.
    options.callback_url.get_or_insert_with(|| callback_url(callback_addr));
    Ok(Some(sandbox::start(options).await?))
}

/// Beside an SQLite database, else in the working directory.
fn default_sandbox_state(database: &DatabaseUrl) -> PathBuf {
    match database {
        DatabaseUrl::Sqlite { path } => path.parent().unwrap_or(Path::new("")).join(sandbox::DEFAULT_STATE),
        DatabaseUrl::Postgres { .. } => PathBuf::from(sandbox::DEFAULT_STATE),
    }
}

/// The machine's name, which Kubernetes makes the pod's.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "replica".to_owned() } else { name.to_owned() }
}

/// An address that is every one of this machine is reached as the loopback's.
fn callback_url(addr: SocketAddr) -> String {
    let host = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}{}", SocketAddr::new(host, addr.port()), http::callbacks::PATH)
}
