//! The service `HaierAdministration`: what an operator looks at and switches, and what an admin keeps.

use tonic::{Request, Response, Status};

use super::{
    Api, api_tokens, audit, callbacks, context, haier_configs, held_runs, keys, orders, schedules, status,
    upstream, verification,
};
use crate::proto::{self, haier_administration_server::HaierAdministration};

#[tonic::async_trait]
impl HaierAdministration for Api {
    type RotateKeysStream = keys::RotationStream;
    type VerifyCatalogueStream = verification::VerificationStream;

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

    async fn list_schedules(
        &self,
        request: Request<proto::ListSchedulesRequest>,
    ) -> Result<Response<proto::ListSchedulesResponse>, Status> {
        self.unary(request, async |ctx, _| schedules::list(&self.app, &ctx).await).await
    }

    async fn update_schedule(
        &self,
        request: Request<proto::UpdateScheduleRequest>,
    ) -> Result<Response<proto::Schedule>, Status> {
        self.unary(request, async |ctx, request| schedules::update(&self.app, &ctx, request).await).await
    }

    async fn run_schedule_now(
        &self,
        request: Request<proto::RunScheduleNowRequest>,
    ) -> Result<Response<proto::RunScheduleNowResponse>, Status> {
        self.unary(request, async |ctx, request| schedules::run_now(&self.app, &ctx, request).await).await
    }

    async fn set_product_attention(
        &self,
        request: Request<proto::SetProductAttentionRequest>,
    ) -> Result<Response<proto::SetProductAttentionResponse>, Status> {
        self.unary(request, async |ctx, request| schedules::set_attention(&self.app, &ctx, request).await)
            .await
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

    async fn list_held_runs(
        &self,
        request: Request<proto::ListHeldRunsRequest>,
    ) -> Result<Response<proto::ListHeldRunsResponse>, Status> {
        self.unary(request, async |ctx, request| held_runs::list(&self.app, &ctx, request).await).await
    }

    async fn list_held_findings(
        &self,
        request: Request<proto::ListHeldFindingsRequest>,
    ) -> Result<Response<proto::ListHeldFindingsResponse>, Status> {
        self.unary(request, async |ctx, request| held_runs::findings(&self.app, &ctx, request).await).await
    }

    async fn approve_run(
        &self,
        request: Request<proto::ApproveRunRequest>,
    ) -> Result<Response<proto::SyncLog>, Status> {
        let language = context::language(request.metadata());
        self.unary(request, async |ctx, request| held_runs::approve(&self.app, &ctx, request, language).await)
            .await
    }

    async fn discard_run(
        &self,
        request: Request<proto::DiscardRunRequest>,
    ) -> Result<Response<proto::HeldRun>, Status> {
        self.unary(request, async |ctx, request| held_runs::discard(&self.app, &ctx, request).await).await
    }

    async fn verify_catalogue(
        &self,
        request: Request<proto::VerifyCatalogueRequest>,
    ) -> Result<Response<Self::VerifyCatalogueStream>, Status> {
        let ctx = context::of_stream(&request);
        verification::verify(&self.app, &ctx, request.into_inner()).map(Response::new).map_err(status::of)
    }

    async fn repair_catalogue(
        &self,
        request: Request<proto::RepairCatalogueRequest>,
    ) -> Result<Response<proto::SyncLog>, Status> {
        let language = context::language(request.metadata());
        self.unary(request, async |ctx, _| verification::repair(&self.app, &ctx, language).await).await
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

    async fn list_callbacks(
        &self,
        request: Request<proto::ListCallbacksRequest>,
    ) -> Result<Response<proto::ListCallbacksResponse>, Status> {
        self.unary(request, async |ctx, request| callbacks::list(&self.app, &ctx, request).await).await
    }

    async fn create_haier_config(
        &self,
        request: Request<proto::CreateHaierConfigRequest>,
    ) -> Result<Response<proto::HaierConfig>, Status> {
        self.unary(request, async |ctx, request| haier_configs::create(&self.app, &ctx, request).await).await
    }

    async fn get_haier_config(
        &self,
        request: Request<proto::GetHaierConfigRequest>,
    ) -> Result<Response<proto::HaierConfig>, Status> {
        self.unary(request, async |ctx, request| haier_configs::get(&self.app, &ctx, request).await).await
    }

    async fn list_haier_configs(
        &self,
        request: Request<proto::ListHaierConfigsRequest>,
    ) -> Result<Response<proto::ListHaierConfigsResponse>, Status> {
        self.unary(request, async |ctx, request| haier_configs::list(&self.app, &ctx, request).await).await
    }

    async fn update_haier_config(
        &self,
        request: Request<proto::UpdateHaierConfigRequest>,
    ) -> Result<Response<proto::HaierConfig>, Status> {
        self.unary(request, async |ctx, request| haier_configs::update(&self.app, &ctx, request).await).await
    }

    async fn delete_haier_config(
        &self,
        request: Request<proto::DeleteHaierConfigRequest>,
    ) -> Result<Response<proto::DeleteHaierConfigResponse>, Status> {
        self.unary(request, async |ctx, request| haier_configs::delete(&self.app, &ctx, request).await).await
    }

    async fn activate_haier_config(
        &self,
        request: Request<proto::ActivateHaierConfigRequest>,
    ) -> Result<Response<proto::ActivateHaierConfigResponse>, Status> {
        self.unary(request, async |ctx, request| haier_configs::activate(&self.app, &ctx, request).await)
            .await
    }

    async fn deactivate_haier_config(
        &self,
        request: Request<proto::DeactivateHaierConfigRequest>,
    ) -> Result<Response<proto::HaierConfig>, Status> {
        self.unary(request, async |ctx, request| haier_configs::deactivate(&self.app, &ctx, request).await)
            .await
    }

    async fn test_haier_config(
        &self,
        request: Request<proto::TestHaierConfigRequest>,
    ) -> Result<Response<proto::TestHaierConfigResponse>, Status> {
        self.unary(request, async |ctx, request| haier_configs::test(&self.app, &ctx, request).await).await
    }

    async fn list_keys(
        &self,
        request: Request<proto::ListKeysRequest>,
    ) -> Result<Response<proto::ListKeysResponse>, Status> {
        self.unary(request, async |ctx, _| keys::list(&self.app, &ctx).await).await
    }

    async fn rotate_keys(
        &self,
        request: Request<proto::RotateKeysRequest>,
    ) -> Result<Response<Self::RotateKeysStream>, Status> {
        let rotation = self.app.keys_rotate(&context::of_stream(&request)).map_err(status::of)?;
        Ok(Response::new(keys::stream(rotation)))
    }
}
