//! Numbers the feed of orders, and reads the feeds of products and of orders, and single orders, for those who follow them
//! here.

use std::sync::Arc;

use crate::app::App;

/// Works until the process goes down.
pub async fn run(app: Arc<App>) {
    tokio::join!(
        app.product_feed_run(),
        app.order_changes_number_run(),
        app.order_feed_run(),
        app.order_watchers_run()
    );
}
