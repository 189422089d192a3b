//! Catalogue records on SQLite: whole batches as one JSON array, a handful of statements whatever their size, since every
//! statement of diesel's that writes is parsed anew.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, RunQueryDsl as _, SqliteConnection,
    sql_types::{BigInt, Nullable, Text},
};
use serde_json::{Value, json};

use super::{CatalogueBatch, Written};
use crate::{
    domain::products::CatalogueRecord,
    store::{
        content::{self, Record as _, StoredByCode},
        instant::{At, Instant},
        product_changes::{Difference, contents::sqlite as contents},
    },
};

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

pub(super) fn upsert(
    conn: &mut SqliteConnection,
    batch: &CatalogueBatch,
    run: Option<i64>,
    latest: DateTime<Utc>,
) -> diesel::QueryResult<(Written, Difference)> {
    let decision = content::decide(&batch.records, &find(conn, &batch.records)?, batch.assigns(), latest);
    let mut difference = Difference::default();
    let (inserted, updated) = (decision.new.len(), decision.changed.len());
    if inserted > 0 {
        let rows = decision.new.iter().map(|record| {
            with_content(json!(record.code.as_str()), record, &[json!(record.content_hash()), at(record)])
        });
        difference.inserted = insert(conn, batch, &Value::from_iter(rows).to_string(), run)?;
    }
    if updated > 0 {
        let ids: Vec<i64> = decision.changed.iter().map(|known| known.id).collect();
        let rows = decision.changed.iter().map(|known| with_content(json!(known.id), known.record, &[]));
        difference.before = contents::catalogue(conn, &ids)?;
        update(conn, batch, &Value::from_iter(rows).to_string())?;
        difference.after = contents::catalogue(conn, &ids)?;
    }
    if updated > 0 || !decision.same.is_empty() {
        let known = decision.changed.iter().chain(&decision.same);
        let rows = known.map(|known| json!([known.id, known.hash, at(known.record)]));
        touch(conn, &Value::from_iter(rows).to_string())?;
    }
    Ok((Written { inserted, updated, unchanged: batch.records.len() - inserted - updated }, difference))
}

fn at(record: &CatalogueRecord) -> Value {
    json!(At(record.asked_at).to_text())
}

/// A row of a statement's input: its key, the record's content, and what comes behind.
fn with_content(key: Value, record: &CatalogueRecord, rest: &[Value]) -> Value {
    let mut row = vec![
        key,
        json!(record.model),
        json!(record.name),
        json!(record.group),
        json!(record.brand),
        json!(record.image_url),
        // As a text: the column keeps the list as JSON.
        json!(record.page_urls.as_ref().map(|urls| json!(urls).to_string())),
        json!(record.is_sales.map(i32::from)),
        json!(record.no_sales_reason),
    ];
    row.extend_from_slice(rest);
    Value::from(row)
}

fn find(conn: &mut SqliteConnection, records: &[CatalogueRecord]) -> diesel::QueryResult<StoredByCode> {
    let codes: Vec<&str> = records.iter().map(|record| record.code.as_str()).collect();
    let rows = diesel::sql_query(
        "SELECT p.id, p.product_code, s.catalogue_at AS asked_at, s.catalogue_hash AS hash \
         FROM json_each(?) AS j JOIN products p ON p.product_code = j.value \
         JOIN product_sync s ON s.product_id = p.id",
    )
    .bind::<Text, _>(json!(codes).to_string())
    .load(conn)?;
    Ok(content::by_code(rows))
}

/// Inserts rows, each with its side row; returns their keys.
fn insert(
    conn: &mut SqliteConnection,
    batch: &CatalogueBatch,
    rows: &str,
    run: Option<i64>,
) -> diesel::QueryResult<Vec<i64>> {
    let inserted: Vec<Inserted> = diesel::sql_query(
        "INSERT INTO products (product_code, product_model, name, product_group, category, category_assigned, \
             brand, brand_assigned, product_image_url, product_page_urls, is_sales, no_sales_reason, \
             created_at, updated_at, created_by) \
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, coalesce(?2, value ->> 3), ?2 IS NOT NULL, \
             coalesce(?3, value ->> 4), ?3 IS NOT NULL, value ->> 5, coalesce(value ->> 6, '[]'), \
             coalesce(value ->> 7, 1), value ->> 8, ?4, ?4, ?5 \
         FROM json_each(?1) RETURNING id",
    )
    .bind::<Text, _>(rows)
    .bind::<Nullable<Text>, _>(batch.assign_category.as_deref())
    .bind::<Nullable<Text>, _>(batch.assign_brand.as_deref())
    .bind::<Instant, _>(At(batch.now))
    .bind::<Nullable<BigInt>, _>(run)
    .load(conn)?;
    diesel::sql_query(
        "INSERT INTO product_sync (product_id, catalogue_hash, catalogue_at) \
         SELECT p.id, j.value ->> 9, j.value ->> 10 FROM json_each(?1) AS j \
         JOIN products p ON p.product_code = j.value ->> 0",
    )
    .bind::<Text, _>(rows)
    .execute(conn)?;
    Ok(inserted.into_iter().map(|row| row.id).collect())
}

fn update(conn: &mut SqliteConnection, batch: &CatalogueBatch, rows: &str) -> diesel::QueryResult<()> {
    diesel::sql_query(
        "UPDATE products SET product_model = coalesce(j.value ->> 1, products.product_model), \
             name = coalesce(j.value ->> 2, products.name), \
             product_group = coalesce(j.value ->> 3, products.product_group), \
             category = CASE WHEN ?2 IS NOT NULL THEN ?2 WHEN products.category_assigned THEN products.category \
                 ELSE coalesce(j.value ->> 3, products.category) END, \
             category_assigned = products.category_assigned OR ?2 IS NOT NULL, \
             brand = CASE WHEN ?3 IS NOT NULL THEN ?3 WHEN products.brand_assigned THEN products.brand \
                 ELSE coalesce(j.value ->> 4, products.brand) END, \
             brand_assigned = products.brand_assigned OR ?3 IS NOT NULL, \
             product_image_url = coalesce(j.value ->> 5, products.product_image_url), \
             product_page_urls = coalesce(j.value ->> 6, products.product_page_urls), \
             is_sales = coalesce(j.value ->> 7, products.is_sales), \
             no_sales_reason = coalesce(j.value ->> 8, products.no_sales_reason), delisted_at = NULL, \
             updated_at = ?4 \
         FROM json_each(?1) AS j WHERE products.id = j.value ->> 0",
    )
    .bind::<Text, _>(rows)
    .bind::<Nullable<Text>, _>(batch.assign_category.as_deref())
    .bind::<Nullable<Text>, _>(batch.assign_brand.as_deref())
    .bind::<Instant, _>(At(batch.now))
    .execute(conn)?;
    Ok(())
}

fn touch(conn: &mut SqliteConnection, rows: &str) -> diesel::QueryResult<()> {
    diesel::sql_query(
        "UPDATE product_sync SET catalogue_hash = j.value ->> 1, catalogue_at = j.value ->> 2 \
         FROM json_each(?) AS j WHERE product_sync.product_id = j.value ->> 0",
    )
    .bind::<Text, _>(rows)
    .execute(conn)?;
    Ok(())
}
