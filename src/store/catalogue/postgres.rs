//! Catalogue records on PostgreSQL: whole batches by UNNEST, a handful of statements whatever their size.

use std::collections::HashMap;

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use super::{CatalogueBatch, Written, content_hash};
use crate::{
    domain::products::CatalogueRecord,
    store::{
        Result,
        instant::{At, Instant},
    },
};

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    product_code: String,
    #[diesel(sql_type = Nullable<Instant>)]
    catalogue_at: Option<At>,
    #[diesel(sql_type = Nullable<BigInt>)]
    catalogue_hash: Option<i64>,
}

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    product_code: String,
}

pub(super) async fn upsert(conn: &mut AsyncPgConnection, batch: &CatalogueBatch) -> Result<Written> {
    let mut written = Written::default();
    let hashed: Vec<_> = batch.records.iter().map(|record| (record, content_hash(record))).collect();
    let mut stored = lock(conn, &batch.records).await?;
    let new: Vec<_> =
        hashed.iter().filter(|(record, _)| !stored.contains_key(record.code.as_str())).copied().collect();
    if !new.is_empty() {
        written.inserted = insert(conn, batch, &new).await?;
        if written.inserted < new.len() {
            // Another writer inserted some of them meanwhile: they are stored now, so look again and compare.
            let late: Vec<_> = new.iter().map(|(record, _)| (*record).clone()).collect();
            stored.extend(lock(conn, &late).await?);
        }
    }
    let mut touched = Vec::new();
    let mut changed = Vec::new();
    for (record, hash) in &hashed {
        let Some(row) = stored.get(record.code.as_str()) else { continue };
        let newer = row.catalogue_at.is_none_or(|at| at.0 < record.asked_at);
        if newer {
            touched.push((row.id, *hash, At(record.asked_at)));
            if batch.assigns() || row.catalogue_hash != Some(*hash) {
                changed.push((row.id, *record));
            }
        }
    }
    if !changed.is_empty() {
        update(conn, batch, &changed).await?;
    }
    if !touched.is_empty() {
        touch(conn, touched).await?;
    }
    written.updated = changed.len();
    written.unchanged = batch.records.len() - written.inserted - written.updated;
    Ok(written)
}

/// Reads what is stored of these codes and locks it, in the order of the codes.
async fn lock(conn: &mut AsyncPgConnection, records: &[CatalogueRecord]) -> Result<HashMap<String, Stored>> {
    let codes: Vec<&str> = records.iter().map(|record| record.code.as_str()).collect();
    let rows: Vec<Stored> = diesel::sql_query(
        "SELECT p.id, p.product_code, s.catalogue_at, s.catalogue_hash \
         FROM products p JOIN product_sync s ON s.product_id = p.id \
         WHERE p.product_code = ANY($1) ORDER BY p.product_code FOR UPDATE OF s",
    )
    .bind::<Array<Text>, _>(codes)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.product_code.clone(), row)).collect())
}

/// Inserts rows that were not there a moment ago; returns how many really were not.
async fn insert(
    conn: &mut AsyncPgConnection,
    batch: &CatalogueBatch,
    new: &[(&CatalogueRecord, i64)],
) -> Result<usize> {
    let columns = Columns::of(new.iter().map(|(record, _)| *record));
    let codes: Vec<&str> = new.iter().map(|(record, _)| record.code.as_str()).collect();
    let inserted: Vec<Inserted> = diesel::sql_query(
        "INSERT INTO products (product_code, product_model, name, product_group, category, category_assigned, \
             brand, brand_assigned, product_image_url, product_page_urls, is_sales, no_sales_reason, \
             created_at, updated_at) \
         SELECT code, model, name, grp, coalesce($10, grp), $10 IS NOT NULL, coalesce($11, brand), \
             $11 IS NOT NULL, image, coalesce(pages, '[]')::json, coalesce(is_sales, true), reason, $12, $12 \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             AS u(code, model, name, grp, brand, image, pages, is_sales, reason) \
         ON CONFLICT (product_code) DO NOTHING RETURNING id, product_code",
    )
    .bind::<Array<Text>, _>(codes)
    .bind::<Array<Nullable<Text>>, _>(columns.models)
    .bind::<Array<Nullable<Text>>, _>(columns.names)
    .bind::<Array<Nullable<Text>>, _>(columns.groups)
    .bind::<Array<Nullable<Text>>, _>(columns.brands)
    .bind::<Array<Nullable<Text>>, _>(columns.images)
    .bind::<Array<Nullable<Text>>, _>(columns.pages)
    .bind::<Array<Nullable<Bool>>, _>(columns.is_sales)
    .bind::<Array<Nullable<Text>>, _>(columns.reasons)
    .bind::<Nullable<Text>, _>(batch.assign_category.as_deref())
    .bind::<Nullable<Text>, _>(batch.assign_brand.as_deref())
    .bind::<Instant, _>(At(batch.now))
    .load(conn)
    .await?;
    let by_code: HashMap<&str, _> =
        new.iter().map(|(record, hash)| (record.code.as_str(), (*hash, At(record.asked_at)))).collect();
    let beside = inserted.iter().filter_map(|row| {
        by_code.get(row.product_code.as_str()).map(|(hash, asked_at)| (row.id, *hash, *asked_at))
    });
    let (ids, hashes, instants): (Vec<i64>, Vec<i64>, Vec<At>) = beside.collect();
    diesel::sql_query(
        "INSERT INTO product_sync (product_id, catalogue_hash, catalogue_at) SELECT * FROM unnest($1, $2, $3)",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<BigInt>, _>(hashes)
    .bind::<Array<Instant>, _>(instants)
    .execute(conn)
    .await?;
    Ok(inserted.len())
}

async fn update(
    conn: &mut AsyncPgConnection,
    batch: &CatalogueBatch,
    changed: &[(i64, &CatalogueRecord)],
) -> Result<()> {
    let columns = Columns::of(changed.iter().map(|(_, record)| *record));
    let ids: Vec<i64> = changed.iter().map(|(id, _)| *id).collect();
    diesel::sql_query(
        "UPDATE products p SET product_model = coalesce(u.model, p.product_model), name = coalesce(u.name, p.name), \
             product_group = coalesce(u.grp, p.product_group), \
             category = CASE WHEN $10 IS NOT NULL THEN $10 WHEN p.category_assigned THEN p.category \
                 ELSE coalesce(u.grp, p.category) END, \
             category_assigned = p.category_assigned OR $10 IS NOT NULL, \
             brand = CASE WHEN $11 IS NOT NULL THEN $11 WHEN p.brand_assigned THEN p.brand \
                 ELSE coalesce(u.brand, p.brand) END, \
             brand_assigned = p.brand_assigned OR $11 IS NOT NULL, \
             product_image_url = coalesce(u.image, p.product_image_url), \
             product_page_urls = coalesce(u.pages::json, p.product_page_urls), \
             is_sales = coalesce(u.is_sales, p.is_sales), \
             no_sales_reason = coalesce(u.reason, p.no_sales_reason), updated_at = $12 \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             AS u(id, model, name, grp, brand, image, pages, is_sales, reason) \
         WHERE p.id = u.id",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<Nullable<Text>>, _>(columns.models)
    .bind::<Array<Nullable<Text>>, _>(columns.names)
    .bind::<Array<Nullable<Text>>, _>(columns.groups)
    .bind::<Array<Nullable<Text>>, _>(columns.brands)
    .bind::<Array<Nullable<Text>>, _>(columns.images)
    .bind::<Array<Nullable<Text>>, _>(columns.pages)
    .bind::<Array<Nullable<Bool>>, _>(columns.is_sales)
    .bind::<Array<Nullable<Text>>, _>(columns.reasons)
    .bind::<Nullable<Text>, _>(batch.assign_category.as_deref())
    .bind::<Nullable<Text>, _>(batch.assign_brand.as_deref())
    .bind::<Instant, _>(At(batch.now))
    .execute(conn)
    .await?;
    Ok(())
}

async fn touch(conn: &mut AsyncPgConnection, touched: Vec<(i64, i64, At)>) -> Result<()> {
    let (ids, hashes, instants): (Vec<i64>, Vec<i64>, Vec<At>) = touched.into_iter().collect();
    diesel::sql_query(
        "UPDATE product_sync s SET catalogue_at = u.at, catalogue_hash = u.hash \
         FROM unnest($1, $2, $3) AS u(id, hash, at) WHERE s.product_id = u.id",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<BigInt>, _>(hashes)
    .bind::<Array<Instant>, _>(instants)
    .execute(conn)
    .await?;
    Ok(())
}

/// The records turned on their side.
struct Columns<'a> {
    models: Vec<Option<&'a str>>,
    names: Vec<Option<&'a str>>,
    groups: Vec<Option<&'a str>>,
    brands: Vec<Option<&'a str>>,
    images: Vec<Option<&'a str>>,
    pages: Vec<Option<String>>,
    is_sales: Vec<Option<bool>>,
    reasons: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(records: impl Iterator<Item = &'a CatalogueRecord> + Clone) -> Self {
        let text = |field: fn(&CatalogueRecord) -> &Option<String>| {
            records.clone().map(|record| field(record).as_deref()).collect()
        };
        Self {
            models: text(|record| &record.model),
            names: text(|record| &record.name),
            groups: text(|record| &record.group),
            brands: text(|record| &record.brand),
            images: text(|record| &record.image_url),
            reasons: text(|record| &record.no_sales_reason),
            pages: records
                .clone()
                .map(|record| record.page_urls.as_ref().map(|urls| serde_json::json!(urls).to_string()))
                .collect(),
            is_sales: records.map(|record| record.is_sales).collect(),
        }
    }
}
