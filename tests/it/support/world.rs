//! A service, its stand-in for Haier and a client; and what must hold when a test is over.

use std::{sync::Arc, time::Duration};

use haier_integration::{
    app::SystemClock,
    config::{KeySource, Settings},
    domain::clock::Clock as _,
    keyring::Document,
    proto::{
        GetProductsRequest, ListProductsRequest, ListSyncFailuresRequest, ListSyncLogsRequest, Product,
        SyncFailure, SyncLog, SyncProductsRequest, SyncProgress, WatchSyncRequest,
        haier_integration_client::HaierIntegrationClient,
    },
    sandbox::Options,
    service::Service,
};
use tonic::{Status, Streaming, transport::Channel};

use super::{Database, Haier, TurnedClock, within};

pub(crate) type Client = HaierIntegrationClient<Channel>;

/// What a test wants to have around it.
pub(crate) struct Plan {
    pub(crate) database: Database,
    options: Options,
    settings: Settings,
    clock: Option<Arc<TurnedClock>>,
}

impl Plan {
    pub(super) fn new(database: Database) -> Self {
        let local = ([127, 0, 0, 1], 0).into();
        let options = Options { addr: local, products: 45, throttle: None, ..Options::default() };
        let keys = Document::generate(SystemClock::new().now()).unwrap();
        let mut settings = Settings {
            grpc_addr: local,
            http_addr: local,
            callback_addr: local,
            database_url: database.url.clone(),
            migrate: false,
            // A machine that is held up for a while is no fault of the service.
            database_wait: Duration::from_secs(60),
            upstream_rate: 0,
            order_rate: 0,
            keys: Some(KeySource::Text(keys.to_text())),
            ..Settings::default()
        };
        settings.schedules.enabled = false;
        // Enough to be a wait, and too little to be waited for.
        settings.upstream.retry_base = Duration::from_millis(2);
        Self { database, options, settings, clock: None }
    }

    pub(crate) fn products(mut self, products: u64) -> Self {
        self.options.products = products;
        self
    }

    /// The service goes by a clock that the test turns, and schedules fire.
    pub(crate) fn turned(mut self) -> Self {
        self.settings.schedules.enabled = true;
        self.clock = Some(Arc::new(TurnedClock::new()));
        self
    }

    pub(crate) fn sandbox(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The stand-in runs, the service does not yet.
    pub(crate) async fn prepare(self) -> World {
        let Self { database, options, mut settings, clock } = self;
        let haier = Haier::start(options).await;
        settings.account = Some(haier.account());
        World { database, haier, settings, clock, running: None, finished: false }
    }

    /// Everything runs, and the first full sync is over.
    pub(crate) async fn start(self) -> World {
        let mut world = Box::pin(self.prepare()).await;
        Box::pin(world.serve()).await;
        let first = world.first_sync().await;
        assert_eq!(first.status(), haier_integration::proto::SyncStatus::Success, "{first:?}");
        world
    }
}

/// What a test lives in. It ends with [`World::finish`].
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) haier: Haier,
    pub(crate) settings: Settings,
    clock: Option<Arc<TurnedClock>>,
    /// Boxed: every test moves it about.
    running: Option<Box<(Service, Client)>>,
    finished: bool,
}

impl World {
    /// Starts the service.
    pub(crate) async fn serve(&mut self) {
        let service = self.replica().await;
        let client = Client::connect(format!("http://{}", service.grpc_addr())).await.unwrap();
        self.running = Some(Box::new((service, client)));
    }

    /// One more service on the same database.
    pub(crate) async fn replica(&self) -> Service {
        let settings = self.settings.clone();
        match &self.clock {
            Some(clock) => within(Box::pin(Service::start_at(settings, clock.clone()))).await.unwrap(),
            None => within(Box::pin(Service::start(settings))).await.unwrap(),
        }
    }

    /// The clock of [`Plan::turned`].
    pub(crate) fn clock(&self) -> &TurnedClock {
        self.clock.as_ref().expect("the plan is turned")
    }

    /// Stops the service as SIGTERM does.
    pub(crate) async fn stop(&mut self) {
        let (service, client) = *self.running.take().expect("the service runs");
        drop(client);
        within(Box::pin(service.stop())).await;
    }

    /// Takes the token off the shelf of the replicas, so that the next start needs a new one.
    pub(crate) async fn forget_token(&self) {
        if self.database.is_postgres() {
            self.database.execute("DELETE FROM upstream_tokens").await.unwrap();
        }
    }

    pub(crate) fn service(&self) -> &Service {
        &self.running.as_ref().expect("the service runs").0
    }

    pub(crate) fn client(&self) -> Client {
        self.running.as_ref().expect("the service runs").1.clone()
    }

    pub(crate) fn channel(&self) -> tonic::transport::Endpoint {
        format!("http://{}", self.service().grpc_addr()).parse().unwrap()
    }

    /// The end of the oldest run: with an empty store, of the first full sync.
    pub(crate) async fn first_sync(&self) -> SyncProgress {
        let logs = self.logs(ListSyncLogsRequest { page_size: 1_000, ..Default::default() }).await;
        self.watch(logs.last().expect("a first run was stored").id).await.pop().unwrap()
    }

    /// A run's progress to its end.
    pub(crate) async fn watch(&self, sync_log_id: i64) -> Vec<SyncProgress> {
        let stream = self.client().watch_sync(WatchSyncRequest { sync_log_id }).await.unwrap().into_inner();
        collect(stream).await.unwrap()
    }

    /// Runs a sync to its end.
    pub(crate) async fn sync(&self, request: SyncProductsRequest) -> SyncProgress {
        self.follow(request).await.pop().unwrap()
    }

    /// Runs a sync and keeps all of its progress.
    pub(crate) async fn follow(&self, request: SyncProductsRequest) -> Vec<SyncProgress> {
        let stream = self.client().sync_products(request).await.unwrap().into_inner();
        collect(stream).await.unwrap()
    }

    /// One page of logs.
    pub(crate) async fn logs(&self, request: ListSyncLogsRequest) -> Vec<SyncLog> {
        self.client().list_sync_logs(request).await.unwrap().into_inner().sync_logs
    }

    pub(crate) async fn log(&self, id: i64) -> SyncLog {
        let request = haier_integration::proto::GetSyncLogRequest { id };
        self.client().get_sync_log(request).await.unwrap().into_inner()
    }

    /// Code, stage and reason of a run's failures.
    pub(crate) async fn failures(&self, sync_log_id: i64) -> Vec<SyncFailure> {
        let request = ListSyncFailuresRequest { sync_log_id, page_size: 1_000, ..Default::default() };
        self.client().list_sync_failures(request).await.unwrap().into_inner().failures
    }

    /// One stored product.
    pub(crate) async fn product(&self, code: &str) -> Product {
        let request = GetProductsRequest { product_codes: vec![code.to_owned()], ..Default::default() };
        let mut answer = self.client().get_products(request).await.unwrap().into_inner();
        answer.products.pop().unwrap_or_else(|| panic!("{code} is not stored"))
    }

    /// All stored products, by code.
    pub(crate) async fn products(&self) -> Vec<Product> {
        let request = ListProductsRequest { page_size: 1_000, ..Default::default() };
        let answer = self.client().list_products(request).await.unwrap().into_inner();
        assert_eq!(answer.next_page_token, "", "more than a page is stored");
        answer.products
    }

    /// The first stored codes.
    pub(crate) async fn codes(&self, count: usize) -> Vec<String> {
        self.products().await.into_iter().take(count).map(|product| product.product_code).collect()
    }

    /// Stops everything; nothing may be left undone.
    pub(crate) async fn finish(self) {
        assert_eq!(self.haier.stats().await["rejected"], 0, "the stand-in throttled a call");
        let world = self.finish_leaving_open().await;
        let open = "SELECT (SELECT count(*) FROM sync_runs) + \
                    (SELECT count(*) FROM sync_logs WHERE status IN ('pending', 'processing'))";
        assert_eq!(world.number(open).await, 0, "a run is left open");
    }

    /// Stops everything, whatever runs.
    pub(crate) async fn finish_leaving_open(mut self) -> Database {
        if self.running.is_some() {
            self.stop().await;
        }
        self.finished = true;
        self.database.clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "a test ends with finish()");
    }
}

/// A stream's messages up to its end.
pub(crate) async fn collect(mut stream: Streaming<SyncProgress>) -> Result<Vec<SyncProgress>, Status> {
    let mut all = Vec::new();
    while let Some(progress) = tokio::time::timeout(Duration::from_secs(60), stream.message())
        .await
        .expect("the stream says nothing")?
    {
        all.push(progress);
    }
    Ok(all)
}
