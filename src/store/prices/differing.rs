//! Which price records say something else than what is stored.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl as _;
use serde_json::json;

use crate::{
    domain::{
        decimal::Money,
        guard::StoredPrices,
        products::{PriceRecord, ProductCode},
    },
    store::{
        Conn, Result,
        content::Record as _,
        instant::{At, Instant},
    },
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    product_code: String,
    #[diesel(sql_type = Instant)]
    price_at: At,
    #[diesel(sql_type = Nullable<BigInt>)]
    supply_price_e4: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    invoice_price_e4: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    market_price_e4: Option<i64>,
}

/// What is stored of those products about which these records say something else: when Haier was asked for it, and the
/// prices. An instant after `latest` is not believed, and none is returned. Nothing is locked.
///
/// # Errors
/// When the database does not answer.
pub async fn differing(
    conn: &mut Conn,
    records: &[PriceRecord],
    latest: DateTime<Utc>,
) -> Result<HashMap<ProductCode, (Option<DateTime<Utc>>, StoredPrices)>> {
    const COLUMNS: &str =
        "p.product_code, s.price_at, s.supply_price_e4, s.invoice_price_e4, s.market_price_e4";
    const JOINED: &str = "JOIN products p ON p.product_code = u.code \
                          JOIN product_prices s ON s.product_id = p.id WHERE s.price_hash <> u.hash";
    let rows: Vec<Row> = match conn {
        Conn::Pg(conn) => {
            diesel::sql_query(format!("SELECT {COLUMNS} FROM unnest($1, $2) AS u(code, hash) {JOINED}"))
                .bind::<Array<Text>, _>(records.iter().map(|record| record.code.as_str()).collect::<Vec<_>>())
                .bind::<Array<BigInt>, _>(records.iter().map(PriceRecord::content_hash).collect::<Vec<_>>())
                .load(conn)
                .await?
        }
        Conn::Lite(conn) => {
            let pairs = records.iter().map(|record| json!([record.code.as_str(), record.content_hash()]));
            diesel::sql_query(format!(
                "SELECT {COLUMNS} FROM (SELECT value ->> 0 AS code, value ->> 1 AS hash FROM json_each(?)) AS u {JOINED}"
            ))
            .bind::<Text, _>(pairs.collect::<serde_json::Value>().to_string())
            .load(conn)
            .await?
        }
    };
    let money = |e4: Option<i64>| e4.map(|e4| Money { e4 });
    let stored = |row: Row| {
        let prices = StoredPrices {
            supply: money(row.supply_price_e4),
            invoice: money(row.invoice_price_e4),
            market: money(row.market_price_e4),
        };
        let at = Some(row.price_at.0).filter(|at| *at <= latest);
        (ProductCode::from_stored(row.product_code), (at, prices))
    };
    Ok(rows.into_iter().map(stored).collect())
}
