//! The service `HaierAdministration`: what an operator looks at and switches, and what an admin keeps.

use tonic::{Request, Response, Status};

use super::{Api, api_tokens, audit, upstream};
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

    async fn create_api_token(
        &self,
        request: Request<proto::CreateApiTokenRequest>,
    ) -> Result<Response<proto::CreateApiTokenResponse>, Status> {
        self.unary(request, async |ctx, request| api_tokens::create(&self.app, &ctx, request).await).await
    }

    async fn list_api_tokens(
        &self,
        request: Request<proto::ListApiTokensRequest>,
    ) -> Result<Response<proto::ListApiTokensResponse>, Status> {
        self.unary(request, async |ctx, request| api_tokens::list(&self.app, &ctx, request).await).await
    }

    async fn revoke_api_token(
        &self,
        request: Request<proto::RevokeApiTokenRequest>,
    ) -> Result<Response<proto::ApiToken>, Status> {
        self.unary(request, async |ctx, request| api_tokens::revoke(&self.app, &ctx, request).await).await
    }

    async fn list_audit_events(
        &self,
        request: Request<proto::ListAuditEventsRequest>,
    ) -> Result<Response<proto::ListAuditEventsResponse>, Status> {
        self.unary(request, async |ctx, request| audit::list(&self.app, &ctx, request).await).await
    }
}
