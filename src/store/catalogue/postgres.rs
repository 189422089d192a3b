//! Catalogue records on PostgreSQL: whole batches by UNNEST, a handful of statements whatever their size.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use super::{CatalogueBatch, Written};
use crate::{
    domain::products::CatalogueRecord,
    store::{
        Result,
        content::{self, Known, Record as _, StoredByCode},
        instant::{At, Instant},
        product_changes::{Difference, contents::postgres as contents},
    },
};

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    product_code: String,
}

pub(super) async fn upsert(
    conn: &mut AsyncPgConnection,
    batch: &CatalogueBatch,
    run: Option<i64>,
    latest: DateTime<Utc>,
) -> Result<(Written, Difference)> {
    let CatalogueBatch { records, .. } = batch;
    let stored = lock(conn, records.iter()).await?;
    let mut decision = content::decide(records, &stored, batch.assigns(), latest);
    let mut difference = Difference::default();
    if !decision.new.is_empty() {
        difference.inserted = insert(conn, batch, &decision.new, run).await?;
    }
    let inserted = difference.inserted.len();
    if inserted < decision.new.len() {
        // Another writer inserted some of them meanwhile: they are stored now, so look again and compare.
        let stored = lock(conn, decision.new.iter().copied()).await?;
        let late = content::decide(decision.new.iter().copied(), &stored, batch.assigns(), latest);
        decision.changed.extend(late.changed);
        decision.same.extend(late.same);
    }
    if !decision.changed.is_empty() {
        let ids: Vec<i64> = decision.changed.iter().map(|known| known.id).collect();
        // Locked by now, so that nothing comes between what is read before and after.
        difference.before = contents::catalogue(conn, &ids).await?;
        update(conn, batch, &decision.changed).await?;
        difference.after = contents::catalogue(conn, &ids).await?;
    }
    if !decision.changed.is_empty() || !decision.same.is_empty() {
        touch(conn, decision.changed.iter().chain(&decision.same)).await?;
    }
    let updated = decision.changed.len();
    Ok((Written { inserted, updated, unchanged: records.len() - inserted - updated }, difference))
}

/// Reads what is stored of these codes and locks it, in the order of the codes.
async fn lock(
    conn: &mut AsyncPgConnection,
    records: impl Iterator<Item = &CatalogueRecord>,
) -> Result<StoredByCode> {
    let rows = diesel::sql_query(
        "SELECT p.id, p.product_code, s.catalogue_at AS asked_at, s.catalogue_hash AS hash \
         FROM products p JOIN product_sync s ON s.product_id = p.id \
         WHERE p.product_code = ANY($1) ORDER BY p.product_code FOR UPDATE OF s",
    )
    .bind::<Array<Text>, _>(records.map(|record| record.code.as_str()).collect::<Vec<_>>())
    .load(conn)
    .await?;
    Ok(content::by_code(rows))
}

/// Inserts rows that were not there a moment ago, each with its side row; returns the keys of those that really were not.
async fn insert(
    conn: &mut AsyncPgConnection,
    batch: &CatalogueBatch,
    new: &[&CatalogueRecord],
    run: Option<i64>,
) -> Result<Vec<i64>> {
    let columns = Columns::of(new);
    let inserted: Vec<Inserted> = diesel::sql_query(
        "INSERT INTO products (product_code, product_model, name, product_group, category, category_assigned, \
             brand, brand_assigned, product_image_url, product_page_urls, is_sales, no_sales_reason, \
             created_at, updated_at, created_by) \
         SELECT code, model, name, grp, coalesce($10, grp), $10 IS NOT NULL, coalesce($11, brand), \
             $11 IS NOT NULL, image, coalesce(pages, '[]')::json, coalesce(is_sales, true), reason, $12, $12, $13 \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             AS u(code, model, name, grp, brand, image, pages, is_sales, reason) \
         ON CONFLICT (product_code) DO NOTHING RETURNING id, product_code",
    )
    .bind::<Array<Text>, _>(new.iter().map(|record| record.code.as_str()).collect::<Vec<_>>())
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
    .bind::<Nullable<BigInt>, _>(run)
    .load(conn)
    .await?;
    // In the order of the records but for the gaps that other writers' rows leave.
    let mut records = new.iter();
    let beside = inserted.iter().filter_map(|row| {
        let record = records.find(|record| record.code.as_str() == row.product_code)?;
        Some((row.id, record.content_hash(), At(record.asked_at)))
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
    Ok(inserted.into_iter().map(|row| row.id).collect())
}

async fn update(
    conn: &mut AsyncPgConnection,
    batch: &CatalogueBatch,
    changed: &[Known<'_, CatalogueRecord>],
) -> Result<()> {
    let columns = Columns::of(&changed.iter().map(|known| known.record).collect::<Vec<_>>());
    let ids: Vec<i64> = changed.iter().map(|known| known.id).collect();
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
             no_sales_reason = coalesce(u.reason, p.no_sales_reason), delisted_at = NULL, updated_at = $12 \
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

async fn touch<'a>(
    conn: &mut AsyncPgConnection,
    known: impl Iterator<Item = &'a Known<'a, CatalogueRecord>>,
) -> Result<()> {
    let (ids, hashes, instants): (Vec<i64>, Vec<i64>, Vec<At>) =
        known.map(|known| (known.id, known.hash, At(known.record.asked_at))).collect();
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
    fn of(records: &[&'a CatalogueRecord]) -> Self {
        let text = |field: fn(&CatalogueRecord) -> &Option<String>| {
            records.iter().map(|record| field(record).as_deref()).collect()
        };
        Self {
            models: text(|record| &record.model),
            names: text(|record| &record.name),
            groups: text(|record| &record.group),
            brands: text(|record| &record.brand),
            images: text(|record| &record.image_url),
            reasons: text(|record| &record.no_sales_reason),
            pages: records
                .iter()
                .map(|record| record.page_urls.as_ref().map(|urls| serde_json::json!(urls).to_string()))
                .collect(),
            is_sales: records.iter().map(|record| record.is_sales).collect(),
        }
    }
}
