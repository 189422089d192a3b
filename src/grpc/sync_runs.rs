//! Starting runs and streaming their progress.

use std::sync::Arc;

use tonic::Status;

use super::{
    ProgressStream,
    convert::duration,
    product_changes::would_change,
    requests::{county_code, optional_text, product_codes},
    status,
    sync_logs::{encode_failure, encode_status, encode_wait},
};
use crate::{
    app::{App, Ctx, Preview, Progress, SyncPreview, SyncWatch},
    domain::{
        messages::{self, Language},
        sync_logs::{SyncStatus, SyncType},
        sync_runs::SyncRequest,
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

/// Stores the run and follows it, or only says what it would change.
pub(super) async fn start(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::SyncProductsRequest,
    language: Language,
) -> std::result::Result<ProgressStream, Status> {
    let started = async {
        let (kind, run) = decode(&request)?;
        if request.validate_only {
            return Ok(preview(app.sync_preview(ctx, kind, run)?, language));
        }
        let id = app.sync_start(ctx, kind, run).await?;
        Ok(stream(app.sync_watch(ctx, id).await?, language))
    };
    started.await.map_err(status::of)
}

/// Stores a run over what failed in another one and follows it.
pub(super) async fn retry(app: &Arc<App>, ctx: &Ctx, log_id: i64) -> std::result::Result<SyncWatch, Status> {
    let started = async {
        let id = app.sync_retry(ctx, log_id).await?;
        app.sync_watch(ctx, id).await
    };
    started.await.map_err(status::of)
}

fn decode(request: &proto::SyncProductsRequest) -> Result<(SyncType, SyncRequest)> {
    let mut violations = Violations::default();
    let kind = kind(request.kind, &mut violations);
    let county = county_code(&request.county_code, &mut violations);
    let mut codes = product_codes(&request.product_codes, &mut violations);
    codes.sort_unstable();
    let run = SyncRequest {
        repair: false,
        codes,
        category: optional_text("category", &request.category, &mut violations),
        brand: optional_text("brand", &request.brand, &mut violations),
        assign_category: optional_text("assign_category", &request.assign_category, &mut violations),
        assign_brand: optional_text("assign_brand", &request.assign_brand, &mut violations),
        prices: request.sync_prices || kind == SyncType::Prices,
        stock: (request.sync_stock || kind == SyncType::Stock).then_some(county),
        approved: false,
        verify: None,
        only_new: false,
        only_new_stock: false,
        due: None,
        tried: 0,
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
    if kind != SyncType::Products {
        for (field, given) in [
            ("assign_category", run.assign_category.is_some()),
            ("assign_brand", run.assign_brand.is_some()),
            ("sync_prices", request.sync_prices && kind == SyncType::Stock),
            ("sync_stock", request.sync_stock && kind == SyncType::Prices),
        ] {
            if given {
                violations.add(field, "goes only with kind SYNC_TYPE_PRODUCTS");
            }
        }
    }
    violations.into_result((kind, run)).map_err(Error::Invalid)
}

/// What a run may be about: the catalogue, or only prices or stock of what is stored.
fn kind(number: i32, violations: &mut Violations) -> SyncType {
    match proto::SyncType::try_from(number) {
        Ok(proto::SyncType::Unspecified | proto::SyncType::Products) => SyncType::Products,
        Ok(proto::SyncType::Prices) => SyncType::Prices,
        Ok(proto::SyncType::Stock) => SyncType::Stock,
        _ => {
            let allowed = "SYNC_TYPE_PRODUCTS (or nothing), SYNC_TYPE_PRICES and SYNC_TYPE_STOCK";
            violations.add("kind", format!("{number} cannot be synced; allowed are {allowed}"));
            SyncType::Products
        }
    }
}

/// The progress of a run as a stream that ends with the run.
pub(super) fn stream(mut watch: SyncWatch, language: Language) -> ProgressStream {
    Box::pin(async_stream::try_stream! {
        while let Some(progress) = watch.next().await.map_err(status::of)? {
            yield encode(&progress, language);
        }
    })
}

fn preview(mut previews: SyncPreview, language: Language) -> ProgressStream {
    Box::pin(async_stream::try_stream! {
        while let Some(preview) = previews.next().await.map_err(status::of)? {
            yield encode_preview(preview, language);
        }
    })
}

fn encode_preview(preview: Preview, language: Language) -> proto::SyncProgress {
    let Preview { stage, counts, planned, changes, failures, wait, end } = preview;
    let status = end.as_ref().map_or(SyncStatus::Processing, |end| SyncStatus::at_end(end.reason, counts));
    proto::SyncProgress {
        sync_log_id: 0,
        stage: stage.map(|stage| stage.as_str().to_owned()).unwrap_or_default(),
        status: encode_status(status).into(),
        planned_count: planned,
        total_count: counts.total,
        success_count: counts.success,
        failed_count: counts.failed,
        rate: 0.0,
        remaining: None,
        message: match (&end, &wait) {
            (Some(end), _) => end.render(language),
            (None, Some(wait)) => wait.render(language),
            (None, None) => String::new(),
        },
        changes: changes.iter().map(would_change).collect(),
        failures: failures.into_iter().map(encode_failure).collect(),
        wait: wait.map(encode_wait),
    }
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
        message: match (&log.end, &log.wait) {
            (Some(end), _) => end.render(language),
            (None, Some(wait)) => wait.render(language),
            (None, None) if progress.waits => messages::waiting(language),
            (None, None) => String::new(),
        },
        changes: Vec::new(),
        failures: Vec::new(),
        wait: log.wait.clone().map(encode_wait),
    }
}
