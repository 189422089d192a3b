//! The gRPC services: decode, call a use case, encode. The only room that knows tonic's server.

mod administration;
mod balances;
mod context;
mod convert;
mod logistics;
mod metrics;
mod prices;
mod product_changes;
mod products;
mod requests;
mod status;
mod stock;
mod sync_logs;
mod sync_runs;
mod upstream;

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch};
use tokio_stream::Stream;
use tonic::{
    Request, Response, Status,
    codec::CompressionEncoding,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    app::{App, health::Health},
    proto::{
        self,
        haier_administration_server::{HaierAdministrationServer, SERVICE_NAME as ADMINISTRATION},
        haier_integration_server::{HaierIntegration, HaierIntegrationServer, SERVICE_NAME},
    },
};

/// The descriptors of every service served here, for reflection.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

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

/// Serves on a listener until the process goes down and running calls have ended.
///
/// # Errors
/// When the listener fails.
pub async fn serve(app: Arc<App>, listener: TcpListener, default_deadline: Duration) -> anyhow::Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reporting = tokio::spawn(report_health(reporter, app.health()));
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            // So that a client without our proto files can read the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Error details, so that grpcurl shows them in words.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
            // Its descriptors are among the above, in both versions.
            .include_reflection_service(false)
    };
    let api = Api { app: Arc::clone(&app), default_deadline };
    let administration = HaierAdministrationServer::new(api.clone())
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let integration = HaierIntegrationServer::new(api)
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let stopping = app.stopping.clone();
    // Without it small answers wait some 40 ms for the peer's delayed acknowledgement.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        // Finds peers that are gone without a word, so that their streams end.
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        // Counts and times every call; outermost, so that it sees what the others refuse.
        .layer(tower::layer::layer_fn(metrics::Measured::new))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(administration)
        .add_service(integration)
        .serve_with_incoming_shutdown(incoming, async move { stopping.cancelled().await })
        .await;
    reporting.abort();
    Ok(served?)
}

/// Passes changes of health on to the health service: readiness turns, everything else serves while it lives.
async fn report_health(mut reporter: HealthReporter, mut health: watch::Receiver<Health>) {
    for name in ["", SERVICE_NAME, ADMINISTRATION, LIVENESS] {
        reporter.set_service_status(name, ServingStatus::Serving).await;
    }
    loop {
        let now = *health.borrow_and_update();
        let status = if now.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
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

type ProgressStream = Pin<Box<dyn Stream<Item = Result<proto::SyncProgress, Status>> + Send>>;

#[tonic::async_trait]
impl HaierIntegration for Api {
    type WatchProductChangesStream = product_changes::ChangesStream;
    type SyncProductsStream = ProgressStream;
    type WatchSyncStream = ProgressStream;
    type RetrySyncStream = ProgressStream;

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
        let watch = sync_runs::start(&self.app, &ctx, request.into_inner()).await?;
        Ok(Response::new(sync_runs::stream(watch, language)))
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
}
