//! The feed of products, and how a product's prices and stock came about, on the wire.

use std::{pin::Pin, sync::Arc};

use tokio_stream::Stream;
use tonic::Status;

use super::{
    convert::timestamp,
    products::encode as product,
    requests::{page_size, product_code},
    status,
};
use crate::{
    app::{App, Ctx, FeedEntry, FeedWatch, Place},
    domain::{
        product_changes::{ChangeKind, FieldChange, FieldHistory, ProductChange},
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

const DEFAULT_PAGE_SIZE: i64 = 100;

pub(super) type ChangesStream =
    Pin<Box<dyn Stream<Item = std::result::Result<proto::WatchProductChangesResponse, Status>> + Send>>;

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListProductChangesRequest,
) -> Result<proto::ListProductChangesResponse> {
    let mut violations = Violations::default();
    let after = place::<ProductChange>("after", &request.after, &mut violations);
    let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, &mut violations);
    let (after, size) = violations.into_result((after, size)).map_err(Error::Invalid)?;
    let page = app.product_changes_list(ctx, after, size).await?;
    Ok(proto::ListProductChangesResponse {
        changes: page.entries.iter().map(|entry| encode(entry, page.cursor_after(entry))).collect(),
        cursor: page.cursor,
        has_more: page.has_more,
    })
}

pub(super) async fn watch(
    app: &Arc<App>,
    ctx: &Ctx,
    request: &proto::WatchProductChangesRequest,
) -> Result<ChangesStream> {
    let mut violations = Violations::default();
    let after = place::<ProductChange>("after", &request.after, &mut violations);
    let after = violations.into_result(after).map_err(Error::Invalid)?;
    Ok(stream(app.product_changes_watch(ctx, after).await?))
}

fn stream(mut watch: FeedWatch<ProductChange>) -> ChangesStream {
    Box::pin(async_stream::try_stream! {
        loop {
            let batch = watch.next().await.map_err(status::of)?;
            let encode = |entry| encode(entry, batch.cursor_after(entry));
            let changes = batch.entries().iter().map(encode).collect();
            yield proto::WatchProductChangesResponse { changes, cursor: batch.cursor };
        }
    })
}

pub(super) async fn explain(
    app: &App,
    ctx: &Ctx,
    request: proto::ExplainProductRequest,
) -> Result<proto::ExplainProductResponse> {
    let mut violations = Violations::default();
    let code = product_code(&request.product_code, &mut violations);
    let code = violations.into_result(code).map_err(Error::Invalid)?;
    // Without a violation there is a code.
    let code = code.ok_or_else(|| Error::Internal("a code neither read nor refused".into()))?;
    let explained = app.product_explain(ctx, code).await?;
    Ok(proto::ExplainProductResponse {
        product: Some(product(&explained.product)),
        stored_at: Some(timestamp(explained.stored.at)),
        stored_by: explained.stored.sync_log_id.unwrap_or_default(),
        fields: explained.fields.into_iter().map(history).collect(),
    })
}

/// The place that a cursor names; an empty one names none.
pub(super) fn place<T: FeedEntry>(field: &str, cursor: &str, violations: &mut Violations) -> Option<Place> {
    if cursor.is_empty() {
        return None;
    }
    let place = T::place(cursor);
    if place.is_none() {
        violations.add(field, "is no cursor of this feed; pass one unchanged as it came, or leave it empty");
    }
    place
}

fn encode(change: &ProductChange, cursor: String) -> proto::ProductChange {
    let kind = match change.kind {
        ChangeKind::Loaded => proto::ProductChangeKind::Loaded,
        ChangeKind::New => proto::ProductChangeKind::New,
        ChangeKind::Changed => proto::ProductChangeKind::Changed,
        ChangeKind::Delisted => proto::ProductChangeKind::Delisted,
        ChangeKind::Returned => proto::ProductChangeKind::Returned,
    };
    proto::ProductChange {
        cursor,
        kind: kind.into(),
        product_code: change.code.as_ref().map(|code| code.as_str().to_owned()).unwrap_or_default(),
        changes: change.changes.iter().map(field).collect(),
        product_count: change.products,
        changed_at: Some(timestamp(change.origin.at)),
        sync_log_id: change.origin.sync_log_id.unwrap_or_default(),
    }
}

/// A change that is not in the feed.
pub(super) fn would_change(change: &ProductChange) -> proto::ProductChange {
    proto::ProductChange { changed_at: None, ..encode(change, String::new()) }
}

pub(super) fn field(change: &FieldChange) -> proto::FieldChange {
    let FieldChange { field, old, new } = change.clone();
    proto::FieldChange { field, old, new }
}

fn history(history: FieldHistory) -> proto::FieldHistory {
    proto::FieldHistory {
        field: history.field,
        value: history.value,
        before: history.before,
        since: history.origin.map(|origin| timestamp(origin.at)),
        sync_log_id: history.origin.and_then(|origin| origin.sync_log_id).unwrap_or_default(),
    }
}
