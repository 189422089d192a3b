//! What the rows of a product say, field by field as texts, to be compared before and after a write.

use diesel::{Queryable, Selectable};

use crate::{
    domain::{decimal::Money, stock::CountyCode},
    store::{
        instant::At,
        schema::{product_prices, products, stock_levels},
    },
};

/// A part of a product: its catalogue record, its prices, or its stock in the default county.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Content {
    pub(in crate::store) id: i64,
    pub(in crate::store) code: String,
    /// The run that first stored the product.
    pub(in crate::store) created_by: Option<i64>,
    /// Whether the catalogue no longer holds it; only a catalogue record knows.
    pub(in crate::store) delisted: bool,
    pub(in crate::store) fields: Vec<Field>,
}

/// A field, as the API names it, and its value if it has one.
pub(in crate::store) type Field = (&'static str, Option<String>);

#[derive(Queryable, Selectable)]
#[diesel(table_name = products)]
struct Key {
    id: i64,
    product_code: String,
    created_by: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = products)]
struct CatalogueRow {
    product_model: Option<String>,
    name: Option<String>,
    product_group: Option<String>,
    category: Option<String>,
    brand: Option<String>,
    product_image_url: Option<String>,
    product_page_urls: serde_json::Value,
    is_sales: bool,
    no_sales_reason: Option<String>,
    delisted_at: Option<At>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = product_prices)]
struct PriceRow {
    supply_price_e4: Option<i64>,
    invoice_price_e4: Option<i64>,
    market_price_e4: Option<i64>,
    stock_rebate: Option<String>,
    rebate_policy: Option<String>,
    rebate_money_e4: Option<i64>,
}

impl Key {
    fn with(self, delisted: bool, fields: Vec<Field>) -> Content {
        let Self { id, product_code, created_by } = self;
        Content { id, code: product_code, created_by, delisted, fields }
    }
}

impl From<(Key, CatalogueRow)> for Content {
    fn from((key, row): (Key, CatalogueRow)) -> Self {
        let pages = row.product_page_urls.as_array().is_some_and(|urls| !urls.is_empty());
        let fields = vec![
            ("product_model", row.product_model),
            ("name", row.name),
            ("product_group", row.product_group),
            ("category", row.category),
            ("brand", row.brand),
            ("product_image_url", row.product_image_url),
            ("product_page_urls", pages.then(|| row.product_page_urls.to_string())),
            ("is_sales", Some(row.is_sales.to_string())),
            // As the API shows it: a reason of former times is none.
            ("no_sales_reason", row.no_sales_reason.filter(|_| !row.is_sales)),
        ];
        key.with(row.delisted_at.is_some(), fields)
    }
}

impl From<(Key, PriceRow)> for Content {
    fn from((key, row): (Key, PriceRow)) -> Self {
        let money = |e4: Option<i64>| e4.map(|e4| Money { e4 }.to_string());
        let fields = vec![
            ("supply_price", money(row.supply_price_e4)),
            ("invoice_price", money(row.invoice_price_e4)),
            ("market_price", money(row.market_price_e4)),
            ("stock_rebate", row.stock_rebate),
            ("rebate_policy", row.rebate_policy),
            ("rebate_money", money(row.rebate_money_e4)),
        ];
        key.with(false, fields)
    }
}

impl From<(Key, i64)> for Content {
    fn from((key, stock): (Key, i64)) -> Self {
        key.with(false, vec![("stock", Some(stock.to_string()))])
    }
}

/// A query, once for both databases.
macro_rules! query {
    (catalogue $ids:expr) => {
        products::table
            .filter(products::id.eq_any($ids.to_vec()))
            .select((Key::as_select(), CatalogueRow::as_select()))
    };
    (prices $ids:expr) => {
        product_prices::table
            .inner_join(products::table.on(products::id.eq(product_prices::product_id)))
            .filter(product_prices::product_id.eq_any($ids.to_vec()))
            .select((Key::as_select(), PriceRow::as_select()))
    };
    (stock $ids:expr) => {
        stock_levels::table
            .inner_join(products::table.on(products::id.eq(stock_levels::product_id)))
            .filter(stock_levels::product_id.eq_any($ids.to_vec()))
            .filter(stock_levels::county_code.eq(CountyCode::default().as_str().to_owned()))
            .select((Key::as_select(), stock_levels::stock))
    };
    (first_prices $ids:expr, $own:expr) => {
        query!(prices $ids).filter(products::created_by.is_null().or(products::created_by.ne($own)))
    };
}

/// What is read on PostgreSQL.
pub(in crate::store) mod postgres {
    use diesel::{
        BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, QueryDsl as _,
        SelectableHelper as _,
    };
    use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

    use super::{
        CatalogueRow, Content, CountyCode, Key, PriceRow, product_prices, products, stock_levels, whole,
    };
    use crate::store::Result;

    /// Catalogue records.
    pub(in crate::store) async fn catalogue(
        conn: &mut AsyncPgConnection,
        ids: &[i64],
    ) -> Result<Vec<Content>> {
        let rows: Vec<(Key, CatalogueRow)> = query!(catalogue ids).load(conn).await?;
        Ok(whole(rows))
    }

    /// Prices.
    pub(in crate::store) async fn prices(conn: &mut AsyncPgConnection, ids: &[i64]) -> Result<Vec<Content>> {
        let rows: Vec<(Key, PriceRow)> = query!(prices ids).load(conn).await?;
        Ok(whole(rows))
    }

    /// Prices of products that another one than this run has stored.
    pub(in crate::store) async fn first_prices(
        conn: &mut AsyncPgConnection,
        ids: &[i64],
        own: i64,
    ) -> Result<Vec<Content>> {
        let rows: Vec<(Key, PriceRow)> = query!(first_prices ids, own).load(conn).await?;
        Ok(whole(rows))
    }

    /// Stock in the default county.
    pub(in crate::store) async fn stock(conn: &mut AsyncPgConnection, ids: &[i64]) -> Result<Vec<Content>> {
        let rows: Vec<(Key, i64)> = query!(stock ids).load(conn).await?;
        Ok(whole(rows))
    }
}

/// The same on SQLite.
pub(in crate::store) mod sqlite {
    use diesel::{
        BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, QueryDsl as _, QueryResult,
        RunQueryDsl as _, SelectableHelper as _, SqliteConnection,
    };

    use super::{
        CatalogueRow, Content, CountyCode, Key, PriceRow, product_prices, products, stock_levels, whole,
    };

    pub(in crate::store) fn catalogue(conn: &mut SqliteConnection, ids: &[i64]) -> QueryResult<Vec<Content>> {
        let rows: Vec<(Key, CatalogueRow)> = query!(catalogue ids).load(conn)?;
        Ok(whole(rows))
    }

    pub(in crate::store) fn prices(conn: &mut SqliteConnection, ids: &[i64]) -> QueryResult<Vec<Content>> {
        let rows: Vec<(Key, PriceRow)> = query!(prices ids).load(conn)?;
        Ok(whole(rows))
    }

    pub(in crate::store) fn first_prices(
        conn: &mut SqliteConnection,
        ids: &[i64],
        own: i64,
    ) -> QueryResult<Vec<Content>> {
        let rows: Vec<(Key, PriceRow)> = query!(first_prices ids, own).load(conn)?;
        Ok(whole(rows))
    }

    pub(in crate::store) fn stock(conn: &mut SqliteConnection, ids: &[i64]) -> QueryResult<Vec<Content>> {
        let rows: Vec<(Key, i64)> = query!(stock ids).load(conn)?;
        Ok(whole(rows))
    }
}

fn whole<T: Into<Content>>(rows: Vec<T>) -> Vec<Content> {
    rows.into_iter().map(Into::into).collect()
}
