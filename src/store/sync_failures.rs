//! The codes a run could not sync.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
    TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;

use super::{
    Conn, Error, Result,
    instant::At,
    on,
    schema::{products, sync_failures},
    sync_logs::unknown,
};
use crate::{
    domain::{
        pages::{Page, PageRequest},
        products::ProductCode,
        reasons::Reason,
        stock::CountyCode,
        sync_logs::{Stage, SyncFailure},
    },
    redact::redact,
};

/// PostgreSQL takes 65,535 values a statement, and a row has eleven.
const ROWS_A_STATEMENT: usize = 1_000;

/// A code that failed, as the run's writer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFailure {
    /// The code, or `#N`.
    pub product_code: String,
    /// Where.
    pub stage: Stage,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub detail: String,
    /// County asked for, where that matters.
    pub county: Option<CountyCode>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sync_failures)]
struct FailureRow {
    sync_log_id: i64,
    seq: i64,
    product_code: String,
    stage: String,
    reason: String,
    detail: String,
    attempt: i64,
    county_code: String,
    category: String,
    brand: String,
    created_at: At,
}

impl TryFrom<FailureRow> for SyncFailure {
    type Error = Error;

    fn try_from(row: FailureRow) -> Result<Self> {
        Ok(Self {
            seq: row.seq,
            product_code: row.product_code,
            stage: Stage::parse(&row.stage).ok_or_else(|| unknown("stage", &row.stage))?,
            reason: Reason::parse(&row.reason).ok_or_else(|| unknown("reason", &row.reason))?,
            detail: row.detail,
            attempt: row.attempt,
            county_code: row.county_code,
            category: row.category,
            brand: row.brand,
            created_at: row.created_at.into(),
        })
    }
}

/// Adds failures of a run after its first `so_far`, leaving out codes that have one already; returns how many it added.
///
/// # Errors
/// When the database does not answer.
pub async fn append(
    conn: &mut Conn,
    log_id: i64,
    attempt: i64,
    so_far: i64,
    failures: Vec<NewFailure>,
    now: DateTime<Utc>,
) -> Result<i64> {
    let codes: Vec<&str> = failures.iter().map(|failure| failure.product_code.as_str()).collect();
    let known: HashSet<String> = on!(conn, |c| sync_failures::table
        .filter(sync_failures::sync_log_id.eq(log_id))
        .filter(sync_failures::product_code.eq_any(&codes))
        .select(sync_failures::product_code)
        .load::<String>(c)
        .await)?
    .into_iter()
    .collect();
    let stored: Vec<(String, Option<String>, Option<String>)> = on!(conn, |c| products::table
        .filter(products::product_code.eq_any(&codes))
        .select((products::product_code, products::category, products::brand))
        .load(c)
        .await)?;
    let stored: HashMap<_, _> =
        stored.into_iter().map(|(code, category, brand)| (code, (category, brand))).collect();
    let fresh = failures.into_iter().filter(|failure| !known.contains(&failure.product_code));
    let rows: Vec<FailureRow> = fresh
        .zip(so_far + 1..)
        .map(|(failure, seq)| {
            let (category, brand) = stored.get(&failure.product_code).cloned().unwrap_or_default();
            FailureRow {
                sync_log_id: log_id,
                seq,
                stage: failure.stage.as_str().to_owned(),
                reason: failure.reason.as_str().to_owned(),
                detail: redact(&failure.detail).into_owned(),
                attempt,
                county_code: failure.county.map(|county| county.as_str().to_owned()).unwrap_or_default(),
                category: category.unwrap_or_default(),
                brand: brand.unwrap_or_default(),
                product_code: failure.product_code,
                created_at: At(now),
            }
        })
        .collect();
    let added = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    match conn {
        Conn::Pg(conn) => {
            for rows in rows.chunks(ROWS_A_STATEMENT) {
                diesel::insert_into(sync_failures::table).values(rows).execute(conn).await?;
            }
        }
        Conn::Lite(conn) => {
            for row in rows {
                diesel::insert_into(sync_failures::table).values(row).execute(conn).await?;
            }
        }
    }
    Ok(added)
}

/// One page of a run's failures, in the order in which they happened.
///
/// # Errors
/// When the database does not answer.
pub async fn list(conn: &mut Conn, log_id: i64, page: &PageRequest<i64>) -> Result<Page<SyncFailure, i64>> {
    let rows: Vec<FailureRow> = on!(conn, |c| sync_failures::table
        .filter(sync_failures::sync_log_id.eq(log_id))
        .filter(sync_failures::seq.gt(page.after.unwrap_or(0)))
        .select(FailureRow::as_select())
        .order(sync_failures::seq)
        .limit(page.size + 1)
        .load(c)
        .await)?;
    let items = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<SyncFailure>>>()?;
    Ok(Page::cut(items, page.size, |failure| failure.seq))
}

/// The codes of a run that failed, in their order. Records of a listing that carried no code are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn codes(conn: &mut Conn, log_id: i64) -> Result<Vec<ProductCode>> {
    let mut codes: Vec<String> = on!(conn, |c| sync_failures::table
        .filter(sync_failures::sync_log_id.eq(log_id))
        .filter(sync_failures::product_code.not_like("#%"))
        .select(sync_failures::product_code)
        .load(c)
        .await)?;
    codes.sort_unstable();
    Ok(codes.into_iter().map(ProductCode::from_stored).collect())
}

/// The first of a run's codes that failed, in the order in which they did.
///
/// # Errors
/// When the database does not answer.
pub async fn first_codes(conn: &mut Conn, log_id: i64, limit: i64) -> Result<Vec<String>> {
    Ok(on!(conn, |c| sync_failures::table
        .filter(sync_failures::sync_log_id.eq(log_id))
        .select(sync_failures::product_code)
        .order(sync_failures::seq)
        .limit(limit)
        .load(c)
        .await)?)
}

/// How many codes of a run failed for which reason, most first.
///
/// # Errors
/// When the database does not answer.
pub async fn count_by_reason(conn: &mut Conn, log_id: i64) -> Result<Vec<(Reason, i64)>> {
    let rows: Vec<(String, i64)> = on!(conn, |c| sync_failures::table
        .filter(sync_failures::sync_log_id.eq(log_id))
        .group_by(sync_failures::reason)
        .select((sync_failures::reason, diesel::dsl::count_star()))
        .order((diesel::dsl::count_star().desc(), sync_failures::reason))
        .load(c)
        .await)?;
    rows.into_iter()
        .map(|(word, count)| Ok((Reason::parse(&word).ok_or_else(|| unknown("reason", &word))?, count)))
        .collect()
}

/// Forgets a run's failures, because it starts over.
///
/// # Errors
/// When the database does not answer.
pub async fn clear(conn: &mut Conn, log_id: i64) -> Result<()> {
    on!(conn, |c| diesel::delete(sync_failures::table.filter(sync_failures::sync_log_id.eq(log_id)))
        .execute(c)
        .await)?;
    Ok(())
}
