//! Comparing the stored copy with Haier's catalogue, on the wire.

use std::{pin::Pin, sync::Arc};

use tokio_stream::Stream;
use tonic::Status;

use super::{
    product_changes::would_change,
    status,
    sync_logs::{encode, encode_failure, encode_wait, waited},
};
use crate::{
    app::{App, Compared, Comparison, Ctx, STANDARD_SAMPLE, Verification},
    domain::{messages::Language, violations::Violations},
    error::{Error, Result},
    proto,
};

const LARGEST_SAMPLE: i32 = 10_000;

pub(super) type VerificationStream =
    Pin<Box<dyn Stream<Item = std::result::Result<proto::VerifyCatalogueResponse, Status>> + Send>>;

pub(super) fn verify(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::VerifyCatalogueRequest,
) -> Result<VerificationStream> {
    let mut violations = Violations::default();
    let sample = match request.price_sample_size {
        None => STANDARD_SAMPLE,
        Some(size) => {
            if !(0..=LARGEST_SAMPLE).contains(&size) {
                violations.add("price_sample_size", format!("is {size}; 0 to {LARGEST_SAMPLE} is allowed"));
            }
            u32::try_from(size).unwrap_or_default()
        }
    };
    let sample = violations.into_result(sample).map_err(Error::Invalid)?;
    Ok(stream(app.catalogue_verify(ctx, sample)?))
}

fn stream(mut verification: Verification) -> VerificationStream {
    Box::pin(async_stream::try_stream! {
        while let Some(compared) = verification.next().await.map_err(status::of)? {
            yield match compared {
                Compared::Piece(mut preview) => proto::VerifyCatalogueResponse {
                    wait: preview.wait.take().map(encode_wait),
                    changes: preview.changes.iter().map(would_change).collect(),
                    failures: preview.failures.into_iter().map(encode_failure).collect(),
                    comparison: None,
                },
                Compared::Sum(sum) => proto::VerifyCatalogueResponse {
                    comparison: Some(encode_sum(sum)),
                    ..Default::default()
                },
            };
        }
    })
}

pub(super) async fn repair(app: &Arc<App>, ctx: &Ctx, language: Language) -> Result<proto::SyncLog> {
    let id = app.catalogue_repair(ctx).await?;
    Ok(encode(app.sync_log_fetch(ctx, id).await?, language))
}

fn encode_sum(sum: Comparison) -> proto::CatalogueComparison {
    proto::CatalogueComparison {
        listed_count: sum.listed,
        missing_count: sum.missing,
        surplus_count: sum.surplus,
        differing_count: sum.differing,
        sampled_count: sum.sampled,
        differing_price_count: sum.prices,
        failed_count: sum.failed,
        reason: sum.reason.as_str().to_owned(),
        detail: sum.detail,
        waited: waited(sum.waited),
    }
}
