//! `orders`: push them, see where they stand and why, and say what is to become of them.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::{
    client::{ClientArgs, OutputForm, unary},
    console::{Console, printable},
    failure::Failure,
    json, lines,
    listing::Listing,
    moment,
};
use crate::{
    app::SystemClock,
    domain::clock::Clock as _,
    proto::{
        CancelOrderRequest, ListOrdersRequest, Order, OrderOutcome, OrderResponse, OrderState,
        ReconcileOrdersRequest, RescheduleOrderRequest, ResolveOrderRequest, RetryOrderRequest,
    },
};

mod callbacks;
mod file;
mod push;
mod show;
mod table;

/// Push orders to Haier, and see where they stand
///
/// `orders push FILE` stores orders and has each sent once and only once; `orders show SO_ID` tells an order's whole
/// story. Times are of Shanghai's days where they are days.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders push order.json --wait 30s
  haier-integration orders list --state in-doubt
  haier-integration orders list --so-id SO-20261122-1
  haier-integration orders show SO-20261122-1
  haier-integration orders cancel SO-20261122-1 --reason 买家取消
  haier-integration orders resolve SO-20261122-1 booked --evidence \"asked Haier by phone\"")]
pub(super) struct OrdersArgs {
    #[command(subcommand)]
    command: OrdersCommand,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum OrdersCommand {
    Push(push::PushArgs),
    List(ListArgs),
    Show(show::ShowArgs),
    Retry(RetryArgs),
    Cancel(CancelArgs),
    Reschedule(RescheduleArgs),
    Resolve(ResolveArgs),
    Reconcile(ReconcileArgs),
    Callbacks(callbacks::CallbacksArgs),
}

/// Show orders, newest first
///
/// The columns are so_id, online_no, state, Haier's two numbers, amount, when it was stored, and when something is tried
/// next. All filters must match.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders list --state in-doubt
  haier-integration orders list --so-id SO-20261122-1
  haier-integration orders list --online-no TB-1 --output json")]
struct ListArgs {
    /// Only this state: accepted, in-doubt, pushed, refused, confirmed, out-of-stock, cancelling, cancelled or given-up
    /// [default: any]
    #[arg(long, value_name = "STATE", ignore_case = true, hide_possible_values = true)]
    state: Option<StateName>,
    /// Only the order with this sub-order number, exactly [default: any]
    #[arg(long, value_name = "SO_ID")]
    so_id: Option<String>,
    /// Only orders with this number of the platform [default: any]
    #[arg(long, value_name = "NUMBER")]
    online_no: Option<String>,
    /// Only what was stored then or later: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    after: Option<DateTime<Utc>>,
    /// Only what was stored before: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    before: Option<DateTime<Utc>>,
    /// Orders to show, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Go on where an earlier listing with the same filters ended; it printed this token [default: the newest]
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

/// Have an order sent now
///
/// One that Haier refused or that was given up is sent anew, with a new deadline; one in doubt as soon as that is safe. A
/// cancellation of which Haier tells nothing is asked for again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders retry SO-20261122-1")]
struct RetryArgs {
    /// The sub-order number
    #[arg(value_name = "SO_ID")]
    so_id: String,
}

/// Cancel an order
///
/// What Haier surely does not have is cancelled at once; what is in doubt waits for the truth; else Haier is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders cancel SO-20261122-1 --reason 买家取消")]
struct CancelArgs {
    /// The sub-order number
    #[arg(value_name = "SO_ID")]
    so_id: String,
    /// Why, for Haier, in up to 200 characters [default: 商家取消]
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Ask Haier for other times
///
/// A time is a day in Shanghai, written as its last second: 2026-12-01T23:59:59+08:00.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders reschedule SO-20261122-1 --distribution-time 2026-12-01T23:59:59+08:00")]
struct RescheduleArgs {
    /// The sub-order number
    #[arg(value_name = "SO_ID")]
    so_id: String,
    /// New time of delivery [default: as it is]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse, required_unless_present = "install_time")]
    distribution_time: Option<DateTime<Utc>>,
    /// New time of installation [default: as it is]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    install_time: Option<DateTime<Utc>>,
}

/// Say what was found at Haier about an order in doubt
///
/// booked: Haier has it. not-booked: Haier does not, and it is sent again. Kept for ever, with who said it. With its number
/// also for an order that is there under one that is not known here, so that it can be given other times.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders resolve SO-20261122-1 booked --evidence \"asked Haier by phone\" --retail-order-no RO1
  haier-integration orders resolve SO-20261122-1 not-booked --evidence \"not in Haier's console, 10:30\"")]
struct ResolveArgs {
    /// The sub-order number
    #[arg(value_name = "SO_ID")]
    so_id: String,
    /// What was found: booked or not-booked
    #[arg(value_name = "OUTCOME", ignore_case = true, hide_possible_values = true)]
    outcome: OutcomeName,
    /// How it was found out, in up to 200 characters
    #[arg(long, value_name = "TEXT")]
    evidence: String,
    /// Haier's number of the retail order, if it was found
    #[arg(long, value_name = "NUMBER")]
    retail_order_no: Option<String>,
}

/// Put orders in doubt whose attempts may be missing in a restored backup
///
/// After an older backup was restored, an order may be at Haier without its attempt being on record. This puts every
/// order that is not over and not known to be there in doubt; each is then sent again, and "repeated" is the proof that
/// it arrived. What was refused or given up stays so, unless Haier called it repeated: then it is there.
/// The service notices by itself that its database was restored (`status` says so), and sends no order until this has run. Run
/// it also where the log says that the database does not tell its identity.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders reconcile --dry-run   how many there are
  haier-integration orders reconcile")]
struct ReconcileArgs {
    /// Only count, change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateName {
    Accepted,
    InDoubt,
    Pushed,
    Refused,
    Confirmed,
    OutOfStock,
    Cancelling,
    Cancelled,
    GivenUp,
}

impl From<StateName> for OrderState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Accepted => Self::Accepted,
            StateName::InDoubt => Self::InDoubt,
            StateName::Pushed => Self::Pushed,
            StateName::Refused => Self::Refused,
            StateName::Confirmed => Self::Confirmed,
            StateName::OutOfStock => Self::OutOfStock,
            StateName::Cancelling => Self::Cancelling,
            StateName::Cancelled => Self::Cancelled,
            StateName::GivenUp => Self::GivenUp,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OutcomeName {
    Booked,
    NotBooked,
}

impl From<OutcomeName> for OrderOutcome {
    fn from(name: OutcomeName) -> Self {
        match name {
            OutcomeName::Booked => Self::Booked,
            OutcomeName::NotBooked => Self::NotBooked,
        }
    }
}

pub(super) async fn run(args: OrdersArgs, console: &mut Console) -> Result<u8, Failure> {
    let form = args.client.output;
    let changed = match args.command {
        OrdersCommand::Push(push) => return push::run(&push, &args.client, console).await,
        OrdersCommand::List(list) => return self::list(list, &args.client, console).await,
        OrdersCommand::Show(show) => return show::run(&show, &args.client, console).await,
        OrdersCommand::Callbacks(callbacks) => {
            return callbacks::run(callbacks, &args.client, console).await;
        }
        OrdersCommand::Reconcile(reconcile) => {
            return self::reconcile(&reconcile, &args.client, console).await;
        }
        OrdersCommand::Retry(RetryArgs { so_id }) => {
            args.client.connect().await?.retry_order(unary(RetryOrderRequest { so_id })).await?
        }
        OrdersCommand::Cancel(CancelArgs { so_id, reason }) => {
            let request = CancelOrderRequest { so_id, reason: reason.unwrap_or_default() };
            args.client.connect().await?.cancel_order(unary(request)).await?
        }
        OrdersCommand::Reschedule(reschedule) => {
            let request = RescheduleOrderRequest {
                so_id: reschedule.so_id,
                distribution_time: reschedule.distribution_time.map(moment::to_timestamp),
                install_time: reschedule.install_time.map(moment::to_timestamp),
            };
            args.client.connect().await?.reschedule_order(unary(request)).await?
        }
        OrdersCommand::Resolve(resolve) => {
            let request = ResolveOrderRequest {
                so_id: resolve.so_id,
                outcome: OrderOutcome::from(resolve.outcome).into(),
                evidence: resolve.evidence,
                retail_order_no: resolve.retail_order_no.unwrap_or_default(),
            };
            args.client.connect_administration().await?.resolve_order(unary(request)).await?
        }
    };
    tell(&changed.into_inner(), form, console)?;
    Ok(0)
}

/// An order in one line, as it stands.
fn tell(answer: &OrderResponse, form: OutputForm, console: &mut Console) -> Result<(), Failure> {
    let Some(order) = &answer.order else { return Ok(()) };
    match form {
        OutputForm::Json => console.say_json(&json::order(order))?,
        OutputForm::Table => console.say(&line(order))?,
    }
    Ok(())
}

fn line(order: &Order) -> String {
    let so_id = printable(&order.so_id);
    let mut line = format!("{so_id}  {}", state(order.state()));
    for (name, value) in
        [("retail_order_no", &order.retail_order_no), ("haier_order_no", &order.haier_order_no)]
    {
        if !value.is_empty() {
            line.push_str(&format!("  {name} {}", printable(value)));
        }
    }
    if !order.last_error.is_empty() {
        line.push_str(&format!("  {}", printable(&order.last_error)));
    }
    if order.next_attempt_at.is_some() {
        let next = moment::next(order.next_attempt_at.as_ref(), SystemClock::new().now());
        line.push_str(&format!("  next {next}"));
    }
    line
}

/// A state as it is typed.
fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Unspecified => "unknown",
        OrderState::Accepted => "accepted",
        OrderState::InDoubt => "in-doubt",
        OrderState::Pushed => "pushed",
        OrderState::Refused => "refused",
        OrderState::Confirmed => "confirmed",
        OrderState::OutOfStock => "out-of-stock",
        OrderState::Cancelling => "cancelling",
        OrderState::Cancelled => "cancelled",
        OrderState::GivenUp => "given-up",
    }
}

async fn list(args: ListArgs, client: &ClientArgs, console: &mut Console) -> Result<u8, Failure> {
    let request = ListOrdersRequest {
        state: args.state.map_or(OrderState::Unspecified, Into::into).into(),
        so_id: args.so_id.unwrap_or_default(),
        online_no: args.online_no.unwrap_or_default(),
        created_after: args.after.map(moment::to_timestamp),
        created_before: args.before.map(moment::to_timestamp),
        ..Default::default()
    };
    let listing = Listing {
        form: client.output,
        limit: args.limit,
        page_token: args.page_token,
        none: "no orders match",
        json: json::order,
        table: |orders| table::of(orders, SystemClock::new().now()),
    };
    let mut client = client.connect().await?;
    let page = async |page_size, page_token| {
        let request = ListOrdersRequest { page_size, page_token, ..request.clone() };
        let page = client.list_orders(unary(request)).await?.into_inner();
        Ok((page.orders, page.next_page_token))
    };
    listing.show(page, console).await
}

async fn reconcile(args: &ReconcileArgs, client: &ClientArgs, console: &mut Console) -> Result<u8, Failure> {
    let request = ReconcileOrdersRequest { validate_only: args.dry_run };
    let mut administration = client.connect_administration().await?;
    let count = administration.reconcile_orders(request).await?.into_inner().order_count;
    match client.output {
        OutputForm::Json => console.say_json(&serde_json::json!({ "order_count": count }))?,
        OutputForm::Table if args.dry_run => {
            console.say(&format!("{} put in doubt", lines::orders(count, "would be", "would be")))?;
        }
        OutputForm::Table => console.say(&format!(
            "{} put in doubt; look by `orders list --state in-doubt`",
            lines::orders(count, "is", "are")
        ))?,
    }
    Ok(0)
}
