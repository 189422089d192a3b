//! What the database does at best: the rows of `products` upserted into a copy of the table, and nothing else.

use std::time::Instant;

use tokio_postgres::{Client, Row};

use super::say;

/// Rows a statement.
const ROWS: usize = 500;

const UPSERT: &str = "INSERT INTO bare_products (product_code, product_model, name, product_group, category, brand, \
         product_image_url, product_page_urls, is_sales, no_sales_reason, created_at, updated_at) \
     SELECT code, model, name, grp, grp, brand, image, pages::json, is_sales, reason, now(), now() \
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bool[], \
         $9::text[]) AS u(code, model, name, grp, brand, image, pages, is_sales, reason) \
     ON CONFLICT (product_code) DO UPDATE SET product_model = excluded.product_model, name = excluded.name, \
         product_group = excluded.product_group, category = excluded.category, brand = excluded.brand, \
         product_image_url = excluded.product_image_url, product_page_urls = excluded.product_page_urls, \
         is_sales = excluded.is_sales, no_sales_reason = excluded.no_sales_reason, updated_at = excluded.updated_at";

/// Rows a second on this one connection. The rows are those of `products`, in the order in which they were stored, and
/// are read before the time begins.
pub(crate) async fn bare_upsert(client: &Client) -> anyhow::Result<f64> {
    client.batch_execute("CREATE TABLE bare_products (LIKE products INCLUDING ALL)").await?;
    let rows = client
        .query(
            "SELECT product_code, product_model, name, product_group, brand, product_image_url, \
                 product_page_urls::text, is_sales, no_sales_reason FROM products ORDER BY id",
            &[],
        )
        .await?;
    let upsert = client.prepare(UPSERT).await?;
    let started = Instant::now();
    for chunk in rows.chunks(ROWS) {
        let text =
            |column: usize| chunk.iter().map(|row| row.get::<_, Option<&str>>(column)).collect::<Vec<_>>();
        let is_sales: Vec<bool> = chunk.iter().map(|row: &Row| row.get(7)).collect();
        let [code, model, name, group, brand, image, pages, reason] = [0, 1, 2, 3, 4, 5, 6, 8].map(text);
        client
            .execute(&upsert, &[&code, &model, &name, &group, &brand, &image, &pages, &is_sales, &reason])
            .await?;
    }
    let took = started.elapsed();
    let stored: i64 = client.query_one("SELECT count(*) FROM bare_products", &[]).await?.get(0);
    anyhow::ensure!(usize::try_from(stored)? == rows.len(), "the bare upsert lost rows");
    // Its dead weight must not be cleaned up while something else is measured.
    client.batch_execute("DROP TABLE bare_products").await?;
    say(&format!("{} rows upserted in {took:.2?}", rows.len()));
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    Ok(rows.len() as f64 / took.as_secs_f64())
}
