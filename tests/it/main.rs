//! The crate from outside, in one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod api_tokens;
mod audit;
#[cfg(target_os = "linux")]
mod budget;
mod callbacks;
mod callers;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod canary;
mod catalogue;
mod chaos;
#[cfg(target_os = "linux")]
mod chaos_processes;
mod clocks;
#[cfg(target_os = "linux")]
mod commands;
mod configs;
mod database_lives;
mod delisting;
mod deploy;
mod faults;
#[cfg(target_os = "linux")]
mod harsh;
mod held_runs;
mod hostile;
mod keys;
mod layering;
mod live;
mod migrating;
mod one_bad_code;
mod order_calls;
mod order_chaos;
#[cfg(target_os = "linux")]
mod order_chaos_processes;
mod orders;
mod outages;
mod policy;
#[cfg(target_os = "linux")]
mod power_cut;
mod previews;
mod process_numbers;
#[cfg(target_os = "linux")]
mod processes;
mod product_changes;
mod requests;
mod retry_cancel;
mod runs;
mod sandbox;
mod schedules;
mod searches;
mod serving;
mod shared_tokens;
mod silence;
mod store;
mod stored_runs;
mod strangers;
mod support;
mod switching;
mod sync_logs;
mod syncs;
mod tls;
mod upstream_control;
mod waits;
mod week;
