//! Orders of which nothing may come unless a person looks.

use super::App;
use crate::{error::Result, store::order_warnings};

/// Orders that one look warns of.
const MOST: i64 = 100;

impl App {
    /// Warns, once of each, of orders that Haier has or is cancelling and of which it has called nothing back for long, and of
    /// those that are in doubt beyond their deadline: nothing may come of these while they wait for a cause of ours.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders_complain(&self) -> Result<()> {
        let now = self.clock.now();
        let before = now - self.orders.settings.unconfirmed_after;
        let mut tx = self.store.begin().await?;
        let overdue = order_warnings::complain_unconfirmed(&mut tx, before, MOST, now).await?;
        let doubtful = order_warnings::complain_doubtful(&mut tx, MOST, now).await?;
        tx.commit().await?;
        for (so_id, state, deadline) in doubtful {
            metrics::counter!("haier_order_alerts_total", "kind" => "in_doubt").increment(1);
            tracing::error!(
                so_id = so_id.as_str(),
                state = state.as_str(),
                %deadline,
                alert = true,
                rule = "orders_in_doubt",
                "an order is in doubt beyond its deadline: look it up at Haier and run `orders resolve`"
            );
        }
        for (so_id, state, since) in overdue {
            metrics::counter!("haier_order_alerts_total", "kind" => "unconfirmed").increment(1);
            tracing::warn!(
                so_id = so_id.as_str(),
                state = state.as_str(),
                %since,
                alert = true,
                rule = "orders_unconfirmed",
                "Haier has called nothing back about an order: look it up at Haier; a cancellation can be asked for again by `orders retry`"
            );
        }
        Ok(())
    }
}
