//! What runs have set aside, product by product.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
    sql_types::{Array, BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Conn, Error, Result,
    instant::{At, Instant},
    on,
    schema::held_findings,
    sync_logs::unknown,
};
use crate::domain::{
    decimal::Money,
    held_runs::{FindingKind, HeldFinding},
    product_changes::FieldChange,
    products::{PriceRecord, ProductCode},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = held_findings)]
struct FindingRow {
    product_code: String,
    asked_at: At,
    answer: Option<serde_json::Value>,
    changes: serde_json::Value,
}

/// A price record as it is kept; its code and its instant are columns.
#[derive(Serialize, Deserialize)]
struct Answer {
    supply_price_e4: Option<i64>,
    invoice_price_e4: Option<i64>,
    market_price_e4: Option<i64>,
    rebate_money_e4: Option<i64>,
    stock_rebate: Option<String>,
    rebate_policy: Option<String>,
    is_sales: Option<bool>,
    reason: Option<String>,
}

impl From<&PriceRecord> for Answer {
    fn from(record: &PriceRecord) -> Self {
        let e4 = |money: Option<Money>| money.map(|money| money.e4);
        Self {
            supply_price_e4: e4(record.supply_price),
            invoice_price_e4: e4(record.invoice_price),
            market_price_e4: e4(record.market_price),
            rebate_money_e4: e4(record.rebate_money),
            stock_rebate: record.stock_rebate.clone(),
            rebate_policy: record.rebate_policy.clone(),
            is_sales: record.is_sales,
            reason: record.reason.clone(),
        }
    }
}

impl TryFrom<FindingRow> for HeldFinding {
    type Error = Error;

    fn try_from(row: FindingRow) -> Result<Self> {
        let bad = |error: serde_json::Error| unknown("held finding", &error.to_string());
        let (code, asked_at) = (ProductCode::from_stored(row.product_code), row.asked_at.into());
        let answer: Option<Answer> = row.answer.map(serde_json::from_value).transpose().map_err(bad)?;
        let money = |e4: Option<i64>| e4.map(|e4| Money { e4 });
        let answer = answer.map(|answer| PriceRecord {
            code: code.clone(),
            supply_price: money(answer.supply_price_e4),
            invoice_price: money(answer.invoice_price_e4),
            market_price: money(answer.market_price_e4),
            stock_rebate: answer.stock_rebate,
            rebate_policy: answer.rebate_policy,
            rebate_money: money(answer.rebate_money_e4),
            is_sales: answer.is_sales,
            reason: answer.reason,
            asked_at,
        });
        let changes: Vec<(String, Option<String>, Option<String>)> =
            serde_json::from_value(row.changes).map_err(bad)?;
        let changes = changes.into_iter().map(|(field, old, new)| FieldChange { field, old, new });
        Ok(Self { code, asked_at, answer, changes: changes.collect() })
    }
}

fn answer_text(finding: &HeldFinding) -> Option<String> {
    finding.answer.as_ref().map(|record| json!(Answer::from(record)).to_string())
}

fn changes_text(finding: &HeldFinding) -> String {
    let triple = |change: &FieldChange| json!([change.field, change.old, change.new]);
    finding.changes.iter().map(triple).collect::<serde_json::Value>().to_string()
}

/// Sets findings aside under a run, each product once; a later finding about a product takes the place of an earlier one.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(conn: &mut Conn, run: i64, findings: &[HeldFinding]) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    const UPSERT: &str = "ON CONFLICT (sync_log_id, product_code) DO UPDATE SET kind = excluded.kind, \
                          asked_at = excluded.asked_at, answer = excluded.answer, changes = excluded.changes";
    match conn {
        Conn::Pg(conn) => {
            diesel::sql_query(format!(
                "INSERT INTO held_findings (sync_log_id, product_code, kind, asked_at, answer, changes) \
                 SELECT $1, u.code, u.kind, u.at, u.answer::json, u.changes::json \
                 FROM unnest($2, $3, $4, $5, $6) AS u(code, kind, at, answer, changes) {UPSERT}"
            ))
            .bind::<BigInt, _>(run)
            .bind::<Array<Text>, _>(findings.iter().map(|found| found.code.as_str()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(findings.iter().map(|found| found.kind().as_str()).collect::<Vec<_>>())
            .bind::<Array<Instant>, _>(findings.iter().map(|found| At(found.asked_at)).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(findings.iter().map(answer_text).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(findings.iter().map(changes_text).collect::<Vec<_>>())
            .execute(conn)
            .await?;
        }
        Conn::Lite(conn) => {
            let rows = findings.iter().map(|found| {
                let (code, kind, at) =
                    (found.code.as_str(), found.kind().as_str(), At(found.asked_at).to_text());
                json!([code, kind, at, answer_text(found), changes_text(found)])
            });
            // WHERE true: without it SQLite takes ON for a join's.
            diesel::sql_query(format!(
                "INSERT INTO held_findings (sync_log_id, product_code, kind, asked_at, answer, changes) \
                 SELECT ?2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1) \
                 WHERE true {UPSERT}"
            ))
            .bind::<Text, _>(rows.collect::<serde_json::Value>().to_string())
            .bind::<BigInt, _>(run)
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}

/// How many findings of a kind a run has.
///
/// # Errors
/// When the database does not answer.
pub async fn count(conn: &mut Conn, run: i64, kind: FindingKind) -> Result<i64> {
    let own = held_findings::sync_log_id.eq(run).and(held_findings::kind.eq(kind.as_str()));
    Ok(on!(conn, |c| held_findings::table.filter(own).count().get_result(c).await)?)
}

/// Findings of a run after a code, in the order of the codes; `kind`: only these.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut Conn,
    run: i64,
    kind: Option<FindingKind>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<HeldFinding>> {
    let rows: Vec<FindingRow> = on!(conn, |c| {
        let own = held_findings::table.filter(held_findings::sync_log_id.eq(run));
        let mut query = own.select(FindingRow::as_select()).into_boxed();
        if let Some(kind) = kind {
            query = query.filter(held_findings::kind.eq(kind.as_str()));
        }
        if let Some(after) = after {
            query = query.filter(held_findings::product_code.gt(after));
        }
        query.order(held_findings::product_code).limit(limit).load(c).await
    })?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Gives a run's findings to another run.
///
/// # Errors
/// When the database does not answer.
pub async fn hand_over(conn: &mut Conn, from: i64, to: i64) -> Result<()> {
    let own = held_findings::table.filter(held_findings::sync_log_id.eq(from));
    on!(conn, |c| diesel::update(own).set(held_findings::sync_log_id.eq(to)).execute(c).await)?;
    Ok(())
}

/// Forgets findings of these products.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(conn: &mut Conn, run: i64, findings: &[HeldFinding]) -> Result<()> {
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    let own = held_findings::sync_log_id.eq(run).and(held_findings::product_code.eq_any(codes));
    on!(conn, |c| diesel::delete(held_findings::table.filter(own)).execute(c).await)?;
    Ok(())
}

/// Forgets all findings of a run; `kind`: only these.
///
/// # Errors
/// When the database does not answer.
pub async fn clear(conn: &mut Conn, run: i64, kind: Option<FindingKind>) -> Result<()> {
    let own = held_findings::table.filter(held_findings::sync_log_id.eq(run));
    match kind {
        None => on!(conn, |c| diesel::delete(own).execute(c).await)?,
        Some(kind) => {
            let own = own.filter(held_findings::kind.eq(kind.as_str()));
            on!(conn, |c| diesel::delete(own).execute(c).await)?
        }
    };
    Ok(())
}
