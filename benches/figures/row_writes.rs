//! Which row versions a run wrote, by PostgreSQL's own statistics.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::report::megabytes;

/// Longest wait for statistics: an idle connection hands in the last of its own after ten seconds.
const LATE: Duration = Duration::from_secs(20);

/// The counters of one table.
#[derive(Clone, Copy)]
struct Table {
    inserted: i64,
    updated: i64,
    hot: i64,
    dead: i64,
    vacuums: i64,
    /// With its indexes.
    bytes: i64,
}

/// The counters of both tables that a run writes.
pub(crate) struct RowWrites {
    products: Table,
    product_sync: Table,
    /// Whether what was waited for came.
    complete: bool,
}

/// What the counters must show before they tell about a run that has ended.
pub(crate) enum Until {
    /// So many rows of `products`, over all time, in both tables.
    Inserted(i64),
    /// So many updates of `product_sync`, over all time.
    Touched(i64),
}

impl RowWrites {
    /// Reads them once they show what is known to have happened, or at the deadline.
    pub(crate) async fn read(client: &Client, until: &Until) -> anyhow::Result<Self> {
        let deadline = Instant::now() + LATE;
        loop {
            let products = Table::read(client, "products").await?;
            let product_sync = Table::read(client, "product_sync").await?;
            let complete = match *until {
                Until::Inserted(rows) => products.inserted.min(product_sync.inserted) >= rows,
                Until::Touched(rows) => product_sync.updated >= rows,
            };
            if complete || Instant::now() >= deadline {
                return Ok(Self { products, product_sync, complete });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What they show after a run that touches so many products.
    pub(crate) fn touched(&self, rows: i64) -> Until {
        Until::Touched(self.product_sync.updated + rows)
    }

    /// The difference, in words.
    pub(crate) fn since(&self, before: &Self) -> String {
        let products = self.products.since("products", &before.products);
        let product_sync = self.product_sync.since("product_sync", &before.product_sync);
        let late =
            if self.complete && before.complete { "" } else { "; STATISTICS INCOMPLETE at the deadline" };
        format!("{products}; {product_sync}{late}")
    }
}

impl Table {
    async fn read(client: &Client, name: &str) -> anyhow::Result<Self> {
        let row = client
            .query_one(
                "SELECT n_tup_ins, n_tup_upd, n_tup_hot_upd, n_dead_tup, vacuum_count + autovacuum_count, \
                 pg_total_relation_size(relid) FROM pg_stat_user_tables WHERE relname = $1",
                &[&name],
            )
            .await?;
        let [inserted, updated, hot, dead, vacuums, bytes] = [0, 1, 2, 3, 4, 5].map(|column| row.get(column));
        Ok(Self { inserted, updated, hot, dead, vacuums, bytes })
    }

    fn since(&self, name: &str, before: &Self) -> String {
        let vacuumed = if self.vacuums > before.vacuums { " (vacuumed meanwhile)" } else { "" };
        format!(
            "{name}: {} inserted, {} updated ({} HOT), dead tuples {} → {}{vacuumed}, {} MB → {} MB",
            self.inserted - before.inserted,
            self.updated - before.updated,
            self.hot - before.hot,
            before.dead,
            self.dead,
            megabytes(before.bytes.unsigned_abs()),
            megabytes(self.bytes.unsigned_abs())
        )
    }
}
