//! `logs`: what ran, and `logs show`: one run with the codes that failed.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::{
    client::{Client, ClientArgs, unary},
    console::Console,
    failure::Failure,
    json,
    listing::Listing,
    moment,
    sync::Tail,
};
use crate::proto::{GetSyncLogRequest, ListSyncLogsRequest, SyncLog, SyncStatus, SyncType};

mod cancel;
mod show;
mod table;

/// Show what ran, newest first
///
/// The columns are id, type, status, codes in all, succeeded, failed, and when it was asked for. All filters must
/// match. `logs show ID` shows one run whole, with the codes that failed; `logs cancel ID` ends one that is open.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration logs
  haier-integration logs --status failed --after 2026-11-01
  haier-integration logs --type products --query 认证失败 --limit 50
  haier-integration logs show 381073546842112000 --output json")]
pub(super) struct LogsArgs {
    #[command(subcommand)]
    command: Option<LogsCommand>,
    /// Only this type: products, prices, stock, order, logistics or manual [default: any]
    #[arg(long = "type", value_name = "TYPE", ignore_case = true, hide_possible_values = true)]
    sync_type: Option<TypeName>,
    /// Only this status: pending, processing, success, failed or partial [default: any]
    #[arg(long, value_name = "STATUS", ignore_case = true, hide_possible_values = true)]
    status: Option<StatusName>,
    /// Only what was asked for then or later: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    after: Option<DateTime<Utc>>,
    /// Only what was asked for before: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    before: Option<DateTime<Utc>>,
    /// Only logs whose message holds this text; case ignored [default: any]
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Logs to show, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Go on where an earlier listing with the same filters ended; it printed this token [default: the newest]
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum LogsCommand {
    Show(show::ShowArgs),
    Cancel(cancel::CancelArgs),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TypeName {
    #[value(alias = "SYNC_TYPE_PRODUCTS")]
    Products,
    #[value(alias = "SYNC_TYPE_PRICES")]
    Prices,
    #[value(alias = "SYNC_TYPE_STOCK")]
    Stock,
    #[value(alias = "SYNC_TYPE_ORDER")]
    Order,
    #[value(alias = "SYNC_TYPE_LOGISTICS")]
    Logistics,
    #[value(alias = "SYNC_TYPE_MANUAL")]
    Manual,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusName {
    #[value(alias = "SYNC_STATUS_PENDING")]
    Pending,
    #[value(alias = "SYNC_STATUS_PROCESSING")]
    Processing,
    #[value(alias = "SYNC_STATUS_SUCCESS")]
    Success,
    #[value(alias = "SYNC_STATUS_FAILED")]
    Failed,
    #[value(alias = "SYNC_STATUS_PARTIAL")]
    Partial,
}

impl From<TypeName> for SyncType {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::Products => Self::Products,
            TypeName::Prices => Self::Prices,
            TypeName::Stock => Self::Stock,
            TypeName::Order => Self::Order,
            TypeName::Logistics => Self::Logistics,
            TypeName::Manual => Self::Manual,
        }
    }
}

impl From<StatusName> for SyncStatus {
    fn from(name: StatusName) -> Self {
        match name {
            StatusName::Pending => Self::Pending,
            StatusName::Processing => Self::Processing,
            StatusName::Success => Self::Success,
            StatusName::Failed => Self::Failed,
            StatusName::Partial => Self::Partial,
        }
    }
}

pub(super) async fn run(args: LogsArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect().await?;
    let form = args.client.output;
    match &args.command {
        Some(LogsCommand::Show(show)) => show::run(show, &mut client, form, console).await?,
        Some(LogsCommand::Cancel(cancel)) => cancel::run(cancel, &mut client, form, console).await?,
        None => return list(args, &mut client, console).await,
    }
    Ok(0)
}

async fn list(args: LogsArgs, client: &mut Client, console: &mut Console) -> Result<u8, Failure> {
    let request = ListSyncLogsRequest {
        sync_type: args.sync_type.map_or(SyncType::Unspecified, Into::into).into(),
        status: args.status.map_or(SyncStatus::Unspecified, Into::into).into(),
        created_after: args.after.map(moment::to_timestamp),
        created_before: args.before.map(moment::to_timestamp),
        query: args.query.unwrap_or_default(),
        ..Default::default()
    };
    let listing = Listing {
        form: args.client.output,
        limit: args.limit,
        page_token: args.page_token,
        none: "no logs match",
        json: json::sync_log,
        table: table::of,
    };
    let page = async |page_size, page_token| {
        let request = ListSyncLogsRequest { page_size, page_token, ..request.clone() };
        let page = client.list_sync_logs(unary(request)).await?.into_inner();
        Ok((page.sync_logs, page.next_page_token))
    };
    listing.show(page, console).await
}

async fn fetch(client: &mut Client, id: i64) -> Result<SyncLog, Failure> {
    Ok(client.get_sync_log(unary(GetSyncLogRequest { id })).await?.into_inner())
}
