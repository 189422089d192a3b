//! What runs without a caller: each a loop of claim, step, commit, woken by an event and by a period.

pub mod callbacks;
pub mod callers;
pub mod clock;
pub mod database_identity;
pub mod feeds;
pub mod health;
pub mod housekeeping;
pub mod key_file;
pub mod order_pusher;
pub mod scheduler;
pub mod start;
pub mod sync_runner;
pub mod upstream_control;
