//! Measures the figures of this service: `cargo bench`, or `cargo bench -- --help` for what each of them means.
//!
//! Not a micro-benchmark: service, stand-in for Haier and database are processes of their own, as in operation. Nothing
//! here decides whether a figure is good enough; it prints what it measured.

mod bare_orders;
mod bare_server;
mod bare_upsert;
mod budget;
mod callback_burst;
mod check_stock;
mod cluster;
mod database;
mod feed_readers;
mod get_products;
mod list_logs;
mod log_rows;
mod memory;
mod options;
mod order_accept;
mod order_backlog;
mod order_outage;
mod pace;
mod prices_at_rate;
mod process;
mod quantiles;
mod report;
mod row_writes;
mod service;
mod shop;
mod sync;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser as _, ValueEnum as _};

use cluster::Cluster;
use options::{Figure, Options};
use report::Line;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match (&options.bare_server, &options.bare_orders) {
        (Some(file), _) => bare_server::serve(file).await,
        (None, Some(url)) => bare_orders::serve(url).await,
        // Whatever ends this, the future is dropped, and with it go processes, databases and files.
        (None, None) => tokio::select! {
            outcome = measure(&options) => outcome,
            stopped = stop_signal() => stopped.map_err(Into::into),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> anyhow::Result<()> {
    let mut figures = options.figures.clone();
    if figures.is_empty() {
        figures = Figure::value_variants().to_vec();
    }
    let server = if figures == [Figure::SyncSqlite] { None } else { Cluster::find()? };
    match &server {
        Some(server) => say(&format!("PostgreSQL {}", server.description())),
        None if figures == [Figure::SyncSqlite] => {}
        None => say(
            "!! no PostgreSQL: neither BENCH_DATABASE_URL is set nor are initdb and pg_ctl there; its figures are \
             left out",
        ),
    }
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for figure in figures {
        let name = figure.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        say(&format!("== {name}"));
        match one(figure, options, server.as_ref()).await {
            Ok(measured) if measured.is_empty() => lines.push(Line::new(name, "left out: no PostgreSQL")),
            Ok(measured) => lines.extend(measured),
            // The others are worth having all the same.
            Err(error) => {
                say(&format!("{name} failed: {error:#}"));
                lines.push(Line::new(name.clone(), "failed"));
                failed.push(name);
            }
        }
    }
    let mut machine = report::machine(&std::env::temp_dir());
    if let Some(server) = &server {
        machine.push_str(&format!("; PostgreSQL {}", server.description()));
    }
    for (name, value) in &options.settings {
        machine.push_str(&format!("; {name}={value}"));
    }
    std::io::stdout().write_all(report::table(&lines, &machine).as_bytes())?;
    anyhow::ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

/// Measures one figure; no line where it needs a PostgreSQL that is not there.
async fn one(figure: Figure, options: &Options, server: Option<&Cluster>) -> anyhow::Result<Vec<Line>> {
    match (figure, server) {
        (Figure::SyncPostgres, Some(_)) => sync::full(options, server).await,
        (Figure::SyncSqlite, _) => sync::full(options, None).await,
        (Figure::SyncLatency, _) => {
            on_both(server, async |server| sync::latency(options, server).await).await
        }
        (Figure::PricesAtRate, _) => {
            on_both(server, async |server| prices_at_rate::measure(options, server).await).await
        }
        (Figure::Memory, _) => on_both(server, async |server| memory::measure(options, server).await).await,
        (Figure::GetProducts, _) => {
            on_both(server, async |server| get_products::measure(options, server).await).await
        }
        (Figure::CheckStock, _) => {
            on_both(server, async |server| check_stock::measure(options, server).await).await
        }
        (Figure::ListLogs, Some(server)) => list_logs::measure(options, server).await,
        (Figure::Budget, Some(server)) => budget::measure(options, server).await,
        (Figure::OrderAccept, _) => {
            on_both(server, async |server| order_accept::measure(options, server).await).await
        }
        (Figure::OrderBacklog, _) => {
            on_both(server, async |server| order_backlog::measure(options, server).await).await
        }
        (Figure::OrderOutage, _) => {
            on_both(server, async |server| order_outage::measure(options, server).await).await
        }
        (Figure::CallbackBurst, _) => {
            on_both(server, async |server| callback_burst::measure(options, server).await).await
        }
        (Figure::FeedReaders, _) => {
            on_both(server, async |server| feed_readers::measure(options, server).await).await
        }
        (Figure::SyncPostgres | Figure::ListLogs | Figure::Budget, None) => Ok(Vec::new()),
    }
}

/// The same on SQLite and, where there is one, on PostgreSQL.
async fn on_both(
    server: Option<&Cluster>,
    measure: impl AsyncFn(Option<&Cluster>) -> anyhow::Result<Vec<Line>>,
) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    if server.is_some() {
        lines.extend(measure(server).await?);
    }
    lines.extend(measure(None).await?);
    Ok(lines)
}

/// Tells whoever waits; never on the standard output, where the table goes.
fn say(words: &str) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{words}");
}

async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Err(std::io::Error::new(std::io::ErrorKind::Interrupted, "stopped"))
}
