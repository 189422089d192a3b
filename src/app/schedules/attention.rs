//! What an operator says of single products: whether they are watched, and which stock of theirs is low.

use std::{collections::HashSet, sync::Arc};

use super::App;
use crate::{
    app::{Ctx, to_its_end},
    domain::{
        attention::{Attention, AttentionChange},
        audit::Change,
        products::ProductCode,
    },
    error::Result,
    store::product_attention,
};

impl App {
    /// Changes it for some products; returns how it stands now, and which of them are not stored.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn product_attention_set(
        self: &Arc<Self>,
        ctx: &Ctx,
        codes: Vec<ProductCode>,
        change: AttentionChange,
    ) -> Result<(Vec<Attention>, Vec<ProductCode>)> {
        let (app, ctx) = (Arc::clone(self), ctx.clone());
        to_its_end(async move {
            let mut tx = app.store.begin().await?;
            let mut all = product_attention::list(&mut tx, &codes).await?;
            for attention in &mut all {
                let before = attention.clone();
                attention.watched = change.watched.unwrap_or(before.watched);
                attention.low_stock = change.low_stock.unwrap_or(before.low_stock);
                let changes = changes(&before, attention);
                if changes.is_empty() {
                    continue;
                }
                product_attention::upsert(&mut tx, attention).await?;
                app.audit(&mut tx, &ctx, "product.attention", before.code.as_str(), changes).await?;
            }
            tx.commit().await?;
            let stored: HashSet<&ProductCode> = all.iter().map(|attention| &attention.code).collect();
            let missing = codes.iter().filter(|code| !stored.contains(code)).cloned().collect();
            Ok((all, missing))
        })
        .await
    }
}

fn changes(before: &Attention, after: &Attention) -> Vec<Change> {
    let low = |attention: &Attention| attention.low_stock.map(|low| low.to_string());
    [
        Change::between("watched", Some(before.watched.to_string()), Some(after.watched.to_string())),
        Change::between("low_stock", low(before), low(after)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
