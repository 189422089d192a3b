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
mod health;
mod held_runs;
mod keys;
mod logistics;
mod orders;
mod prices;
mod product_changes;
mod products;
mod requests;
mod schedules;
mod sending;
mod status;
mod stock;
mod sync_logs;
mod sync_runs;
mod transport;
mod upstream;
mod verification;

use std::{pin::Pin, sync::Arc, time::Duration};

pub use descriptors::{Method, check_rules, methods};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, codec::CompressionEncoding, service::Routes};

use crate::{
    app::App,
    listener::Listener,
    proto::{
        self,
        haier_administration_server::HaierAdministrationServer,
        haier_integration_server::{HaierIntegration, HaierIntegrationServer},
    },
    tls::ServerTls,
};

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
    /// Deadline of a unary call that brings none; also the longest time for any request to come.
    pub default_deadline: Duration,
    /// Whether callers may ask what is served.
    pub reflection: bool,
    /// Calls at a time on one connection.
    pub max_streams: u32,
    /// Longest time for a peer to take an answer.
    pub write: Duration,
    /// Longest time for the reader of a feed to take what it was sent.
    pub feed: Duration,
}

/// Serves on a listener, by TLS where there is one, until the process goes down and running calls have ended.
///
/// # Errors
/// When descriptors cannot be read.
pub async fn serve(
    app: Arc<App>,
    listener: Listener,
    tls: Option<Arc<ServerTls>>,
    options: Options,
) -> anyhow::Result<()> {
    let methods = methods()?;
    let times = transport::Times::new(options.default_deadline, options.write, options.feed, &methods);
    let streams = methods.iter().filter(|method| method.is_stream).map(Method::path);
    let gate = callers::Gatekeeper::new(Arc::clone(&app), streams.collect());
    let stopping = app.stopping.clone();
    // Nothing is decoded for whom the rules do not let in.
    let service = callers::Guarded::new(routes(app, options)?, gate);
    let service = transport::Edge::new(service, times);
    // Counts, times and records every call; outside all that refuse one, so that it sees that too.
    let service = calls::Recorded::new(service);
    connections::serve(listener, tls, service, options.max_streams, stopping).await;
    Ok(())
}

fn routes(app: Arc<App>, options: Options) -> anyhow::Result<Routes> {
    let api = Api { app: Arc::clone(&app), default_deadline: options.default_deadline };
    let administration = HaierAdministrationServer::new(api.clone())
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let integration = HaierIntegrationServer::new(api)
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let mut routes = Routes::builder();
    routes.add_service(health::service(app)).add_service(administration).add_service(integration);
    if options.reflection {
        routes.add_service(descriptors::reflection().build_v1()?);
        routes.add_service(descriptors::reflection().build_v1alpha()?);
    }
    Ok(routes.routes().prepare())
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
