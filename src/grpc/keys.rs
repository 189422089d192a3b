//! The keys that seal what is stored, on the wire: never a key.

use std::pin::Pin;

use tokio_stream::Stream;
use tonic::Status;

use super::status;
use crate::{
    app::{App, Ctx, KeyRotation, KeyUse, RotationProgress},
    error::Result,
    proto,
};

pub(super) type RotationStream =
    Pin<Box<dyn Stream<Item = std::result::Result<proto::RotateKeysProgress, Status>> + Send>>;

pub(super) async fn list(app: &App, ctx: &Ctx) -> Result<proto::ListKeysResponse> {
    let keys = app.keys_list(ctx).await?;
    Ok(proto::ListKeysResponse { keys: keys.into_iter().map(encode).collect() })
}

/// The progress of a rotation, which goes on for as long as somebody reads it.
pub(super) fn stream(mut rotation: KeyRotation) -> RotationStream {
    Box::pin(async_stream::try_stream! {
        while let Some(progress) = rotation.next().await.map_err(status::of)? {
            yield encode_progress(progress);
        }
    })
}

fn encode(key: KeyUse) -> proto::Key {
    proto::Key { id: key.id, primary: key.primary, sealed_count: key.sealed_count, missing: key.missing }
}

fn encode_progress(progress: RotationProgress) -> proto::RotateKeysProgress {
    proto::RotateKeysProgress {
        key_id: progress.key_id,
        resealed_count: progress.resealed,
        failed_count: progress.failed,
        remaining_count: progress.remaining,
    }
}
