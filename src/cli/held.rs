//! `held`: sync runs that found more than they may change by themselves, and a person's word on them.

use std::cell::Cell;

use clap::{Args, Subcommand};

use super::{
    client::{AdministrationClient, ClientArgs, OutputForm, unary},
    console::{Console, printable},
    failure::Failure,
    json,
    listing::Listing,
    moment,
    sync::follow_to_its_end,
    table::{
        self,
        Column::{self, Number, Text},
    },
};
use crate::proto::{
    ApproveRunRequest, DiscardRunRequest, FieldChange, HeldFinding, HeldRun, HeldRunDecision,
    ListHeldFindingsRequest, ListHeldRunsRequest, ProductChangeKind, SyncType,
};

/// Show and decide sync runs that are held
///
/// A run that would delist too many products, or move too many prices too far, stores the rest and ends HELD; what it set
/// aside waits here until somebody approves or discards it, or it expires.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration held list
  haier-integration held show 381073546842112000
  haier-integration held approve 381073546842112000
  haier-integration held discard 381073546842112000")]
pub(super) struct HeldArgs {
    #[command(subcommand)]
    command: HeldCommand,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum HeldCommand {
    List(ListArgs),
    Show(ShowArgs),
    Approve(ApproveArgs),
    Discard(DiscardArgs),
}

/// List the runs that wait, newest first
///
/// The columns tell of how many products: gone from the listing, of those that were listed; moved far in price, of those
/// that have one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration held list
  haier-integration held list --all --output json")]
struct ListArgs {
    /// Also runs that were decided in the last 30 days [default: only those that wait]
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    part: PartArgs,
}

/// Show what a held run has set aside
///
/// A line a product: gone, or each price with its old and new value.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration held show 381073546842112000
  haier-integration held show 381073546842112000 --limit 1000000 --output json")]
struct ShowArgs {
    /// Id of the run's log, as `held list` prints it
    #[arg(value_name = "ID")]
    id: i64,
    #[command(flatten)]
    part: PartArgs,
}

#[derive(Debug, Args)]
struct PartArgs {
    /// Lines to show, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Go on where an earlier listing of the same ended; it printed this token [default: the first]
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

/// Apply what a held run has set aside
///
/// Starts a run that applies exactly what `held show` shows, and watches it. A product about which Haier has answered
/// otherwise since is left as it is and told (OVERTAKEN). Exit codes: 0 success, 1 failed, 2 wrong usage, 3 some were left.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration held approve 381073546842112000")]
struct ApproveArgs {
    /// Id of the run's log, as `held list` prints it
    #[arg(value_name = "ID")]
    id: i64,
}

/// Drop what a held run has set aside
///
/// The stored copy stays as it is. The next run may find the same again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration held discard 381073546842112000")]
struct DiscardArgs {
    /// Id of the run's log, as `held list` prints it
    #[arg(value_name = "ID")]
    id: i64,
}

pub(super) async fn run(args: HeldArgs, console: &mut Console) -> Result<u8, Failure> {
    let form = args.client.output;
    let mut client = args.client.connect_administration().await?;
    match args.command {
        HeldCommand::List(list) => tell_runs(list, client, form, console).await,
        HeldCommand::Show(show) => tell_findings(show, client, form, console).await,
        HeldCommand::Approve(approve) => {
            let request = ApproveRunRequest { sync_log_id: approve.id };
            let child = client.approve_run(unary(request)).await?.into_inner().id;
            let client = args.client.connect().await?;
            follow_to_its_end(child, client, console, form, &Cell::new(Some(child))).await
        }
        HeldCommand::Discard(discard) => {
            let request = DiscardRunRequest { sync_log_id: discard.id };
            let run = client.discard_run(unary(request)).await?.into_inner();
            match form {
                OutputForm::Json => console.say_json(&json::held_run(&run))?,
                OutputForm::Table => console.say(&format!("run {} is discarded", run.sync_log_id))?,
            }
            Ok(0)
        }
    }
}

async fn tell_runs(
    args: ListArgs,
    mut client: AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<u8, Failure> {
    let listing = Listing {
        form,
        limit: args.part.limit,
        page_token: args.part.page_token,
        none: "no run is held",
        json: json::held_run,
        table: |runs| table::of(&RUNS, runs.iter().map(row)),
    };
    let page = async |page_size, page_token| {
        let request = ListHeldRunsRequest { include_decided: args.all, page_size, page_token };
        let page = client.list_held_runs(unary(request)).await?.into_inner();
        Ok((page.held_runs, page.next_page_token))
    };
    listing.show(page, console).await
}

const RUNS: [Column; 7] = [
    Text("sync_log_id"),
    Text("type"),
    Number("delisted"),
    Number("moved"),
    Text("held_at"),
    Text("expires_at"),
    Text("decision"),
];

fn row(run: &HeldRun) -> [String; 7] {
    let share = |part: i64, of: i64| format!("{part} of {of}");
    let decision = match run.decision() {
        HeldRunDecision::Unspecified => "waits".to_owned(),
        decision => {
            let word = decision.as_str_name().trim_start_matches("HELD_RUN_DECISION_").to_lowercase();
            let by =
                if run.decided_by.is_empty() { String::new() } else { format!(" by {}", run.decided_by) };
            let successor = run.successor_id.map(|id| format!(", run {id}")).unwrap_or_default();
            format!("{word}{by}{successor}")
        }
    };
    [
        run.sync_log_id.to_string(),
        kind(run.sync_type()).to_owned(),
        share(run.delisted_count, run.listed_count),
        share(run.moved_count, run.priced_count),
        moment::local(run.held_at.as_ref()),
        moment::local(run.expires_at.as_ref()),
        decision,
    ]
}

fn kind(sync_type: SyncType) -> &'static str {
    match sync_type {
        SyncType::Products => "products",
        SyncType::Prices => "prices",
        SyncType::Stock => "stock",
        _ => "",
    }
}

async fn tell_findings(
    args: ShowArgs,
    mut client: AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<u8, Failure> {
    let listing = Listing {
        form,
        limit: args.part.limit,
        page_token: args.part.page_token,
        none: "nothing is set aside",
        json: json::held_finding,
        table: |findings| findings.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    let page = async |page_size, page_token| {
        let request = ListHeldFindingsRequest { sync_log_id: args.id, page_size, page_token };
        let page = client.list_held_findings(unary(request)).await?.into_inner();
        Ok((page.findings, page.next_page_token))
    };
    listing.show(page, console).await
}

fn line(finding: &HeldFinding) -> String {
    let kind = finding.kind().as_str_name().trim_start_matches("PRODUCT_CHANGE_KIND_");
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "none".to_owned(), printable);
    let told =
        |change: &FieldChange| format!("{} {} → {}", change.field, text(&change.old), text(&change.new));
    let code = printable(&finding.product_code);
    if finding.kind() == ProductChangeKind::Delisted {
        return format!("{kind:<8} {code}");
    }
    let changes: Vec<_> = finding.changes.iter().map(told).collect();
    format!("{kind:<8} {code}  {}", changes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let change =
            FieldChange { field: "supply_price".to_owned(), old: Some("1999.00".to_owned()), new: None };
        let mut finding = HeldFinding {
            product_code: "AA15CP73L".to_owned(),
            kind: ProductChangeKind::Changed.into(),
            changes: vec![change],
            asked_at: None,
        };
        assert_eq!(line(&finding), "CHANGED  AA15CP73L  supply_price 1999.00 → none");
        finding.kind = ProductChangeKind::Delisted.into();
        assert_eq!(line(&finding), "DELISTED AA15CP73L");
    }

    #[test]
    fn a_run_says_how_far_it_reaches_and_what_became_of_it() {
        let mut run = HeldRun {
            sync_log_id: 7,
            sync_type: SyncType::Products.into(),
            delisted_count: 6,
            listed_count: 100,
            ..HeldRun::default()
        };
        assert_eq!(row(&run)[..4], ["7", "products", "6 of 100", "0 of 0"]);
        assert_eq!(row(&run)[6], "waits");
        run.decision = HeldRunDecision::Approved.into();
        run.decided_by = "mei".to_owned();
        run.successor_id = Some(8);
        assert_eq!(row(&run)[6], "approved by mei, run 8");
    }
}
