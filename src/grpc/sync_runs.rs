//! Starting runs and streaming their progress.

use std::sync::Arc;

use tonic::Status;

use super::{
    ProgressStream,
    convert::duration,
    requests::{optional_text, product_codes},
    status,
    sync_logs::encode_status,
};
use crate::{
    app::{App, Ctx, Progress, SyncWatch},
    domain::{messages::Language, sync_runs::SyncRequest, violations::Violations},
    error::{Error, Result},
    proto,
};

/// Stores the run and follows it.
pub(super) async fn start(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::SyncProductsRequest,
) -> std::result::Result<SyncWatch, Status> {
    let started = async {
        let id = app.sync_start(ctx, decode(&request)?).await?;
        app.sync_watch(ctx, id).await
    };
    started.await.map_err(status::of)
}

fn decode(request: &proto::SyncProductsRequest) -> Result<SyncRequest> {
    let mut violations = Violations::default();
    let mut codes = product_codes(&request.product_codes, &mut violations);
    codes.sort_unstable();
    let run = SyncRequest {
        codes,
        category: optional_text("category", &request.category, &mut violations),
        brand: optional_text("brand", &request.brand, &mut violations),
        assign_category: optional_text("assign_category", &request.assign_category, &mut violations),
        assign_brand: optional_text("assign_brand", &request.assign_brand, &mut violations),
        prices: request.sync_prices,
    };
    let selects = run.category.is_some() || run.brand.is_some();
    let by_code = !request.product_codes.is_empty();
    if by_code && selects {
        violations.add("product_codes", "cannot be given together with category or brand");
    }
    for (field, assigned) in [("assign_category", &run.assign_category), ("assign_brand", &run.assign_brand)]
    {
        if assigned.is_some() && !by_code && !selects {
            violations
                .add(field, "needs product_codes, category or brand: it is never set on the whole catalogue");
        }
    }
    violations.into_result(run).map_err(Error::Invalid)
}

/// The progress of a run as a stream that ends with the run.
pub(super) fn stream(mut watch: SyncWatch, language: Language) -> ProgressStream {
    Box::pin(async_stream::try_stream! {
        while let Some(progress) = watch.next().await.map_err(status::of)? {
            yield encode(&progress, language);
        }
    })
}

fn encode(progress: &Progress, language: Language) -> proto::SyncProgress {
    let log = &progress.log;
    proto::SyncProgress {
        sync_log_id: log.id,
        stage: progress.stage.map(|stage| stage.as_str().to_owned()).unwrap_or_default(),
        status: encode_status(log.status).into(),
        planned_count: log.planned_count,
        total_count: log.counts.total,
        success_count: log.counts.success,
        failed_count: log.counts.failed,
        rate: progress.rate,
        remaining: progress.remaining.map(duration),
        message: log.end.as_ref().map(|end| end.render(language)).unwrap_or_default(),
    }
}
