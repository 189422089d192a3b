//! `schedules`: when the service syncs by itself, and what it asks for first.

use clap::{Args, Subcommand};
use prost_types::FieldMask;

use super::{
    client::{AdministrationClient, ClientArgs, OutputForm, unary},
    codes,
    console::Console,
    failure::Failure,
    json, moment,
    table::{
        self,
        Column::{Number, Text},
    },
};
use crate::{
    config::parse_duration,
    domain::schedules::Span,
    proto::{
        ListSchedulesRequest, ListSchedulesResponse, ProductAttention, RunScheduleNowRequest, Schedule,
        ScheduleOutcome, SetProductAttentionRequest, SetProductAttentionResponse, UpdateScheduleRequest,
        schedule::Cadence,
    },
};

/// Show and change when the service syncs by itself
///
/// `full` is the whole catalogue with prices, and stock of what is new in it or back; `new-products` the listing with prices
/// and stock of those alone, `prices` the prices of what is stored, `stock` the stock of what is low, watched or selling, and
/// `stock-rest` that of the others, what was asked for longest ago first, as far as the budget of calls goes. `verify` compares what is stored with the
/// catalogue and changes nothing: `logs show` lists what differs. One replica fires for all of them; what came due while all
/// were down is run once. Changes take effect within seconds, without a restart.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration schedules list
  haier-integration schedules set full --daily-at 04:30
  haier-integration schedules set prices --every 30m --jitter 5m
  haier-integration schedules pause stock-rest
  haier-integration schedules run new-products
  haier-integration schedules watch AA15CP73L AA1H80DFR --low-stock 20")]
pub(super) struct SchedulesArgs {
    #[command(subcommand)]
    command: SchedulesCommand,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum SchedulesCommand {
    List(ListArgs),
    Set(SetArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Run(RunArgs),
    Watch(WatchArgs),
    Unwatch(UnwatchArgs),
}

/// Show all schedules, what came of each, and how old the copy gets
///
/// The columns are the name, how often it comes due, by how much it may be put off, when it fires next, what came of it last,
/// how many products it is about and asks for at a time, how old what it keeps fresh becomes with this cadence and budget,
/// when the oldest of it was asked for, and how many products never were.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration schedules list
  haier-integration schedules list --output json | jq -c 'select(.schedule.paused).schedule.name'")]
struct ListArgs {}

/// Change how often a schedule comes due
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration schedules set full --daily-at 04:30
  haier-integration schedules set stock --every 10m --jitter 1m --etag stock-1")]
struct SetArgs {
    /// Which: full, new-products, prices, stock, stock-rest or verify
    #[arg(value_name = "NAME")]
    name: String,
    /// At every whole multiple of this, 1m to 31days [default: as it is]
    #[arg(long, value_name = "SPAN", value_parser = parse_duration, conflicts_with = "daily_at")]
    every: Option<std::time::Duration>,
    /// At this time of every day, HH:MM in the zone that `schedules list` tells [default: as it is]
    #[arg(long, value_name = "HH:MM")]
    daily_at: Option<String>,
    /// How far each firing is put off at most, at most half the period [default: as it is]
    #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
    jitter: Option<std::time::Duration>,
    /// Only if it still is what was read: its etag, as `schedules list --output json` tells it [default: whatever it is]
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
}

/// Hold a schedule back until it is resumed
///
/// A full sync that is owed after a switch of accounts runs all the same, and so does `schedules run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration schedules pause stock-rest
  haier-integration schedules pause full --output json")]
struct PauseArgs {
    #[command(flatten)]
    which: Which,
}

/// Let a schedule fire again, from its next time on
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration schedules resume stock-rest
  haier-integration schedules resume full --output json")]
struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

/// Start now what a schedule starts when it is due
///
/// Even while it is paused. What was asked for lately is left out, as ever; `sync` asks for everything. Follow it by `logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration schedules run new-products
  haier-integration schedules run prices --output json")]
struct RunArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// Which: full, new-products, prices, stock, stock-rest or verify
    #[arg(value_name = "NAME")]
    name: String,
}

/// Ask for the stock of products before that of others
///
/// They are part of what `stock` asks for, whatever their stock is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration schedules watch AA15CP73L
  haier-integration schedules watch AA15CP73L,AA1H80DFR --low-stock 20")]
struct WatchArgs {
    /// Product codes, by blank or comma
    #[arg(value_name = "CODE", required = true)]
    codes: Vec<String>,
    /// Also take their stock for low below this [default: as it is]
    #[arg(long, value_name = "UNITS")]
    low_stock: Option<i64>,
}

/// Treat products like the others again
///
/// With the threshold of the settings, too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration schedules unwatch AA15CP73L
  haier-integration schedules unwatch AA15CP73L,AA1H80DFR --output json")]
struct UnwatchArgs {
    /// Product codes, by blank or comma
    #[arg(value_name = "CODE", required = true)]
    codes: Vec<String>,
}

pub(super) async fn run(args: SchedulesArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect_administration().await?;
    let form = args.client.output;
    match args.command {
        SchedulesCommand::List(ListArgs {}) => {
            let list = client.list_schedules(unary(ListSchedulesRequest {})).await?.into_inner();
            show_all(&list, form, console)?;
        }
        SchedulesCommand::Set(set) => change(update_of(set), &mut client, form, console).await?,
        SchedulesCommand::Pause(PauseArgs { which }) => {
            change(switch(which.name, true), &mut client, form, console).await?;
        }
        SchedulesCommand::Resume(ResumeArgs { which }) => {
            change(switch(which.name, false), &mut client, form, console).await?;
        }
        SchedulesCommand::Run(RunArgs { which }) => begin(which.name, &mut client, form, console).await?,
        SchedulesCommand::Watch(WatchArgs { codes, low_stock }) => {
            let product_codes = codes::split(&codes);
            let request = SetProductAttentionRequest {
                product_codes,
                watched: Some(true),
                low_stock,
                reset_low_stock: false,
            };
            return attend(request, &mut client, form, console).await;
        }
        SchedulesCommand::Unwatch(UnwatchArgs { codes }) => {
            let product_codes = codes::split(&codes);
            let request = SetProductAttentionRequest {
                product_codes,
                watched: Some(false),
                low_stock: None,
                reset_low_stock: true,
            };
            return attend(request, &mut client, form, console).await;
        }
    }
    Ok(0)
}

fn update_of(args: SetArgs) -> UpdateScheduleRequest {
    let span = |span: std::time::Duration| prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    };
    let mut paths = Vec::new();
    let cadence = match (args.every, args.daily_at) {
        (Some(every), _) => Some(("every", Cadence::Every(span(every)))),
        (None, Some(time)) => Some(("daily_at", Cadence::DailyAt(time))),
        (None, None) => None,
    };
    paths.extend(cadence.as_ref().map(|(path, _)| (*path).to_owned()));
    paths.extend(args.jitter.map(|_| "jitter".to_owned()));
    let schedule = Schedule {
        name: args.name,
        cadence: cadence.map(|(_, cadence)| cadence),
        jitter: args.jitter.map(span),
        etag: args.etag.unwrap_or_default(),
        ..Schedule::default()
    };
    UpdateScheduleRequest { schedule: Some(schedule), update_mask: Some(FieldMask { paths }) }
}

fn switch(name: String, paused: bool) -> UpdateScheduleRequest {
    UpdateScheduleRequest {
        schedule: Some(Schedule { name, paused, ..Schedule::default() }),
        update_mask: Some(FieldMask { paths: vec!["paused".to_owned()] }),
    }
}

async fn change(
    request: UpdateScheduleRequest,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let schedule = client.update_schedule(unary(request)).await?.into_inner();
    match form {
        OutputForm::Json => console.say_json(&json::schedule(&schedule))?,
        OutputForm::Table if schedule.paused => {
            let name = &schedule.name;
            console.say(&format!("{name} is paused; `haier-integration schedules resume {name}` ends it"))?;
        }
        OutputForm::Table => console.say(&format!(
            "{} comes due {}, next {}",
            schedule.name,
            cadence(&schedule),
            moment::local(schedule.next_at.as_ref())
        ))?,
    }
    Ok(())
}

async fn begin(
    name: String,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let id = client.run_schedule_now(unary(RunScheduleNowRequest { name })).await?.into_inner().sync_log_id;
    match form {
        OutputForm::Json => console.say_json(&serde_json::json!({ "sync_log_id": id }))?,
        OutputForm::Table => {
            console.say(&format!("started; `haier-integration logs show {id}` tells how it goes"))?;
        }
    }
    Ok(())
}

async fn attend(
    request: SetProductAttentionRequest,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<u8, Failure> {
    let SetProductAttentionResponse { products, missing_codes } =
        client.set_product_attention(unary(request)).await?.into_inner();
    match form {
        OutputForm::Json => {
            products.iter().try_for_each(|product| console.say_json(&json::product_attention(product)))?;
        }
        OutputForm::Table if products.is_empty() => {}
        OutputForm::Table => console.say(&attention_table(&products))?,
    }
    for code in &missing_codes {
        console.complain(&format!("{code} is not stored"));
    }
    Ok(match (products.is_empty(), missing_codes.is_empty()) {
        (_, true) => 0,
        (true, false) => 1,
        (false, false) => 3,
    })
}

fn attention_table(products: &[ProductAttention]) -> String {
    let columns = [Text("product_code"), Text("watched"), Number("low_stock")];
    let row = |product: &ProductAttention| {
        let watched = if product.watched { "yes" } else { "no" };
        let low = product.low_stock.map_or_else(|| "as set".to_owned(), |low| low.to_string());
        [product.product_code.clone(), watched.to_owned(), low]
    };
    table::of(&columns, products.iter().map(row))
}

fn show_all(list: &ListSchedulesResponse, form: OutputForm, console: &mut Console) -> Result<(), Failure> {
    match form {
        OutputForm::Json => {
            json::schedules(list).iter().try_for_each(|line| console.say_json(line))?;
        }
        OutputForm::Table => {
            console.say(&schedule_table(list))?;
            let budget = if list.calls_per_second > 0.0 {
                format!("{:.0} calls a second at most", list.calls_per_second)
            } else {
                "as many calls as they need".to_owned()
            };
            console.say(&format!("\ntimes of day: {}; scheduled runs count on {budget}", list.time_zone))?;
        }
    }
    Ok(())
}

fn schedule_table(list: &ListSchedulesResponse) -> String {
    let columns = [
        Text("name"),
        Text("cadence"),
        Text("jitter"),
        Text("next_at"),
        Text("last"),
        Number("products"),
        Number("at_a_time"),
        Text("age"),
        Text("oldest_at"),
        Number("never_asked"),
    ];
    let row = |schedule: &Schedule| {
        let reach = schedule.reach.unwrap_or_default();
        let next = match (&*schedule.wanted, schedule.paused) {
            ("", false) => moment::local(schedule.next_at.as_ref()),
            ("", true) => "paused".to_owned(),
            (wanted, _) => format!("owed: {wanted}"),
        };
        [
            schedule.name.clone(),
            cadence(schedule),
            span(schedule.jitter.as_ref()),
            next,
            last(schedule),
            reach.product_count.to_string(),
            reach.products_at_a_time.to_string(),
            span(reach.age.as_ref()),
            moment::local(reach.oldest_at.as_ref()),
            reach.never_asked_count.to_string(),
        ]
    };
    table::of(&columns, list.schedules.iter().map(row))
}

fn cadence(schedule: &Schedule) -> String {
    match &schedule.cadence {
        Some(Cadence::Every(every)) => format!("every {}", span(Some(every))),
        Some(Cadence::DailyAt(time)) => format!("daily at {time}"),
        None => String::new(),
    }
}

fn span(span: Option<&prost_types::Duration>) -> String {
    span.and_then(|span| chrono::TimeDelta::try_seconds(span.seconds))
        .map(|span| Span(span).to_string())
        .unwrap_or_default()
}

/// What came of it last, in words.
fn last(schedule: &Schedule) -> String {
    let Some(firing) = &schedule.last_firing else { return "never due".to_owned() };
    let at = moment::local(firing.at.as_ref());
    match firing.outcome() {
        ScheduleOutcome::Skipped => format!("{at} skipped: {}", firing.detail),
        _ => format!("{at} sync log {}", firing.sync_log_id),
    }
}
