//! `migrate`: brings the database's tables to this version.

use std::path::PathBuf;

use clap::Args;

use super::{console::Console, failure::Failure};
use crate::{
    config::{self, Sources},
    service,
};

/// Bring the database's tables to this version
///
/// Applies the migrations that are missing, each in a transaction, and prints their names. Run it before the first
/// `serve` on PostgreSQL and after every upgrade; on SQLite `serve` does it by itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration migrate --database-url 'postgres://haier@db.example.com/haier?sslmode=verify-full'
  HAIER_INTEGRATION_DATABASE_URL_FILE=/run/secrets/database-url haier-integration migrate
  haier-integration migrate --config /etc/haier/service.toml")]
pub(super) struct MigrateArgs {
    /// The database: sqlite://FILE or postgres://USER:PASSWORD@HOST:PORT/NAME [default: sqlite://haier.db]
    ///
    /// A password is better in HAIER_INTEGRATION_DATABASE_URL, or in a file that HAIER_INTEGRATION_DATABASE_URL_FILE
    /// names, than in the process list.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with settings [env: HAIER_INTEGRATION_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(args: MigrateArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut sources = Sources { file: args.config, ..Sources::from_process() };
    sources.flags.extend(args.database_url.map(|url| ("database_url", url)));
    let applied = service::migrate(&config::read_database_url(&sources)?).await?;
    for name in &applied {
        console.say(name)?;
    }
    if applied.is_empty() {
        console.say("up to date")?;
    }
    Ok(0)
}
