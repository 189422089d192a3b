//! What to measure, at which size; and the text that explains it.

use clap::{Parser, ValueEnum};

/// Measure the figures of this service
///
/// Every figure starts the service and its stand-in for Haier as processes of their own, on free ports, and ends them.
/// What is compared is measured in the same run. The results are printed as a table of markdown; progress goes to
/// standard error.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo bench --", after_help = MEANINGS, max_term_width = 100)]
pub(crate) struct Options {
    /// Only these; without any, all of them
    #[arg(value_enum, value_name = "FIGURE", hide_possible_values = true)]
    pub(crate) figures: Vec<Figure>,
    /// Products of sync_*, get_products and check_stock
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(20..=10_000_000))]
    pub(crate) products: u64,
    /// Stored products of prices_at_rate
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(20..=1_000_000))]
    pub(crate) stored: u64,
    /// Products of memory
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(20..=10_000_000))]
    pub(crate) memory_products: u64,
    /// Rows of list_logs
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(24..=1_000_000_000))]
    pub(crate) logs: u64,
    /// Calls of check_stock, and of each kind of page of list_logs
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) calls: u32,
    /// Orders of order_backlog
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(crate) backlog: u32,
    /// Callbacks of callback_burst
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) callbacks: u32,
    /// Readers of feed_readers
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) readers: u32,
    /// Length of each load of get_products, budget, order_accept and feed_readers in seconds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// How often sync_*, get_products and order_accept are repeated; medians are printed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Time that the stand-in waits before it answers in sync_latency
    #[arg(long, value_name = "TIME", default_value = "50ms")]
    pub(crate) latency: String,
    /// Calls a second of prices_at_rate and budget, and to the order system in order_accept and order_backlog; changes a
    /// second of feed_readers
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: u32,
    /// A setting of the service that is not its default, such as SYNC_CALLS_IN_FLIGHT=16; repeatable
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Says that cargo started this; it means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the server that get_products compares with: answers what this file holds.
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) bare_server: Option<std::path::PathBuf>,
    /// Be the server that order_accept compares with: stores orders in this database.
    #[arg(long, hide = true, value_name = "URL")]
    pub(crate) bare_orders: Option<String>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Figure {
    SyncPostgres,
    SyncLatency,
    SyncSqlite,
    PricesAtRate,
    Memory,
    GetProducts,
    CheckStock,
    ListLogs,
    Budget,
    OrderAccept,
    OrderBacklog,
    OrderOutage,
    CallbackBurst,
    FeedReaders,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    Ok((format!("HAIER_INTEGRATION_{}", name.trim_start_matches("HAIER_INTEGRATION_")), value.to_owned()))
}

const MEANINGS: &str = "\
Figures (the stand-in's throttle and the service's budget are off unless said otherwise):
  sync_postgres   Codes a second of runs over the whole catalogue on PostgreSQL, from the
                  durations in their logs: the first run with prices; products only into emptied
                  tables, against a bare upsert by UNNEST of the same rows (500 a statement, one
                  connection) into a table with the same columns and indexes; and twice more with
                  nothing changed: of the second, the row versions that PostgreSQL's statistics
                  say it wrote, and how much the tables grew. The most memory over all of it.
  sync_latency    Codes a second of the first run, with prices, when every answer of Haier waits
                  (--latency).
  sync_sqlite     As sync_postgres, on SQLite, without the bare upsert.
  prices_at_rate  Codes a second of a prices run over stored products, with the service's budget
                  and the stand-in's throttle both at --rate calls a second; the stand-in's
                  count of calls in any second, and of refused ones.
  memory          Resident memory of the service: idle without products and account, and the
                  peak over the first run, with prices, of --memory-products.
  get_products    Calls a second of GetProducts with 20 stored codes, 64 at a time over 4
                  connections: random codes, and the same 20 always. Against a server with one
                  bare tonic method that reads the same requests and answers the bytes of such a
                  response ready-made. Service and server take turns.
  check_stock     What CheckStock adds to the time of the same call made directly, one at a
                  time, in turns: the difference of medians and of 99th percentiles.
  list_logs       Time of a page of ListSyncLogs among --logs rows in monthly partitions on
                  PostgreSQL: the first page, one before a random instant, and the page after
                  that; by each filter. The partitions are vacuumed first.
  budget          Calls a second that arrive at the stand-in, and the most in any second, while
                  runs at 1, 3 and 10 processes on one PostgreSQL take all that --rate allows; of
                  three also while every 3 s one is killed and replaced. Beside the runs of three,
                  the time of live calls at 20 a second; and what is left for runs beside 40 live
                  callers that never cease. Give it --seconds 30.
  order_accept    Time of PushOrder without a wait, 300 orders of one line a second, answered once
                  the order is stored. Against a server with one bare tonic method that reads the
                  same requests and stores each in one transaction of two inserts, an order and
                  its line, by the same driver in the same database (10 connections on PostgreSQL,
                  one that writes on SQLite); and against the same transaction made by the client
                  itself. All three take turns: while new orders are paused, and while the
                  backlog of them goes to the stand-in at --rate calls a second.
  order_backlog   Orders a second that arrive at the stand-in once the pause over --backlog of
                  them ends, from the first to the last, with the service's budget and the
                  stand-in's throttle both at --rate: at 1 process, and at 3 on one PostgreSQL.
                  Every order must be in the book, and have arrived once.
  order_outage    Processor time of the service over 8 hours in which the order system is silent and
                  1,000 orders wait, taken from 3 minutes of it; and the facts that are written,
                  at most two for each send that arrives and three for each order.
  callback_burst  --callbacks posted at the same instant, each on a connection of its own, about
                  as many orders that the stand-in has booked: how long until each is answered
                  200, and until all are applied. None may be lost.
  feed_readers    Processor time of the service while --rate prices a second change, 20 at once,
                  each lot found by a run over it: without a reader, and with --readers of
                  WatchProductChanges, dealt to 2 processes on PostgreSQL. The time from before a
                  price changes at the stand-in until each of them has it; none may miss one.

PostgreSQL: BENCH_DATABASE_URL names a server where databases may be made and dropped (without
TLS). Without it a server is made for the run by initdb and pg_ctl (in PATH or
/usr/lib/postgresql/*/bin) with PostgreSQL's defaults. Without either, figures on PostgreSQL are
left out. Files lie in the directory for temporary files (TMPDIR); on a file system in memory
fsync costs nothing, so the table names the file system.

Examples:
  cargo bench
  cargo bench -- sync_postgres list_logs
  cargo bench -- sync_latency --set SYNC_CALLS_IN_FLIGHT=32
  cargo bench --profile dev -- --products 1000 --stored 400 --memory-products 1000 --logs 24000 \\
    --calls 50 --seconds 1 --rounds 1";
