//! What the order system's callbacks say of orders. Whoever listens for them has checked them before.

use std::sync::Arc;

use super::{App, to_its_end};
use crate::{
    domain::orders::{
        SoId,
        facts::{Callback, FactKind},
    },
    error::Result,
    store::orders,
};

impl App {
    /// The order that a callback means: by `so_id`, then by `online_no` if only one order has it, then by Haier's own number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn order_meant(
        &self,
        platform_order_no: &str,
        haier_order_no: Option<&str>,
    ) -> Result<Option<SoId>> {
        let mut conn = self.store.read().await?;
        Ok(orders::find_meant(&mut conn, platform_order_no, haier_order_no).await?)
    }

    /// Adds what a callback says to its order. One that came before adds nothing, however often it comes.
    ///
    /// # Errors
    /// When there is no such order, or the database does not answer.
    pub async fn order_called_back(self: &Arc<Self>, so_id: SoId, callback: Callback) -> Result<()> {
        let app = Arc::clone(self);
        to_its_end(async move {
            let mut tx = app.store.begin().await?;
            let history = app.order_lock(&mut tx, &so_id).await?;
            let order = &history.order.order;
            // Haier's words may name the customer.
            let (data, words) = (order.redact(&callback.data), order.redact(&callback.words));
            let fact = FactKind::Callback(Callback { data, words, ..callback });
            if history.facts.iter().any(|known| known.kind == fact) {
                return Ok(());
            }
            let recorded = app.order_record(&mut tx, history, vec![fact]).await?;
            tx.commit().await?;
            app.order_announce(&recorded);
            Ok(())
        })
        .await
    }
}
