//! The gRPC services: decode, call a use case, encode. The only room that knows tonic's server.

mod administration;
mod api_tokens;
mod audit;
mod balances;
mod callbacks;
mod callers;
mod calls;
mod connections;
mod context;
mod convert;
mod descriptors;
mod haier_configs;
mod held_runs;
mod introduced;
mod keys;
mod logistics;
mod orders;
mod prices;
mod product_changes;
mod products;
mod requests;
mod schedules;
mod status;
mod stock;
mod sync_logs;
mod sync_runs;
mod upstream;
mod verification;

use std::{pin::Pin, sync::Arc, time::Duration};

pub use descriptors::{Method, check_rules, methods};
use tokio::{net::TcpListener, sync::watch};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, codec::CompressionEncoding, transport::Server};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    app::{App, health::Health},
    proto::{
        self,
        haier_administration_server::{HaierAdministrationServer, SERVICE_NAME as ADMINISTRATION},
        haier_integration_server::{HaierIntegration, HaierIntegrationServer, SERVICE_NAME},
    },
    tls::ServerTls,
};

/// Health names that are no service.
const READINESS: &str = "readiness";
const LIVENESS: &str = "liveness";

/// Most a request may be: 1,000 codes of 64 characters are far less.
const MAX_REQUEST_BYTES: usize = 4 << 20;

/// Both services: `HaierIntegration` here, `HaierAdministration` in the file of its name.
#[derive(Clone)]
struct Api {
    app: Arc<App>,
    default_deadline: Duration,
}

/// How calls are served.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Deadline of a unary call that brings none.
    pub default_deadline: Duration,
    /// Whether callers may ask what is served.
    pub reflection: bool,
}

/// Serves on a listener, by TLS where there is one, until the process goes down and running calls have ended.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    options: Options,
) -> anyhow::Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    // Before the first call is taken, so that no probe asks for a name that is not there yet.
    for name in ["", SERVICE_NAME, ADMINISTRATION, LIVENESS] {
        reporter.set_service_status(name, ServingStatus::Serving).await;
    }
    let ready = readiness(*app.health().borrow());
    reporter.set_service_status(READINESS, ready).await;
    let reporting = tokio::spawn(report_health(reporter, app.health()));
    let api = Api { app: Arc::clone(&app), default_deadline: options.default_deadline };
    let administration = HaierAdministrationServer::new(api.clone())
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let integration = HaierIntegrationServer::new(api)
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let stopping = app.stopping.clone();
    let streams = methods()?.into_iter().filter(|method| method.is_stream).map(|method| method.path());
    let gate = callers::Gatekeeper::new(app, streams.collect());
    let incoming = connections::of(listener, tls);
    let served = Server::builder()
        // Finds peers that are gone without a word, so that their streams end.
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        // Outermost, so that every other one knows who is on the other side.
        .layer(tower::layer::layer_fn(introduced::Introduced::new))
        // Counts, times and records every call; outside all that refuse one, so that it sees that too.
        .layer(tower::layer::layer_fn(calls::Recorded::new))
        // Nothing is decoded for whom the rules do not let in.
        .layer(tower::layer::layer_fn(move |inner| callers::Guarded::new(inner, gate.clone())))
        .add_service(health)
        .add_optional_service(options.reflection.then(|| descriptors::reflection().build_v1()).transpose()?)
        .add_optional_service(
            options.reflection.then(|| descriptors::reflection().build_v1alpha()).transpose()?,
        )
        .add_service(administration)
        .add_service(integration)
        .serve_with_incoming_shutdown(incoming, async move { stopping.cancelled().await });
    let served = Box::pin(served).await;
    reporting.abort();
    Ok(served?)
}

/// Passes changes of readiness on to the health service; everything else serves while it lives.
async fn report_health(mut reporter: HealthReporter, mut health: watch::Receiver<Health>) {
    loop {
        let now = *health.borrow_and_update();
        let status = readiness(now);
        reporter.set_service_status(READINESS, status).await;
        if now.draining {
            // Forgotten and set anew: whoever watches has heard it, and their streams end, which the drain waits for.
            let alive =
                ["", SERVICE_NAME, ADMINISTRATION, LIVENESS].map(|name| (name, ServingStatus::Serving));
            for (name, status) in alive.into_iter().chain([(READINESS, status)]) {
                reporter.clear_service_status(name).await;
                reporter.set_service_status(name, status).await;
            }
            return;
        }
        if health.changed().await.is_err() {
            return;
        }
    }
}

fn readiness(health: Health) -> ServingStatus {
    if health.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing }
}

type ProgressStream = Pin<Box<dyn Stream<Item = Result<proto::SyncProgress, Status>> + Send>>;

#[tonic::async_trait]
impl HaierIntegration for Api {
    type WatchProductChangesStream = product_changes::ChangesStream;
    type SyncProductsStream = ProgressStream;
    type WatchSyncStream = ProgressStream;
    type RetrySyncStream = ProgressStream;
    type WatchOrderStream = orders::OrderStream;
    type WatchOrderChangesStream = orders::OrderChangesStream;

    async fn get_products(
        &self,
        request: Request<proto::GetProductsRequest>,
    ) -> Result<Response<proto::GetProductsResponse>, Status> {
        self.unary(request, async |ctx, request| products::get(&self.app, &ctx, request).await).await
    }

    async fn list_products(
        &self,
        request: Request<proto::ListProductsRequest>,
    ) -> Result<Response<proto::ListProductsResponse>, Status> {
        self.unary(request, async |ctx, request| products::list(&self.app, &ctx, request).await).await
    }

    async fn get_prices(
        &self,
        request: Request<proto::GetPricesRequest>,
    ) -> Result<Response<proto::GetPricesResponse>, Status> {
        self.unary(request, async |ctx, request| prices::get(&self.app, &ctx, request).await).await
    }

    async fn check_stock(
        &self,
        request: Request<proto::CheckStockRequest>,
    ) -> Result<Response<proto::CheckStockResponse>, Status> {
        self.unary(request, async |ctx, request| stock::check(&self.app, &ctx, request).await).await
    }

    async fn get_balance(
        &self,
        request: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        self.unary(request, async |ctx, _| balances::get(&self.app, &ctx).await).await
    }

    async fn get_logistics(
        &self,
        request: Request<proto::GetLogisticsRequest>,
    ) -> Result<Response<proto::GetLogisticsResponse>, Status> {
        self.unary(request, async |ctx, request| logistics::get(&self.app, &ctx, request).await).await
    }

    async fn list_product_changes(
        &self,
        request: Request<proto::ListProductChangesRequest>,
    ) -> Result<Response<proto::ListProductChangesResponse>, Status> {
        self.unary(request, async |ctx, request| product_changes::list(&self.app, &ctx, request).await).await
    }

    async fn watch_product_changes(
        &self,
        request: Request<proto::WatchProductChangesRequest>,
    ) -> Result<Response<Self::WatchProductChangesStream>, Status> {
        let ctx = context::of_stream(&request);
        let stream = product_changes::watch(&self.app, &ctx, request.get_ref()).await;
        stream.map(Response::new).map_err(status::of)
    }

    async fn explain_product(
        &self,
        request: Request<proto::ExplainProductRequest>,
    ) -> Result<Response<proto::ExplainProductResponse>, Status> {
        self.unary(request, async |ctx, request| product_changes::explain(&self.app, &ctx, request).await)
            .await
    }

    async fn sync_products(
        &self,
        request: Request<proto::SyncProductsRequest>,
    ) -> Result<Response<Self::SyncProductsStream>, Status> {
        let (ctx, language) = (context::of_stream(&request), context::language(request.metadata()));
        sync_runs::start(&self.app, &ctx, request.into_inner(), language).await.map(Response::new)
    }

    async fn watch_sync(
        &self,
        request: Request<proto::WatchSyncRequest>,
    ) -> Result<Response<Self::WatchSyncStream>, Status> {
        let (ctx, language) = (context::of_stream(&request), context::language(request.metadata()));
        let watch = self.app.sync_watch(&ctx, request.get_ref().sync_log_id).await.map_err(status::of)?;
        Ok(Response::new(sync_runs::stream(watch, language)))
    }

    async fn retry_sync(
        &self,
        request: Request<proto::RetrySyncRequest>,
    ) -> Result<Response<Self::RetrySyncStream>, Status> {
        let (ctx, language) = (context::of_stream(&request), context::language(request.metadata()));
        let watch = sync_runs::retry(&self.app, &ctx, request.get_ref().sync_log_id).await?;
        Ok(Response::new(sync_runs::stream(watch, language)))
    }

    async fn cancel_sync(
        &self,
        request: Request<proto::CancelSyncRequest>,
    ) -> Result<Response<proto::SyncLog>, Status> {
        let language = context::language(request.metadata());
        self.unary(request, async |ctx, request| sync_logs::cancel(&self.app, &ctx, request, language).await)
            .await
    }

    async fn list_sync_logs(
        &self,
        request: Request<proto::ListSyncLogsRequest>,
    ) -> Result<Response<proto::ListSyncLogsResponse>, Status> {
        let language = context::language(request.metadata());
        self.unary(request, async |ctx, request| sync_logs::list(&self.app, &ctx, request, language).await)
            .await
    }

    async fn get_sync_log(
        &self,
        request: Request<proto::GetSyncLogRequest>,
    ) -> Result<Response<proto::SyncLog>, Status> {
        let language = context::language(request.metadata());
        self.unary(request, async |ctx, request| sync_logs::get(&self.app, &ctx, request, language).await)
            .await
    }

    async fn list_sync_failures(
        &self,
        request: Request<proto::ListSyncFailuresRequest>,
    ) -> Result<Response<proto::ListSyncFailuresResponse>, Status> {
        self.unary(request, async |ctx, request| sync_logs::failures(&self.app, &ctx, request).await).await
    }

    async fn push_order(
        &self,
        request: Request<proto::PushOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        self.unary(request, async |ctx, request| orders::push(&self.app, &ctx, request).await).await
    }

    async fn get_order(
        &self,
        request: Request<proto::GetOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        self.unary(request, async |ctx, request| orders::get(&self.app, &ctx, request).await).await
    }

    async fn batch_get_orders(
        &self,
        request: Request<proto::BatchGetOrdersRequest>,
    ) -> Result<Response<proto::BatchGetOrdersResponse>, Status> {
        self.unary(request, async |ctx, request| orders::batch_get(&self.app, &ctx, request).await).await
    }

    async fn list_orders(
        &self,
        request: Request<proto::ListOrdersRequest>,
    ) -> Result<Response<proto::ListOrdersResponse>, Status> {
        self.unary(request, async |ctx, request| orders::list(&self.app, &ctx, request).await).await
    }

    async fn watch_order(
        &self,
        request: Request<proto::WatchOrderRequest>,
    ) -> Result<Response<Self::WatchOrderStream>, Status> {
        let ctx = context::of_stream(&request);
        orders::watch(&self.app, &ctx, request.get_ref()).await.map(Response::new).map_err(status::of)
    }

    async fn list_order_facts(
        &self,
        request: Request<proto::ListOrderFactsRequest>,
    ) -> Result<Response<proto::ListOrderFactsResponse>, Status> {
        self.unary(request, async |ctx, request| orders::facts(&self.app, &ctx, request).await).await
    }

    async fn cancel_order(
        &self,
        request: Request<proto::CancelOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        self.unary(request, async |ctx, request| orders::cancel(&self.app, &ctx, request).await).await
    }

    async fn reschedule_order(
        &self,
        request: Request<proto::RescheduleOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        self.unary(request, async |ctx, request| orders::reschedule(&self.app, &ctx, request).await).await
    }

    async fn retry_order(
        &self,
        request: Request<proto::RetryOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        self.unary(request, async |ctx, request| orders::retry(&self.app, &ctx, request).await).await
    }

    async fn list_order_changes(
        &self,
        request: Request<proto::ListOrderChangesRequest>,
    ) -> Result<Response<proto::ListOrderChangesResponse>, Status> {
        self.unary(request, async |ctx, request| orders::changes(&self.app, &ctx, request).await).await
    }

    async fn watch_order_changes(
        &self,
        request: Request<proto::WatchOrderChangesRequest>,
    ) -> Result<Response<Self::WatchOrderChangesStream>, Status> {
        let ctx = context::of_stream(&request);
        let watched = orders::watch_changes(&self.app, &ctx, request.get_ref()).await;
        watched.map(Response::new).map_err(status::of)
    }

    async fn list_delivery_photos(
        &self,
        request: Request<proto::ListDeliveryPhotosRequest>,
    ) -> Result<Response<proto::ListDeliveryPhotosResponse>, Status> {
        self.unary(request, async |ctx, request| orders::photos(&self.app, &ctx, request).await).await
    }

    async fn list_courier_numbers(
        &self,
        request: Request<proto::ListCourierNumbersRequest>,
    ) -> Result<Response<proto::ListCourierNumbersResponse>, Status> {
        self.unary(request, async |ctx, request| orders::couriers(&self.app, &ctx, request).await).await
    }
}
