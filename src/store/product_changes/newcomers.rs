//! Products that were not stored before: told once, with all that their run asks about them.

use std::collections::HashMap;

use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryableByName,
    sql_types::{Array, BigInt, Text},
};
use diesel_async::RunQueryDsl as _;

use super::{
    AT_ONCE,
    contents::{self, Content},
    gathered::all_of,
    rows::NewEntry,
};
use crate::{
    domain::{product_changes::ChangeKind, products::ProductCode},
    store::{Conn, Result, on, schema::new_products, schema::products},
};

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = BigInt)]
    product_id: i64,
}

fn keys(rows: Vec<Key>) -> Vec<i64> {
    rows.into_iter().map(|row| row.product_id).collect()
}

/// Keeps products untold until their run is done with them.
pub(super) async fn hold(conn: &mut Conn, ids: &[i64], run: i64) -> Result<()> {
    for some in ids.chunks(AT_ONCE) {
        let rows: Vec<_> = some
            .iter()
            .map(|id| (new_products::product_id.eq(*id), new_products::sync_log_id.eq(run)))
            .collect();
        match conn {
            Conn::Pg(conn) => {
                diesel::insert_into(new_products::table).values(&rows).execute(conn).await?;
            }
            Conn::Lite(conn) => {
                for row in rows {
                    diesel::insert_into(new_products::table).values(row).execute(conn).await?;
                }
            }
        }
    }
    Ok(())
}

/// Those among some products that their run has not told yet. Nobody tells of them before this transaction ends.
pub(super) async fn held(conn: &mut Conn, ids: &[i64]) -> Result<Vec<i64>> {
    match conn {
        Conn::Pg(conn) => {
            let rows: Vec<Key> = diesel::sql_query(
                "SELECT product_id FROM new_products WHERE product_id = ANY($1) ORDER BY product_id FOR SHARE",
            )
            .bind::<Array<BigInt>, _>(ids)
            .load(conn)
            .await?;
            Ok(keys(rows))
        }
        Conn::Lite(conn) => {
            let rows = new_products::table.filter(new_products::product_id.eq_any(ids.to_vec()));
            Ok(rows.select(new_products::product_id).load(conn).await?)
        }
    }
}

/// Those that this run holds among some products, which are now to be told.
pub(super) async fn release(conn: &mut Conn, run: i64, codes: &[ProductCode]) -> Result<Vec<i64>> {
    let codes: Vec<&str> = codes.iter().map(ProductCode::as_str).collect();
    let ids: Vec<i64> = match conn {
        Conn::Pg(conn) => {
            let rows: Vec<Key> = diesel::sql_query(
                "SELECT n.product_id FROM new_products n JOIN products p ON p.id = n.product_id \
                 WHERE p.product_code = ANY($1) AND n.sync_log_id = $2 ORDER BY n.product_id FOR UPDATE OF n",
            )
            .bind::<Array<Text>, _>(codes)
            .bind::<BigInt, _>(run)
            .load(conn)
            .await?;
            keys(rows)
        }
        Conn::Lite(conn) => {
            let ids = products::table.filter(products::product_code.eq_any(codes)).select(products::id);
            let own = new_products::table.filter(new_products::sync_log_id.eq(run));
            let own = own.filter(new_products::product_id.eq_any(ids));
            own.select(new_products::product_id).order(new_products::product_id).load(conn).await?
        }
    };
    for some in ids.chunks(AT_ONCE) {
        let told = new_products::table.filter(new_products::product_id.eq_any(some.to_vec()));
        on!(conn, |c| diesel::delete(told).execute(c).await)?;
    }
    Ok(ids)
}

/// All that this run still holds, which are now to be told.
pub(super) async fn release_all(conn: &mut Conn, run: i64) -> Result<Vec<i64>> {
    let own = || new_products::table.filter(new_products::sync_log_id.eq(run));
    let ids: Vec<i64> = match conn {
        Conn::Pg(conn) => {
            let rows: Vec<Key> = diesel::sql_query(
                "SELECT product_id FROM new_products WHERE sync_log_id = $1 ORDER BY product_id FOR UPDATE",
            )
            .bind::<BigInt, _>(run)
            .load(conn)
            .await?;
            keys(rows)
        }
        Conn::Lite(conn) => own().select(new_products::product_id).load(conn).await?,
    };
    if !ids.is_empty() {
        on!(conn, |c| diesel::delete(own()).execute(c).await)?;
    }
    Ok(ids)
}

/// What is to be told of some products: all that is known of each, by code.
pub(super) async fn entries(conn: &mut Conn, ids: &[i64]) -> Result<Vec<NewEntry>> {
    let (catalogue, prices, stock) = match conn {
        Conn::Pg(conn) => (
            contents::postgres::catalogue(conn, ids).await?,
            contents::postgres::prices(conn, ids).await?,
            contents::postgres::stock(conn, ids).await?,
        ),
        Conn::Lite(conn) => {
            let ids = ids.to_vec();
            conn.spawn_blocking(move |conn| {
                Ok::<_, diesel::result::Error>((
                    contents::sqlite::catalogue(conn, &ids)?,
                    contents::sqlite::prices(conn, &ids)?,
                    contents::sqlite::stock(conn, &ids)?,
                ))
            })
            .await?
        }
    };
    let by_id = |contents: Vec<Content>| -> HashMap<i64, Content> {
        contents.into_iter().map(|content| (content.id, content)).collect()
    };
    let (mut prices, mut stock) = (by_id(prices), by_id(stock));
    let mut all = catalogue;
    all.sort_unstable_by(|a, b| a.code.cmp(&b.code));
    let mut entries = Vec::with_capacity(all.len());
    for mut content in all {
        for part in [prices.remove(&content.id), stock.remove(&content.id)].into_iter().flatten() {
            content.fields.extend(part.fields);
        }
        entries.push(NewEntry::new(ChangeKind::New, content.code.clone(), all_of(content.fields)));
        if content.delisted {
            entries.push(NewEntry::new(ChangeKind::Delisted, content.code, Vec::new()));
        }
    }
    Ok(entries)
}
