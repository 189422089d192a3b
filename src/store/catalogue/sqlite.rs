//! Catalogue records on SQLite: single rows in a loop, inside one trip to the blocking thread and one transaction.

use diesel::{
    AsChangeset, ExpressionMethods as _, Insertable, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _,
    RunQueryDsl as _, SqliteConnection,
};
use serde_json::Value;

use super::{CatalogueBatch, Written, content_hash};
use crate::{
    domain::products::CatalogueRecord,
    store::{
        instant::At,
        schema::{product_sync, products},
    },
};

#[derive(Insertable)]
#[diesel(table_name = products)]
struct NewProduct<'a> {
    product_code: &'a str,
    product_model: Option<&'a str>,
    name: Option<&'a str>,
    product_group: Option<&'a str>,
    category: Option<&'a str>,
    category_assigned: bool,
    brand: Option<&'a str>,
    brand_assigned: bool,
    product_image_url: Option<&'a str>,
    product_page_urls: Value,
    is_sales: bool,
    no_sales_reason: Option<&'a str>,
    created_at: At,
    updated_at: At,
}

/// `None` leaves a column as it is.
#[derive(AsChangeset)]
#[diesel(table_name = products)]
struct Changes<'a> {
    product_model: Option<&'a str>,
    name: Option<&'a str>,
    product_group: Option<&'a str>,
    category: Option<&'a str>,
    category_assigned: bool,
    brand: Option<&'a str>,
    brand_assigned: bool,
    product_image_url: Option<&'a str>,
    product_page_urls: Option<Value>,
    is_sales: Option<bool>,
    no_sales_reason: Option<&'a str>,
    updated_at: At,
}

type Stored = (i64, bool, bool, Option<At>, Option<i64>);

pub(super) fn upsert(conn: &mut SqliteConnection, batch: &CatalogueBatch) -> diesel::QueryResult<Written> {
    let mut written = Written::default();
    for record in &batch.records {
        let hash = content_hash(record);
        let stored: Option<Stored> = products::table
            .inner_join(product_sync::table.on(product_sync::product_id.eq(products::id)))
            .filter(products::product_code.eq(record.code.as_str()))
            .select((
                products::id,
                products::category_assigned,
                products::brand_assigned,
                product_sync::catalogue_at,
                product_sync::catalogue_hash,
            ))
            .first(conn)
            .optional()?;
        let Some((id, category_assigned, brand_assigned, catalogue_at, stored_hash)) = stored else {
            insert(conn, batch, record, hash)?;
            written.inserted += 1;
            continue;
        };
        if catalogue_at.is_some_and(|at| at.0 >= record.asked_at) {
            written.unchanged += 1;
            continue;
        }
        if batch.assigns() || stored_hash != Some(hash) {
            let changes = changes(batch, record, category_assigned, brand_assigned);
            diesel::update(products::table.find(id)).set(changes).execute(conn)?;
            written.updated += 1;
        } else {
            written.unchanged += 1;
        }
        diesel::update(product_sync::table.find(id))
            .set((product_sync::catalogue_at.eq(At(record.asked_at)), product_sync::catalogue_hash.eq(hash)))
            .execute(conn)?;
    }
    Ok(written)
}

fn insert(
    conn: &mut SqliteConnection,
    batch: &CatalogueBatch,
    record: &CatalogueRecord,
    hash: i64,
) -> diesel::QueryResult<()> {
    let product = NewProduct {
        product_code: record.code.as_str(),
        product_model: record.model.as_deref(),
        name: record.name.as_deref(),
        product_group: record.group.as_deref(),
        category: batch.assign_category.as_deref().or(record.group.as_deref()),
        category_assigned: batch.assign_category.is_some(),
        brand: batch.assign_brand.as_deref().or(record.brand.as_deref()),
        brand_assigned: batch.assign_brand.is_some(),
        product_image_url: record.image_url.as_deref(),
        product_page_urls: record.page_urls.clone().unwrap_or_default().into(),
        is_sales: record.is_sales.unwrap_or(true),
        no_sales_reason: record.no_sales_reason.as_deref(),
        created_at: At(batch.now),
        updated_at: At(batch.now),
    };
    let id: i64 =
        diesel::insert_into(products::table).values(product).returning(products::id).get_result(conn)?;
    diesel::insert_into(product_sync::table)
        .values((
            product_sync::product_id.eq(id),
            product_sync::catalogue_at.eq(At(record.asked_at)),
            product_sync::catalogue_hash.eq(hash),
        ))
        .execute(conn)?;
    Ok(())
}

fn changes<'a>(
    batch: &'a CatalogueBatch,
    record: &'a CatalogueRecord,
    category_assigned: bool,
    brand_assigned: bool,
) -> Changes<'a> {
    // An assigned word survives; only another assignment replaces it.
    let kept = |assign: Option<&'a str>, assigned: bool, haiers: Option<&'a str>| match assign {
        Some(word) => Some(word),
        None if assigned => None,
        None => haiers,
    };
    Changes {
        product_model: record.model.as_deref(),
        name: record.name.as_deref(),
        product_group: record.group.as_deref(),
        category: kept(batch.assign_category.as_deref(), category_assigned, record.group.as_deref()),
        category_assigned: category_assigned || batch.assign_category.is_some(),
        brand: kept(batch.assign_brand.as_deref(), brand_assigned, record.brand.as_deref()),
        brand_assigned: brand_assigned || batch.assign_brand.is_some(),
        product_image_url: record.image_url.as_deref(),
        product_page_urls: record.page_urls.clone().map(Into::into),
        is_sales: record.is_sales,
        no_sales_reason: record.no_sales_reason.as_deref(),
        updated_at: At(batch.now),
    }
}
