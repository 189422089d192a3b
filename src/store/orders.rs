//! Orders: stored once, then changed only together with their facts. Whoever changes one locks its row first.

mod rows;

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, SelectableHelper as _, dsl::exists,
};
use diesel_async::RunQueryDsl as _;
use futures_util::future;
use rows::{ItemRow, NextRow, OrderRow};
pub(super) use rows::{failure, sender, state};

use super::{
    Conn, Error, Pipeline, Result,
    conn::{ahead, each},
    instant::At,
    on, order_facts,
    schema::{order_items, order_pushes, orders},
};
use crate::domain::{
    ids::first_id_at,
    orders::{
        OrderFilter, Sender, SoId, StoredOrder,
        facts::Fact,
        sealing::{PersonalPart, SealedOrder},
    },
    pages::{Page, PageRequest},
    reasons::Reason,
    sealed::Sealed,
};

/// Stores an order without its [lines](insert_items), unless one of its number is stored; whether it was. What is personal in
/// it is stored as the part beside it.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(conn: &mut Conn, order: &StoredOrder, personal: &PersonalPart<Sealed>) -> Result<bool> {
    let given = &order.order;
    let row = (
        orders::id.eq(order.id),
        orders::so_id.eq(given.so_id.as_str()),
        orders::online_no.eq(&given.online_no),
        orders::source_system.eq(&given.source_system),
        orders::shop_name.eq(&given.shop_name),
        orders::consignee_name.eq(personal.consignee_name.as_str()),
        orders::consignee_mobile.eq(personal.consignee_mobile.as_str()),
        orders::province.eq(&given.province),
        orders::city.eq(&given.city),
        orders::area.eq(&given.area),
        orders::town.eq(&given.town),
        orders::detail_address.eq(personal.detail_address.as_str()),
        orders::remark.eq(personal.remark.as_ref().map(Sealed::as_str)),
        orders::total_amount_e4.eq(given.total_amount.e4),
        orders::distribution_time.eq(given.distribution_time.map(At)),
        orders::install_time.eq(given.install_time.map(At)),
        orders::government_order.eq(given.government_order),
        orders::requested_by.eq(&order.requested_by),
        orders::deadline_at.eq(At(order.deadline_at)),
        orders::created_at.eq(At(order.created_at)),
        orders::updated_at.eq(At(order.updated_at)),
    );
    let inserted = on!(conn, |c| diesel::insert_into(orders::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c)
        .await)?;
    Ok(inserted == 1)
}

/// Stores the lines of a new order.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_items(pipeline: &Pipeline<'_>, order: &StoredOrder) -> Result<()> {
    let items: Vec<ItemRow> = rows::items(order.id, &order.order).collect();
    each!(pipeline, &items, |item| diesel::insert_into(order_items::table).values(item));
    Ok(())
}

/// One order, if it is stored.
///
/// # Errors
/// When the database does not answer.
pub async fn find(conn: &mut Conn, so_id: &SoId) -> Result<Option<SealedOrder>> {
    let row: Option<OrderRow> = on!(conn, |c| orders::table
        .filter(orders::so_id.eq(so_id.as_str()))
        .select(OrderRow::as_select())
        .first(c)
        .await
        .optional())?;
    let rows: Vec<OrderRow> = row.into_iter().collect();
    Ok(whole(&conn.pipeline(), rows).await?.pop())
}

/// One order and its facts, and nobody else changes it until the transaction ends. The first lock of a transaction.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(conn: &mut Conn, so_id: &SoId) -> Result<Option<(SealedOrder, Vec<Fact>)>> {
    let wanted = || orders::table.filter(orders::so_id.eq(so_id.as_str()));
    let row: Option<OrderRow> = match conn {
        Conn::Pg(conn) => wanted().select(OrderRow::as_select()).for_update().first(conn).await.optional()?,
        // Transactions that may write run one after the other.
        Conn::Lite(conn) => wanted().select(OrderRow::as_select()).first(conn).await.optional()?,
    };
    let Some(row) = row else { return Ok(None) };
    // Only now: what others add until the lock is there must be among them.
    let (id, pipeline) = (row.id, conn.pipeline());
    let (items, facts) =
        future::try_join(list_items(&pipeline, &[id]), order_facts::list(&pipeline, id)).await?;
    // When something is due next is derived from the facts.
    let order = rows::whole(vec![row], items, Vec::new())?.pop();
    Ok(order.map(|order| (order, facts)))
}

/// Those of some orders that are stored, in no particular order.
///
/// # Errors
/// When the database does not answer.
pub async fn list_by_so_id(conn: &mut Conn, so_ids: &[SoId]) -> Result<Vec<SealedOrder>> {
    let so_ids: Vec<&str> = so_ids.iter().map(SoId::as_str).collect();
    let rows: Vec<OrderRow> = on!(conn, |c| orders::table
        .filter(orders::so_id.eq_any(so_ids))
        .select(OrderRow::as_select())
        .load(c)
        .await)?;
    whole(&conn.pipeline(), rows).await
}

/// When those of some orders that are stored last changed.
///
/// # Errors
/// When the database does not answer.
pub async fn list_updated_at(conn: &mut Conn, so_ids: &[SoId]) -> Result<Vec<(SoId, DateTime<Utc>)>> {
    let so_ids: Vec<&str> = so_ids.iter().map(SoId::as_str).collect();
    let rows: Vec<(String, At)> = on!(conn, |c| orders::table
        .filter(orders::so_id.eq_any(so_ids))
        .select((orders::so_id, orders::updated_at))
        .load(c)
        .await)?;
    Ok(rows.into_iter().map(|(so_id, at)| (SoId::from_stored(so_id), at.into())).collect())
}

/// One page of the orders that match, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut Conn,
    filter: &OrderFilter,
    page: &PageRequest<i64>,
) -> Result<Page<SealedOrder, i64>> {
    let rows: Vec<OrderRow> = on!(conn, |c| {
        let mut query = orders::table.select(OrderRow::as_select()).into_boxed();
        if let Some(state) = filter.state {
            query = query.filter(orders::state.eq(state.as_str()));
        }
        if let Some(so_id) = &filter.so_id {
            query = query.filter(orders::so_id.eq(so_id));
        }
        if let Some(online_no) = &filter.online_no {
            query = query.filter(orders::online_no.eq(online_no));
        }
        // The bounds on the id, which is ordered like created_at, are what finds the index range.
        if let Some(after) = filter.created_after {
            query = query.filter(orders::id.ge(first_id_at(after))).filter(orders::created_at.ge(At(after)));
        }
        if let Some(before) = filter.created_before {
            let next_millisecond = before + chrono::TimeDelta::milliseconds(1);
            query = query
                .filter(orders::id.lt(first_id_at(next_millisecond)))
                .filter(orders::created_at.lt(At(before)));
        }
        if let Some(after) = page.after {
            query = query.filter(orders::id.lt(after));
        }
        query.order(orders::id.desc()).limit(page.size + 1).load(c).await
    })?;
    Ok(Page::cut(whole(&conn.pipeline(), rows).await?, page.size, SealedOrder::id))
}

/// Orders that Haier is not known to have and that are not over, or that it called repeated, after one id, in their order.
///
/// # Errors
/// When the database does not answer.
pub async fn list_unsettled(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<(i64, SoId)>> {
    let is_open = orders::state.eq_any(["accepted", "in_doubt", "cancelling"]);
    let was_there = orders::state
        .eq("refused")
        .and(orders::error_reason.eq(Reason::OrderRepeated.as_str()).assume_not_null());
    let rows: Vec<(i64, String)> = on!(conn, |c| orders::table
        .filter(orders::id.gt(after))
        .filter(is_open.or(was_there))
        .filter(orders::haier_order_no.is_null())
        .filter(orders::retail_order_no.is_null())
        .order(orders::id)
        .limit(limit)
        .select((orders::id, orders::so_id))
        .load(c)
        .await)?;
    Ok(rows.into_iter().map(|(id, so_id)| (id, SoId::from_stored(so_id))).collect())
}

/// Binds an order to whoever sends it first, and keeps the bytes that are sent. For ever: the database holds to it.
///
/// # Errors
/// When the database does not answer, or the order is bound already.
pub async fn bind(pipeline: &Pipeline<'_>, order_id: i64, sender: &Sender, body: &Sealed) -> Result<()> {
    ahead!(pipeline, |c| diesel::update(orders::table.find(order_id))
        .set((
            orders::account.eq(&sender.account),
            orders::sender.eq(rows::sender_json(sender)),
            orders::body.eq(body.as_str()),
        ))
        .execute(c)
        .await)?;
    Ok(())
}

/// The sealed bytes that an order is sent as. `None`: it never was.
///
/// # Errors
/// When the database does not answer.
pub async fn find_body(pipeline: &Pipeline<'_>, order_id: i64) -> Result<Option<Sealed>> {
    let body: Option<String> =
        ahead!(pipeline, |c| orders::table.find(order_id).select(orders::body).first(c).await)?;
    Ok(body.map(Sealed::from_stored))
}

/// Puts a value sealed anew in place of the one that was read; how many were replaced, at most one.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn replace_sealed(
    conn: &mut Conn,
    order_id: i64,
    field: &str,
    read: &Sealed,
    anew: &Sealed,
) -> Result<usize> {
    macro_rules! replace {
        ($column:ident) => {
            on!(conn, |c| diesel::update(
                orders::table.find(order_id).filter(orders::$column.eq(read.as_str()))
            )
            .set(orders::$column.eq(anew.as_str()))
            .execute(c)
            .await)?
        };
    }
    Ok(match field {
        "body" => replace!(body),
        "consignee_mobile" => replace!(consignee_mobile),
        "consignee_name" => replace!(consignee_name),
        "detail_address" => replace!(detail_address),
        "remark" => replace!(remark),
        _ => 0,
    })
}

/// An order of this account that is open: something is to be done with it still, or Haier's word on it is awaited.
///
/// # Errors
/// When the database does not answer.
pub async fn find_open_of_account(conn: &mut Conn, account: &str) -> Result<Option<SoId>> {
    let awaited = ["accepted", "in_doubt", "pushed", "cancelling"];
    let due = order_pushes::table.filter(order_pushes::order_id.eq(orders::id));
    let open = orders::table
        .filter(orders::account.eq(account))
        .filter(orders::state.eq_any(awaited).or(exists(due)))
        .select(orders::so_id);
    let so_id: Option<String> = on!(conn, |c| open.first(c).await.optional())?;
    Ok(so_id.map(SoId::from_stored))
}

/// Stores where an order stands.
///
/// # Errors
/// When the database does not answer.
pub async fn update_summary(pipeline: &Pipeline<'_>, order: &StoredOrder) -> Result<()> {
    let summary = &order.summary;
    let error = summary.last_error.as_ref();
    ahead!(pipeline, |c| diesel::update(orders::table.find(order.id))
        .set((
            orders::state.eq(summary.state.as_str()),
            orders::retail_order_no.eq(&summary.retail_order_no),
            orders::haier_order_no.eq(&summary.haier_order_no),
            orders::error_reason.eq(error.map(|error| error.reason.as_str())),
            orders::error_words.eq(error.map(|error| error.words.as_str())),
            orders::in_doubt.eq(summary.in_doubt),
            orders::told_times.eq(rows::told_json(summary.told)),
            orders::sync_log_id.eq(order.sync_log_id),
            orders::deadline_at.eq(At(order.deadline_at)),
            orders::updated_at.eq(At(order.updated_at)),
        ))
        .execute(c)
        .await)?;
    Ok(())
}

/// Rows with their lines and the times of their next attempts.
async fn whole(pipeline: &Pipeline<'_>, rows: Vec<OrderRow>) -> Result<Vec<SealedOrder>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let next = async {
        let next: Vec<NextRow> = ahead!(pipeline, |c| order_pushes::table
            .filter(order_pushes::order_id.eq_any(&ids))
            .select((
                order_pushes::order_id,
                order_pushes::next_attempt_at,
                order_pushes::worker.is_not_null(),
                order_pushes::deferred_reason,
                order_pushes::deferred_words,
            ))
            .load(c)
            .await)?;
        Ok::<_, Error>(next)
    };
    let (items, next) = future::try_join(list_items(pipeline, &ids), next).await?;
    rows::whole(rows, items, next)
}

async fn list_items(pipeline: &Pipeline<'_>, order_ids: &[i64]) -> Result<Vec<ItemRow>> {
    Ok(ahead!(pipeline, |c| order_items::table
        .filter(order_items::order_id.eq_any(order_ids))
        .order((order_items::order_id, order_items::line))
        .select(ItemRow::as_select())
        .load(c)
        .await)?)
}
