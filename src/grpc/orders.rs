//! Orders on the wire.

mod decode;
mod encode;

use std::{pin::Pin, sync::Arc};

use chrono::TimeDelta;
use tokio_stream::Stream;
use tonic::Status;

use super::{
    product_changes::place,
    requests::{instant, optional_text, page_size, span},
    status,
};
use crate::{
    app::{App, Ctx, OrderWatch, OrderWish, page_tokens},
    domain::{
        orders::{OrderChange, OrderFilter, SoId, StoredOrder, check::is_end_of_day, facts::ResolvedOutcome},
        pages::PageRequest,
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

const DEFAULT_PAGE_SIZE: i64 = 100;
/// Most orders that `BatchGetOrders` reads.
const MAX_BATCH: usize = 1_000;
/// Most orders whose couriers Haier can be asked for in one call.
const MAX_COURIERS: usize = 100;
/// Longest wait for an outcome.
const MAX_WAIT: TimeDelta = TimeDelta::minutes(5);
/// What Haier is told where the caller says nothing.
const DEFAULT_CANCEL_REASON: &str = "商家取消";

pub(super) type OrderStream =
    Pin<Box<dyn Stream<Item = std::result::Result<proto::OrderResponse, Status>> + Send>>;
pub(super) type OrderChangesStream =
    Pin<Box<dyn Stream<Item = std::result::Result<proto::WatchOrderChangesResponse, Status>> + Send>>;

pub(super) async fn push(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::PushOrderRequest,
) -> Result<proto::OrderResponse> {
    let mut violations = Violations::default();
    let order = match request.order {
        Some(order) => decode::draft(order, &mut violations).check(&mut violations),
        None => {
            violations.add("order", "is required");
            None
        }
    };
    let wait = span("wait", request.wait.as_ref(), &mut violations).unwrap_or_default();
    if wait > MAX_WAIT {
        violations.add("wait", "must be at most 5 minutes");
    }
    // Without a fault there is an order.
    let Some(order) = violations.into_result(order).map_err(Error::Invalid)? else {
        return Err(Error::Invalid(Vec::new()));
    };
    app.order_push(ctx, order, wait).await.map(response)
}

pub(super) async fn get(
    app: &App,
    ctx: &Ctx,
    request: proto::GetOrderRequest,
) -> Result<proto::OrderResponse> {
    app.order_fetch(ctx, &required_so_id(&request.so_id)?).await.map(response)
}

pub(super) async fn batch_get(
    app: &App,
    ctx: &Ctx,
    request: proto::BatchGetOrdersRequest,
) -> Result<proto::BatchGetOrdersResponse> {
    let found = app.orders_get(ctx, required_so_ids(&request.so_ids, MAX_BATCH)?).await?;
    Ok(proto::BatchGetOrdersResponse {
        orders: found.orders.into_iter().map(encode::order).collect(),
        missing_so_ids: found.missing.iter().map(ToString::to_string).collect(),
    })
}

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListOrdersRequest,
) -> Result<proto::ListOrdersResponse> {
    let mut violations = Violations::default();
    let filter = OrderFilter {
        state: decode::state(request.state, &mut violations),
        so_id: optional_text("so_id", &request.so_id, &mut violations),
        online_no: optional_text("online_no", &request.online_no, &mut violations),
        created_after: instant("created_after", request.created_after.as_ref(), &mut violations),
        created_before: instant("created_before", request.created_before.as_ref(), &mut violations),
    };
    if let (Some(after), Some(before)) = (filter.created_after, filter.created_before)
        && before < after
    {
        violations.add(
            "created_before",
            format!("{before} is before created_after {after}: the range is reversed"),
        );
    }
    let bound = (
        "orders",
        filter.state,
        &filter.so_id,
        &filter.online_no,
        filter.created_after,
        filter.created_before,
    );
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_PAGE_SIZE, &mut violations),
        after: page_tokens::decode::<i64>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.orders_list(ctx, &filter, &page).await?;
    Ok(proto::ListOrdersResponse {
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
        orders: answer.items.into_iter().map(encode::order).collect(),
    })
}

pub(super) async fn watch(
    app: &Arc<App>,
    ctx: &Ctx,
    request: &proto::WatchOrderRequest,
) -> Result<OrderStream> {
    let mut watch: OrderWatch = app.order_watch(ctx, required_so_id(&request.so_id)?).await?;
    Ok(Box::pin(async_stream::try_stream! {
        loop {
            yield response(watch.next().await.map_err(status::of)?);
        }
    }))
}

pub(super) async fn facts(
    app: &App,
    ctx: &Ctx,
    request: proto::ListOrderFactsRequest,
) -> Result<proto::ListOrderFactsResponse> {
    let mut violations = Violations::default();
    let so_id = decode::so_id("so_id", &request.so_id, &mut violations);
    let bound = ("order_facts", &request.so_id);
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_PAGE_SIZE, &mut violations),
        after: page_tokens::decode::<i64>(&bound, &request.page_token, &mut violations),
    };
    let answer = app.order_facts_list(ctx, &decoded(violations, so_id)?, &page).await?;
    Ok(proto::ListOrderFactsResponse {
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
        facts: answer.items.into_iter().map(|(_, fact)| encode::fact(fact)).collect(),
    })
}

pub(super) async fn cancel(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::CancelOrderRequest,
) -> Result<proto::OrderResponse> {
    let mut violations = Violations::default();
    let so_id = decode::so_id("so_id", &request.so_id, &mut violations);
    let reason = optional_text("reason", &request.reason, &mut violations);
    let so_id = decoded(violations, so_id)?;
    let reason = reason.unwrap_or_else(|| DEFAULT_CANCEL_REASON.to_owned());
    app.order_wish(ctx, so_id, OrderWish::Cancel { reason }).await.map(response)
}

pub(super) async fn reschedule(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::RescheduleOrderRequest,
) -> Result<proto::OrderResponse> {
    let mut violations = Violations::default();
    let so_id = decode::so_id("so_id", &request.so_id, &mut violations);
    let mut time = |field: &str, time: Option<&prost_types::Timestamp>| {
        let time = instant(field, time, &mut violations)?;
        if let Err(fault) = is_end_of_day(time) {
            violations.add(field, fault);
        }
        Some(time)
    };
    let distribution_time = time("distribution_time", request.distribution_time.as_ref());
    let install_time = time("install_time", request.install_time.as_ref());
    if request.distribution_time.is_none() && request.install_time.is_none() {
        violations.add("distribution_time", "is required unless install_time is given");
    }
    let so_id = decoded(violations, so_id)?;
    app.order_wish(ctx, so_id, OrderWish::Reschedule { distribution_time, install_time }).await.map(response)
}

pub(super) async fn retry(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::RetryOrderRequest,
) -> Result<proto::OrderResponse> {
    app.order_wish(ctx, required_so_id(&request.so_id)?, OrderWish::Retry).await.map(response)
}

pub(super) async fn resolve(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::ResolveOrderRequest,
) -> Result<proto::OrderResponse> {
    let mut violations = Violations::default();
    let so_id = decode::so_id("so_id", &request.so_id, &mut violations);
    let outcome = decode::outcome(request.outcome, &mut violations);
    let evidence = optional_text("evidence", &request.evidence, &mut violations);
    if request.evidence.trim().is_empty() {
        violations
            .add("evidence", "is required: say how it was found out, e.g. \"asked Haier by phone, 10:30\"");
    }
    let retail_order_no = optional_text("retail_order_no", &request.retail_order_no, &mut violations);
    if retail_order_no.is_some() && outcome != Some(ResolvedOutcome::Booked) {
        violations.add("retail_order_no", "goes only with ORDER_OUTCOME_BOOKED");
    }
    let (so_id, outcome) = decoded(violations, so_id.zip(outcome))?;
    let evidence = evidence.unwrap_or_default();
    app.order_wish(ctx, so_id, OrderWish::Resolve { outcome, evidence, retail_order_no }).await.map(response)
}

pub(super) async fn reconcile(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::ReconcileOrdersRequest,
) -> Result<proto::ReconcileOrdersResponse> {
    let order_count = app.orders_reconcile(ctx, request.validate_only).await?;
    Ok(proto::ReconcileOrdersResponse { order_count })
}

pub(super) async fn changes(
    app: &App,
    ctx: &Ctx,
    request: proto::ListOrderChangesRequest,
) -> Result<proto::ListOrderChangesResponse> {
    let mut violations = Violations::default();
    let after = place::<OrderChange>("cursor", &request.cursor, &mut violations);
    let size = page_size(request.page_size, DEFAULT_PAGE_SIZE, &mut violations);
    let (after, size) = violations.into_result((after, size)).map_err(Error::Invalid)?;
    let page = app.order_changes_list(ctx, after, size).await?;
    Ok(proto::ListOrderChangesResponse {
        changes: page.entries.iter().map(|entry| encode::change(entry, page.cursor_after(entry))).collect(),
        next_cursor: page.cursor,
        head_cursor: page.head,
    })
}

pub(super) async fn watch_changes(
    app: &Arc<App>,
    ctx: &Ctx,
    request: &proto::WatchOrderChangesRequest,
) -> Result<OrderChangesStream> {
    let mut violations = Violations::default();
    let after = place::<OrderChange>("cursor", &request.cursor, &mut violations);
    let after = violations.into_result(after).map_err(Error::Invalid)?;
    let mut watch = app.order_changes_watch(ctx, after).await?;
    Ok(Box::pin(async_stream::try_stream! {
        loop {
            let batch = watch.next().await.map_err(status::of)?;
            let encode = |entry| encode::change(entry, batch.cursor_after(entry));
            let changes = batch.entries().iter().map(encode).collect();
            yield proto::WatchOrderChangesResponse { changes, cursor: batch.cursor };
        }
    }))
}

pub(super) async fn photos(
    app: &App,
    ctx: &Ctx,
    request: proto::ListDeliveryPhotosRequest,
) -> Result<proto::ListDeliveryPhotosResponse> {
    let photos = app.order_photos(ctx, &required_so_id(&request.so_id)?).await?;
    Ok(proto::ListDeliveryPhotosResponse { photos: photos.into_iter().map(encode::photo).collect() })
}

pub(super) async fn couriers(
    app: &App,
    ctx: &Ctx,
    request: proto::ListCourierNumbersRequest,
) -> Result<proto::ListCourierNumbersResponse> {
    let found = app.order_couriers(ctx, required_so_ids(&request.so_ids, MAX_COURIERS)?).await?;
    Ok(proto::ListCourierNumbersResponse {
        deliveries: found.deliveries.into_iter().map(encode::delivery).collect(),
        unknown_so_ids: found.unknown.iter().map(ToString::to_string).collect(),
    })
}

fn response(order: StoredOrder) -> proto::OrderResponse {
    proto::OrderResponse { order: Some(encode::order(order)) }
}

fn required_so_id(text: &str) -> Result<SoId> {
    let mut violations = Violations::default();
    let so_id = decode::so_id("so_id", text, &mut violations);
    decoded(violations, so_id)
}

fn required_so_ids(texts: &[String], most: usize) -> Result<Vec<SoId>> {
    let mut violations = Violations::default();
    let so_ids = decode::so_ids(texts, most, &mut violations);
    violations.into_result(so_ids).map_err(Error::Invalid)
}

/// What was decoded; it is there unless something was noted.
fn decoded<T>(violations: Violations, value: Option<T>) -> Result<T> {
    violations.into_result(value).map_err(Error::Invalid)?.ok_or_else(|| Error::Invalid(Vec::new()))
}
