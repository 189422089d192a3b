//! Reads the feed of products for those who follow it here.

use std::sync::Arc;

use crate::app::App;

/// Reads until the process goes down.
pub async fn run(app: Arc<App>) {
    app.product_feed_run().await;
}
