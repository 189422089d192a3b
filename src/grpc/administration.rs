//! The service `HaierAdministration`: what an operator looks at and switches.

use tonic::{Request, Response, Status};

use super::{Api, orders, upstream};
use crate::proto::{self, haier_administration_server::HaierAdministration};

#[tonic::async_trait]
impl HaierAdministration for Api {
    async fn get_upstream_status(
        &self,
        request: Request<proto::GetUpstreamStatusRequest>,
    ) -> Result<Response<proto::GetUpstreamStatusResponse>, Status> {
        self.unary(request, async |ctx, _| upstream::status(&self.app, &ctx).await).await
    }

    async fn pause_upstream(
        &self,
        request: Request<proto::PauseUpstreamRequest>,
    ) -> Result<Response<proto::UpstreamPause>, Status> {
        self.unary(request, async |ctx, request| upstream::pause(&self.app, &ctx, request).await).await
    }

    async fn resume_upstream(
        &self,
        request: Request<proto::ResumeUpstreamRequest>,
    ) -> Result<Response<proto::ResumeUpstreamResponse>, Status> {
        self.unary(request, async |ctx, request| upstream::resume(&self.app, &ctx, request).await).await
    }

    async fn resolve_order(
        &self,
        request: Request<proto::ResolveOrderRequest>,
    ) -> Result<Response<proto::OrderResponse>, Status> {
        self.unary(request, async |ctx, request| orders::resolve(&self.app, &ctx, request).await).await
    }

    async fn reconcile_orders(
        &self,
        request: Request<proto::ReconcileOrdersRequest>,
    ) -> Result<Response<proto::ReconcileOrdersResponse>, Status> {
        self.unary(request, async |ctx, request| orders::reconcile(&self.app, &ctx, request).await).await
    }
}
