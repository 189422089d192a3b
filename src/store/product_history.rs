//! How prices and stock came to their values: the last change of each field, kept beside the product when the feed has
//! long forgotten it. What a product was first stored with needs no row: the product says when and by whom.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
    sql_types::{Array, BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;
use serde_json::json;

use super::{
    Conn, Result,
    instant::{At, Instant},
    on,
    product_changes::Found,
    schema::{product_history, products},
};
use crate::domain::{
    product_changes::{FieldHistory, Origin},
    products::ProductCode,
};

/// Fields whose history is kept.
const FIELDS: [&str; 7] = [
    "supply_price",
    "invoice_price",
    "market_price",
    "stock_rebate",
    "rebate_policy",
    "rebate_money",
    "stock",
];

#[derive(Queryable, Selectable)]
#[diesel(table_name = product_history)]
struct HistoryRow {
    field: String,
    value: Option<String>,
    before: Option<String>,
    since: At,
    sync_log_id: Option<i64>,
}

/// Keeps what changed.
pub(super) async fn keep(conn: &mut Conn, found: &BTreeMap<i64, Found>, origin: Origin) -> Result<()> {
    let kept: Vec<_> = found
        .iter()
        .flat_map(|(id, found)| found.changes.iter().map(move |change| (*id, change)))
        .filter(|(_, change)| FIELDS.contains(&change.field.as_str()))
        .collect();
    if kept.is_empty() {
        return Ok(());
    }
    const UPSERT: &str = "ON CONFLICT (product_id, field) DO UPDATE SET value = excluded.value, \
                          before = excluded.before, since = excluded.since, sync_log_id = excluded.sync_log_id";
    match conn {
        Conn::Pg(conn) => {
            diesel::sql_query(format!(
                "INSERT INTO product_history (product_id, field, value, before, since, sync_log_id) \
                 SELECT u.id, u.field, u.value, u.before, $1, $2 \
                 FROM unnest($3, $4, $5, $6) AS u(id, field, value, before) {UPSERT}"
            ))
            .bind::<Instant, _>(At(origin.at))
            .bind::<Nullable<BigInt>, _>(origin.sync_log_id)
            .bind::<Array<BigInt>, _>(kept.iter().map(|(id, _)| *id).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(kept.iter().map(|(_, change)| change.field.as_str()).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(
                kept.iter().map(|(_, change)| change.new.as_deref()).collect::<Vec<_>>(),
            )
            .bind::<Array<Nullable<Text>>, _>(
                kept.iter().map(|(_, change)| change.old.as_deref()).collect::<Vec<_>>(),
            )
            .execute(conn)
            .await?;
        }
        Conn::Lite(conn) => {
            let rows = kept.iter().map(|(id, change)| json!([id, change.field, change.new, change.old]));
            let rows = rows.collect::<serde_json::Value>().to_string();
            // WHERE true: without it SQLite takes ON for a join's.
            diesel::sql_query(format!(
                "INSERT INTO product_history (product_id, field, value, before, since, sync_log_id) \
                 SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2, ?3 FROM json_each(?1) \
                 WHERE true {UPSERT}"
            ))
            .bind::<Text, _>(rows)
            .bind::<Instant, _>(At(origin.at))
            .bind::<Nullable<BigInt>, _>(origin.sync_log_id)
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}

/// When and by whom a product was first stored, and the last change of each of its prices and its stock; fields that
/// are what they were first are missing. `None`: it is not stored.
///
/// # Errors
/// When the database does not answer.
pub async fn find(
    conn: &mut Conn,
    code: &ProductCode,
) -> Result<Option<(Origin, HashMap<String, FieldHistory>)>> {
    let by_code = products::table.filter(products::product_code.eq(code.as_str()));
    let key = by_code.select((products::id, products::created_at, products::created_by));
    let key: Option<(i64, At, Option<i64>)> = on!(conn, |c| key.first(c).await.optional())?;
    let Some((id, created_at, created_by)) = key else { return Ok(None) };
    let rows: Vec<HistoryRow> = on!(conn, |c| product_history::table
        .filter(product_history::product_id.eq(id))
        .select(HistoryRow::as_select())
        .load(c)
        .await)?;
    let fields = rows.into_iter().map(|row| {
        let HistoryRow { field, value, before, since, sync_log_id } = row;
        let origin = Some(Origin { sync_log_id, at: since.into() });
        (field.clone(), FieldHistory { field, value, before, origin })
    });
    Ok(Some((Origin { sync_log_id: created_by, at: created_at.into() }, fields.collect())))
}
