//! `sync`: starts a run and follows it to its end. What it shows, and how it keeps hold of the run, is below.

use std::cell::Cell;

use clap::{ArgGroup, Args, ValueEnum, builder::NonEmptyStringValueParser};

use super::{
    client::{Client, ClientArgs, OutputForm},
    codes,
    console::Console,
    failure::Failure,
    json,
};
use crate::proto::{SyncProductsRequest, SyncProgress, SyncStatus, SyncType};

mod dry_run;
mod failures;
mod progress;
mod successes;
#[cfg(test)]
mod tests;
mod watch;

pub(super) use failures::Tail;
pub(super) use progress::waiting;
pub(super) use watch::failure_line;

/// Sync products from Haier now, and watch it
///
/// Without codes, category and brand: the whole catalogue, or with --kind prices or stock all that is stored. Prints one line per code that failed, with -v also per code
/// that succeeded, then the totals; steps and a progress bar go to standard error. The run belongs to the service: it
/// goes on when this command is stopped. With --output json: every step and every failure as an object, the end last.
/// Exit codes: 0 success, 1 failed, 2 wrong usage, 3 some codes failed.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("selection").args(["product_codes", "category", "brand"]).multiple(true))]
#[command(after_help = "\
Examples:
  haier-integration sync --sync-prices
  haier-integration sync --product-codes AA15CP73L AA1H80DFR -v
  haier-integration sync --product-codes AA15CP73L,AA1H80DFR --sync-prices=true --assign-category 空调
  haier-integration sync --category 电热水器 --brand 海尔 --output json
  haier-integration sync --sync-prices --dry-run
  haier-integration sync --retry 381073546842112000
  haier-integration sync --kind stock --county-code 310101 --product-codes AA15CP73L")]
pub(super) struct SyncArgs {
    /// Only these products: up to 1000 codes, by blank, by comma or by repeating the option [default: all]
    #[arg(long, value_name = "CODE", num_args = 1.., conflicts_with_all = ["category", "brand"])]
    product_codes: Vec<String>,
    /// Only products whose product group at Haier is exactly this [default: any]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    category: Option<String>,
    /// Only products whose brand at Haier is exactly this [default: any]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    brand: Option<String>,
    /// Put the products into this category of the shop; needs codes, a category or a brand [default: Haier's group]
    #[arg(long, value_name = "NAME", requires = "selection", value_parser = NonEmptyStringValueParser::new())]
    assign_category: Option<String>,
    /// Give the products this brand in the shop; needs codes, a category or a brand [default: Haier's brand]
    #[arg(long, value_name = "NAME", requires = "selection", value_parser = NonEmptyStringValueParser::new())]
    assign_brand: Option<String>,
    /// Ask for prices too: bare, or with =true or =false
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", hide_possible_values = true)]
    #[arg(action = clap::ArgAction::Set)]
    sync_prices: bool,
    /// Ask for stock too, one call a code: bare, or with =true or =false
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", hide_possible_values = true)]
    #[arg(action = clap::ArgAction::Set)]
    sync_stock: bool,
    /// County for stock: a national code of six digits [default: 110101]
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    county_code: Option<String>,
    /// What to sync: products, or only prices or stock of stored products [default: products]
    #[arg(long, value_name = "KIND", ignore_case = true, hide_possible_values = true)]
    kind: Option<Kind>,
    /// Try exactly the codes again that failed in the run with this log; asks for what that run asked for
    #[arg(long, value_name = "ID", conflicts_with_all = ["product_codes", "category", "brand", "sync_prices", "sync_stock", "county_code", "kind", "verbose", "watch"])]
    retry: Option<i64>,
    /// Start nothing; follow the run with this log to its end
    #[arg(long, value_name = "ID", conflicts_with_all = ["product_codes", "category", "brand", "sync_prices", "sync_stock", "county_code", "kind", "verbose"])]
    watch: Option<i64>,
    /// Only say what would change, a line a product; nothing is written, not even a log
    #[arg(long, conflicts_with_all = ["retry", "watch", "verbose"])]
    dry_run: bool,
    /// Also print a line per code that succeeded [default: only failures]
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// What can be synced.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Products,
    Prices,
    Stock,
}

impl From<Kind> for SyncType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Products => Self::Products,
            Kind::Prices => Self::Prices,
            Kind::Stock => Self::Stock,
        }
    }
}

impl SyncArgs {
    fn request(&self) -> Result<SyncProductsRequest, Failure> {
        let product_codes = codes::split(&self.product_codes);
        // An empty variable in a script must not become a sync of everything.
        if product_codes.is_empty() && !self.product_codes.is_empty() {
            return Err(Failure::Usage(
                "--product-codes names no code; leave it out to sync everything".to_owned(),
            ));
        }
        Ok(SyncProductsRequest {
            product_codes,
            category: self.category.clone().unwrap_or_default(),
            brand: self.brand.clone().unwrap_or_default(),
            assign_category: self.assign_category.clone().unwrap_or_default(),
            assign_brand: self.assign_brand.clone().unwrap_or_default(),
            sync_prices: self.sync_prices,
            sync_stock: self.sync_stock,
            county_code: self.county_code.clone().unwrap_or_default(),
            kind: self.kind.map_or(SyncType::Unspecified, Into::into).into(),
            validate_only: self.dry_run,
        })
    }
}

pub(super) async fn run(args: SyncArgs, console: &mut Console) -> Result<u8, Failure> {
    // Known as soon as the service has named the run, also to whoever interrupts.
    let id = Cell::new(None);
    let outcome = tokio::select! {
        outcome = follow(&args, console, &id) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    match (outcome, id.get()) {
        // The code of a process that wrote to a closed pipe: 0 would say that the run succeeded.
        (Some(Err(Failure::OutputClosed)), _) => Ok(141),
        (Some(outcome), _) => outcome,
        (None, Some(id)) => {
            console.complain(&format!("the run goes on; see it by `haier-integration logs show {id}`"));
            Err(Failure::Interrupted)
        }
        (None, None) => {
            console.complain(
                "stopped before the service named a run; see by `haier-integration logs` whether it began",
            );
            Err(Failure::Interrupted)
        }
    }
}

async fn follow(args: &SyncArgs, console: &mut Console, id: &Cell<Option<i64>>) -> Result<u8, Failure> {
    let request = args.request()?;
    let form = args.client.output;
    let client = args.client.connect().await?;
    if args.dry_run {
        let end = dry_run::follow(client, request, form, console).await?;
        return conclude(&end, form, console);
    }
    let mut watch = watch::Watch::new(client, console, form, id);
    let begin = match (args.retry, args.watch) {
        (Some(id), _) => watch::Begin::Retry(id),
        (None, Some(id)) => watch::Begin::Watch(id),
        (None, None) => watch::Begin::Start(request.clone()),
    };
    let end = watch.follow(begin).await?;
    if args.verbose {
        watch.print_successes(&request.product_codes, &end).await?;
    }
    conclude(&end, form, console)
}

/// Follows a run that is there, as `sync --watch` does.
pub(super) async fn follow_to_its_end(
    sync_log_id: i64,
    client: Client,
    console: &mut Console,
    form: OutputForm,
    id: &Cell<Option<i64>>,
) -> Result<u8, Failure> {
    let end = watch::Watch::new(client, console, form, id).follow(watch::Begin::Watch(sync_log_id)).await?;
    conclude(&end, form, console)
}

/// Tells the end of a run; the exit code that says it.
fn conclude(end: &SyncProgress, form: OutputForm, console: &mut Console) -> Result<u8, Failure> {
    match form {
        OutputForm::Json => console.say_json(&json::sync_progress(end))?,
        OutputForm::Table => tell_end(end, console)?,
    }
    Ok(match end.status() {
        SyncStatus::Success => 0,
        SyncStatus::Partial => 3,
        _ => 1,
    })
}

fn tell_end(end: &SyncProgress, console: &mut Console) -> std::io::Result<()> {
    let SyncProgress { sync_log_id, total_count, success_count, failed_count, .. } = end;
    let word = match end.status() {
        SyncStatus::Success => "success",
        SyncStatus::Partial => "partial",
        _ => "failed",
    };
    let log = if *sync_log_id == 0 { "nothing is written".to_owned() } else { format!("log {sync_log_id}") };
    console.say(&format!(
        "{word}: {success_count} succeeded, {failed_count} failed, {total_count} in all ({log})"
    ))?;
    if end.message.is_empty() { Ok(()) } else { console.say(&super::console::printable(&end.message)) }
}
