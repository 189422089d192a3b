//! `orders callbacks`: what the order system told, and what became of it.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use crate::{
    cli::{
        client::{ClientArgs, unary},
        console::Console,
        failure::Failure,
        json,
        listing::Listing,
        moment,
        table::{
            self,
            Column::{self, Text},
        },
    },
    proto::{Callback, CallbackState, ListCallbacksRequest},
};

/// Show callbacks of the order system, newest first
///
/// Only genuine ones are kept. A parked one names no order that is stored here, or a number that several share: it is
/// applied by itself as soon as its order comes. All filters must match.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders callbacks --state parked
  haier-integration orders callbacks --after 2026-11-22 --output json")]
pub(super) struct CallbacksArgs {
    /// Only these: new, parked or applied [default: any]
    #[arg(long, value_name = "STATE", ignore_case = true, hide_possible_values = true)]
    state: Option<StateName>,
    /// Only what came then or later: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    after: Option<DateTime<Utc>>,
    /// Only what came before: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    before: Option<DateTime<Utc>>,
    /// Callbacks to show, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Go on where an earlier listing with the same filters ended; it printed this token [default: the newest]
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateName {
    New,
    Parked,
    Applied,
}

impl From<StateName> for CallbackState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::New => Self::New,
            StateName::Parked => Self::Parked,
            StateName::Applied => Self::Applied,
        }
    }
}

pub(super) async fn run(
    args: CallbacksArgs,
    client: &ClientArgs,
    console: &mut Console,
) -> Result<u8, Failure> {
    let request = ListCallbacksRequest {
        state: args.state.map_or(CallbackState::Unspecified, Into::into).into(),
        received_after: args.after.map(moment::to_timestamp),
        received_before: args.before.map(moment::to_timestamp),
        ..Default::default()
    };
    let listing = Listing {
        form: client.output,
        limit: args.limit,
        page_token: args.page_token,
        none: "no callbacks match",
        json: json::callback,
        table: table_of,
    };
    let mut client = client.connect_administration().await?;
    let page = async |page_size, page_token| {
        let request = ListCallbacksRequest { page_size, page_token, ..request.clone() };
        let page = client.list_callbacks(unary(request)).await?.into_inner();
        Ok((page.callbacks, page.next_page_token))
    };
    listing.show(page, console).await
}

const COLUMNS: [Column; 8] = [
    Text("received_at"),
    Text("state"),
    Text("method"),
    Text("success"),
    Text("platform_order_no"),
    Text("haier_order_no"),
    Text("so_id"),
    Text("words"),
];

fn table_of(callbacks: &[Callback]) -> String {
    table::of(&COLUMNS, callbacks.iter().map(row))
}

fn row(callback: &Callback) -> [String; 8] {
    let state = match callback.state() {
        CallbackState::Unspecified => "unknown",
        CallbackState::New => "new",
        CallbackState::Parked => "parked",
        CallbackState::Applied => "applied",
    };
    // All of them begin alike.
    let method = callback.method.rsplit('.').next().unwrap_or_default();
    [
        moment::local(callback.received_at.as_ref()),
        state.to_owned(),
        method.to_owned(),
        if callback.success { "yes" } else { "no" }.to_owned(),
        callback.platform_order_no.clone(),
        callback.haier_order_no.clone(),
        callback.so_id.clone(),
        callback.words.clone(),
    ]
}
