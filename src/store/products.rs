//! Reading the shop's copy of the catalogue.

use diesel::{
    BoolExpressionMethods as _, EscapeExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _,
    OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
    TextExpressionMethods as _, dsl::exists, sql_types::Text,
};
use diesel_async::RunQueryDsl as _;
use serde_json::Value;

use super::{
    Conn, Result,
    instant::At,
    on,
    schema::{lower, product_prices, product_sync, products, stock_levels},
};
use crate::domain::{
    decimal::Money,
    pages::{Page, PageRequest},
    products::{Product, ProductCode, ProductFilter},
    stock::{CountyCode, StockLevel},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = products)]
struct ProductRow {
    product_code: String,
    product_model: Option<String>,
    name: Option<String>,
    product_group: Option<String>,
    category: Option<String>,
    brand: Option<String>,
    product_image_url: Option<String>,
    product_page_urls: Value,
    is_sales: bool,
    no_sales_reason: Option<String>,
    source: String,
    delisted_at: Option<At>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = product_sync)]
struct SyncedRow {
    catalogue_at: Option<At>,
    stock_at: Option<At>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = product_prices)]
struct PriceRow {
    price_at: At,
    supply_price_e4: Option<i64>,
    invoice_price_e4: Option<i64>,
    market_price_e4: Option<i64>,
    stock_rebate: Option<String>,
    rebate_policy: Option<String>,
    rebate_money_e4: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = stock_levels)]
struct StockRow {
    stock: i64,
    warehouse_code: Option<String>,
    warehouse_grade: Option<String>,
    as_of: At,
}

impl From<StockRow> for StockLevel {
    fn from(row: StockRow) -> Self {
        let StockRow { stock, warehouse_code, warehouse_grade, as_of } = row;
        Self { stock, warehouse_code, warehouse_grade, as_of: as_of.into() }
    }
}

/// A product with what lies beside it.
type Joined = (ProductRow, SyncedRow, Option<PriceRow>, Option<StockRow>);

/// The wide row, its side tables, and the stock of the default county.
macro_rules! joined {
    () => {
        products::table
            .inner_join(product_sync::table.on(product_sync::product_id.eq(products::id)))
            .left_join(product_prices::table.on(product_prices::product_id.eq(products::id)))
            .left_join(
                stock_levels::table.on(stock_levels::product_id
                    .eq(products::id)
                    .and(stock_levels::county_code.eq(CountyCode::default().as_str().to_owned()))),
            )
            .select((
                ProductRow::as_select(),
                SyncedRow::as_select(),
                Option::<PriceRow>::as_select(),
                Option::<StockRow>::as_select(),
            ))
    };
}

impl From<Joined> for Product {
    fn from((row, synced, price, stock): Joined) -> Self {
        let price = price.as_ref();
        let money = |e4: fn(&PriceRow) -> Option<i64>| price.and_then(e4).map(|e4| Money { e4 });
        let page_urls = row
            .product_page_urls
            .as_array()
            .map(|urls| urls.iter().filter_map(|url| url.as_str().map(ToOwned::to_owned)).collect());
        Self {
            code: ProductCode::from_stored(row.product_code),
            model: row.product_model,
            name: row.name,
            group: row.product_group,
            category: row.category,
            brand: row.brand,
            image_url: row.product_image_url,
            page_urls: page_urls.unwrap_or_default(),
            supply_price: money(|price| price.supply_price_e4),
            invoice_price: money(|price| price.invoice_price_e4),
            market_price: money(|price| price.market_price_e4),
            stock_rebate: price.and_then(|price| price.stock_rebate.clone()),
            rebate_policy: price.and_then(|price| price.rebate_policy.clone()),
            rebate_money: money(|price| price.rebate_money_e4),
            is_sales: row.is_sales,
            no_sales_reason: row.no_sales_reason,
            source: row.source,
            catalogue_at: synced.catalogue_at.map(Into::into),
            price_at: price.map(|price| price.price_at.into()),
            stock_at: synced.stock_at.map(Into::into),
            stock: stock.map(Into::into),
            delisted_at: row.delisted_at.map(Into::into),
        }
    }
}

/// The stored ones among these codes, in no particular order.
///
/// # Errors
/// When the database does not answer.
pub async fn list_by_code(conn: &mut Conn, codes: &[ProductCode]) -> Result<Vec<Product>> {
    let codes: Vec<&str> = codes.iter().map(ProductCode::as_str).collect();
    let rows: Vec<Joined> =
        on!(conn, |c| joined!().filter(products::product_code.eq_any(codes)).load(c).await)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Products that a search looks through in one statement, so that each is short whatever is sought: the connection is free,
/// and the processor with it, soon after the caller has gone.
const SEARCH_STEP: i64 = 5_000;

/// One page of the products that match, by code.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut Conn,
    filter: &ProductFilter,
    page: &PageRequest<String>,
) -> Result<Page<Product, String>> {
    let (mut rows, mut after) = (Vec::new(), page.after.clone());
    loop {
        let until = match filter.query {
            Some(_) => step_end(conn, after.as_deref()).await?,
            None => None,
        };
        let wanted = page.size + 1 - i64::try_from(rows.len()).unwrap_or(i64::MAX);
        rows.extend(list_between(conn, filter, after.as_deref(), until.as_deref(), wanted).await?);
        let is_full = i64::try_from(rows.len()).is_ok_and(|found| found > page.size);
        if is_full || until.is_none() {
            break;
        }
        after = until;
    }
    let items: Vec<Product> = rows.into_iter().map(Into::into).collect();
    Ok(Page::cut(items, page.size, |product| product.code.as_str().to_owned()))
}

/// The last code of the next step of a search. `None`: fewer are left than a step has.
async fn step_end(conn: &mut Conn, after: Option<&str>) -> Result<Option<String>> {
    Ok(on!(conn, |c| products::table
        .filter(products::product_code.gt(after.unwrap_or_default()))
        .order(products::product_code)
        .select(products::product_code)
        .offset(SEARCH_STEP - 1)
        .first(c)
        .await
        .optional())?)
}

/// Matching products after a code and up to another one, by code.
async fn list_between(
    conn: &mut Conn,
    filter: &ProductFilter,
    after: Option<&str>,
    until: Option<&str>,
    limit: i64,
) -> Result<Vec<Joined>> {
    Ok(on!(conn, |c| {
        let mut query = joined!().into_boxed();
        if let Some(brand) = &filter.brand {
            query = query.filter(products::brand.eq(brand));
        }
        if let Some(category) = &filter.category {
            query = query.filter(products::category.eq(category));
        }
        if let Some(is_sales) = filter.is_sales {
            query = query.filter(products::is_sales.eq(is_sales));
        }
        if let Some(text) = &filter.query {
            let pattern = contains(text);
            let in_name = lower(diesel::dsl::sql::<Text>("coalesce(products.name, '')"));
            let in_model = lower(diesel::dsl::sql::<Text>("coalesce(products.product_model, '')"));
            query = query.filter(
                lower(products::product_code)
                    .like(pattern.clone())
                    .escape('\\')
                    .or(in_model.like(pattern.clone()).escape('\\'))
                    .or(in_name.like(pattern).escape('\\')),
            );
        }
        if let Some(after) = after {
            query = query.filter(products::product_code.gt(after));
        }
        if let Some(until) = until {
            query = query.filter(products::product_code.le(until));
        }
        query.order(products::product_code).limit(limit).load(c).await
    })?)
}

/// How many stored products a run over these is about; delisted ones are not.
///
/// # Errors
/// When the database does not answer.
pub async fn count(conn: &mut Conn, category: Option<&str>, brand: Option<&str>) -> Result<i64> {
    let count = on!(conn, |c| {
        let mut query = products::table.filter(products::delisted_at.is_null()).count().into_boxed();
        if let Some(category) = category {
            query = query.filter(products::category.eq(category));
        }
        if let Some(brand) = brand {
            query = query.filter(products::brand.eq(brand));
        }
        query.get_result(c).await
    })?;
    Ok(count)
}

/// How many products are listed that this run has not brought itself.
///
/// # Errors
/// When the database does not answer.
pub async fn count_before(conn: &mut Conn, run: i64) -> Result<i64> {
    let count = on!(conn, |c| products::table
        .filter(products::delisted_at.is_null())
        .filter(products::created_by.is_null().or(products::created_by.ne(run)))
        .count()
        .get_result(c)
        .await)?;
    Ok(count)
}

/// Codes of stored products after one, in their order; delisted ones are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn list_codes(
    conn: &mut Conn,
    category: Option<&str>,
    brand: Option<&str>,
    after: Option<&ProductCode>,
    limit: i64,
) -> Result<Vec<ProductCode>> {
    let codes: Vec<String> = on!(conn, |c| {
        let listed = products::table.filter(products::delisted_at.is_null());
        let mut query = listed.select(products::product_code).into_boxed();
        if let Some(category) = category {
            query = query.filter(products::category.eq(category));
        }
        if let Some(brand) = brand {
            query = query.filter(products::brand.eq(brand));
        }
        if let Some(after) = after {
            query = query.filter(products::product_code.gt(after.as_str()));
        }
        query.order(products::product_code).limit(limit).load(c).await
    })?;
    Ok(codes.into_iter().map(ProductCode::from_stored).collect())
}

/// Codes of products after one that another one than this run has stored, in their order. Delisted ones are left out: what
/// is known of them is as old as that.
///
/// # Errors
/// When the database does not answer.
pub async fn list_stored(
    conn: &mut Conn,
    run: i64,
    after: Option<&ProductCode>,
    limit: i64,
) -> Result<Vec<ProductCode>> {
    let after = after.map_or("", ProductCode::as_str);
    let codes: Vec<String> = on!(conn, |c| products::table
        .filter(products::product_code.gt(after))
        .filter(products::created_by.is_null().or(products::created_by.ne(run)))
        .filter(products::delisted_at.is_null())
        .select(products::product_code)
        .order(products::product_code)
        .limit(limit)
        .load(c)
        .await)?;
    Ok(codes.into_iter().map(ProductCode::from_stored).collect())
}

/// Those of some codes that are stored, in no particular order.
///
/// # Errors
/// When the database does not answer.
pub async fn known_codes(conn: &mut Conn, codes: &[ProductCode]) -> Result<Vec<ProductCode>> {
    let codes: Vec<&str> = codes.iter().map(ProductCode::as_str).collect();
    let known: Vec<String> = on!(conn, |c| products::table
        .filter(products::product_code.eq_any(codes))
        .select(products::product_code)
        .load(c)
        .await)?;
    Ok(known.into_iter().map(ProductCode::from_stored).collect())
}

/// Whether nothing is stored yet.
///
/// # Errors
/// When the database does not answer.
pub async fn is_empty(conn: &mut Conn) -> Result<bool> {
    let any: bool =
        on!(conn, |c| diesel::select(exists(products::table.select(products::id))).get_result(c).await)?;
    Ok(!any)
}

/// A LIKE pattern for "contains this, case ignored"; the text's own wildcards are taken literally.
pub(super) fn contains(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
