//! The tables, once for both databases.

mod catalogue;
mod ordering;
mod service;
mod syncs;

pub(super) use catalogue::{
    new_products, product_attention, product_changes, product_feed_head, product_history, product_prices,
    product_sync, products, stock_levels,
};
pub(super) use ordering::{
    callbacks, order_changes, order_facts, order_feed_head, order_items, order_pushes, order_secrets,
    order_warnings, orders, unnumbered_order_changes,
};
pub(super) use service::{
    api_tokens, audit_events, database_identity, haier_config_secrets, haier_configs, replicas,
    upstream_pauses, upstream_slots, upstream_tokens,
};
pub(super) use syncs::{
    held_findings, held_runs, poison_codes, schedules, sync_failures, sync_logs, sync_runs,
};

diesel::define_sql_function! {
    /// Lower case, for searches that ignore it.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
