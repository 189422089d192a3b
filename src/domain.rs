//! Plain values, legal by construction: what the rooms speak to each other. Knows no database, no wire, no transport.

pub mod accounts;
pub mod api_tokens;
pub mod audit;
pub mod balances;
pub mod callbacks;
pub mod callers;
pub mod clock;
pub mod decimal;
pub mod haier_configs;
pub mod ids;
pub mod logistics;
pub mod messages;
pub mod order_calls;
pub mod orders;
pub mod pages;
pub mod pauses;
pub mod product_changes;
pub mod products;
pub mod reasons;
pub mod schedules;
pub mod sealed;
pub mod slots;
pub mod stock;
pub mod sync_logs;
pub mod sync_runs;
pub mod violations;
