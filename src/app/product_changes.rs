//! The feed of products: what changed in the shop's copy.

use super::App;
use crate::store::product_changes::Recorded;

impl App {
    /// Counts what was committed.
    pub(super) fn tell_changes(&self, recorded: &Recorded) {
        for (kind, count) in recorded {
            metrics::counter!("haier_product_changes_total", "kind" => kind.as_str()).increment(*count);
        }
    }
}
