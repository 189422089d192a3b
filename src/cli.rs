//! The commands. `serve`, `sandbox` and `migrate` are the program itself, as is what writes key files; all others are
//! clients of its gRPC interface.

use std::{future::Future, process::ExitCode};

use clap::{Parser, Subcommand};

mod audit;
mod balance;
mod changes;
mod client;
mod codes;
mod console;
mod explain;
mod failure;
mod haier_configs;
mod held;
mod json;
mod keys;
mod lines;
mod listing;
mod log_level;
mod logistics;
mod logs;
mod migrate;
mod moment;
mod money;
mod orders;
mod products;
mod sandbox;
mod schedules;
mod serve;
mod simulate_freshness;
mod status;
mod stock;
mod sync;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod upstream;
mod verify;

use console::Console;
use failure::Failure;
use tokio::runtime::Runtime;

use crate::{redact::redact, service::Signals};

/// What `--version` shows: the version and the commit it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("HAIER_INTEGRATION_COMMIT"), ")");

/// Keeps the shop's copy of Haier's catalogue right, and says what it did.
#[derive(Debug, Parser)]
#[command(name = "haier-integration", version = VERSION, propagate_version = true, max_term_width = 110)]
#[command(after_help = "\
Examples:
  haier-integration serve --sandbox        a working service with a stand-in for Haier
  haier-integration sync --sync-prices     the whole catalogue with prices, now
  haier-integration logs                   what ran lately
  haier-integration products list          what the shop's copy holds
  haier-integration status                 how calls to Haier stand
  haier-integration schedules list         when it syncs by itself
  haier-integration tokens list            who may call
  haier-integration audit                  what operators changed
  haier-integration help sync              more about one command")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::ServeArgs>),
    Sandbox(sandbox::SandboxArgs),
    Migrate(migrate::MigrateArgs),
    Sync(sync::SyncArgs),
    Logs(logs::LogsArgs),
    Products(products::ProductsArgs),
    Changes(changes::ChangesArgs),
    Explain(explain::ExplainArgs),
    Held(held::HeldArgs),
    Verify(verify::VerifyArgs),
    Stock(stock::StockArgs),
    Balance(balance::BalanceArgs),
    Logistics(logistics::LogisticsArgs),
    Orders(orders::OrdersArgs),
    Status(upstream::StatusArgs),
    Schedules(schedules::SchedulesArgs),
    SimulateFreshness(simulate_freshness::SimulateFreshnessArgs),
    Config(haier_configs::ConfigArgs),
    Tokens(tokens::TokensArgs),
    Audit(audit::AuditArgs),
    Keys(keys::KeysArgs),
}

/// Reads the command line, runs the command, and tells an error as one line.
pub fn run() -> ExitCode {
    // Before the command line is even read: a signal may come in the first milliseconds.
    let is_service = std::env::args_os().nth(1).is_some_and(|command| command == "serve");
    let ground = if is_service { Ground::catching().map(Some) } else { Ok(None) };
    let cli = Cli::parse();
    let mut console = Console::of_process();
    match ground.and_then(|ground| dispatch(cli.command, ground, &mut console)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if let Some(line) = failure.line() {
                console.complain(&format!("error: {}", redact(line)));
            }
            ExitCode::from(failure.code())
        }
    }
}

/// What the service runs on: a runtime, and the signals that it has caught since the process began.
struct Ground {
    runtime: Runtime,
    signals: Signals,
}

impl Ground {
    fn catching() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::from(anyhow::Error::from(error));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
        let entered = runtime.enter();
        let signals = Signals::catch().map_err(failed)?;
        drop(entered);
        Ok(Self { runtime, signals })
    }
}

/// Exit code of a command: 0 success, 1 failed, 2 wrong usage, 3 partial, 130 interrupted.
fn dispatch(command: Command, ground: Option<Ground>, console: &mut Console) -> Result<u8, Failure> {
    let mut service = tokio::runtime::Builder::new_multi_thread();
    let mut client = tokio::runtime::Builder::new_current_thread();
    match command {
        Command::Serve(args) => {
            let Ground { runtime, signals } = ground.map_or_else(Ground::catching, Ok)?;
            runtime.block_on(serve::run(*args, signals))
        }
        Command::Sandbox(args) => block_on(&mut service, sandbox::run(args, console)),
        Command::Migrate(args) => block_on(&mut service, migrate::run(args, console)),
        Command::Sync(args) => block_on(&mut client, sync::run(args, console)),
        Command::Logs(args) => block_on(&mut client, logs::run(args, console)),
        Command::Products(args) => block_on(&mut client, products::run(args, console)),
        Command::Changes(args) => block_on(&mut client, changes::run(args, console)),
        Command::Explain(args) => block_on(&mut client, explain::run(args, console)),
        Command::Held(args) => block_on(&mut client, held::run(args, console)),
        Command::Verify(args) => block_on(&mut client, verify::run(args, console)),
        Command::Stock(args) => block_on(&mut client, stock::run(args, console)),
        Command::Balance(args) => block_on(&mut client, balance::run(args, console)),
        Command::Orders(args) => block_on(&mut client, orders::run(args, console)),
        Command::Logistics(args) => block_on(&mut client, logistics::run(args, console)),
        Command::Schedules(args) => block_on(&mut client, schedules::run(args, console)),
        Command::SimulateFreshness(args) => simulate_freshness::run(&args, console),
        Command::Status(args) => block_on(&mut client, upstream::run(args, console)),
        Command::Config(args) => block_on(&mut client, haier_configs::run(args, console)),
        Command::Tokens(args) => block_on(&mut client, tokens::run(args, console)),
        Command::Audit(args) => block_on(&mut client, audit::run(args, console)),
        Command::Keys(args) => block_on(&mut client, keys::run(args, console)),
    }
}

fn block_on(
    runtime: &mut tokio::runtime::Builder,
    command: impl Future<Output = Result<u8, Failure>>,
) -> Result<u8, Failure> {
    let runtime = runtime.enable_all().build().map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    runtime.block_on(command)
}
