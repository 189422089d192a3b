//! `orders callbacks`: what the order system told, and what became of it.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use crate::{
    cli::{
        client::{ClientArgs, OutputForm, unary},
        console::Console,
        failure::Failure,
        json, moment,
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
    args: &CallbacksArgs,
    client: &ClientArgs,
    console: &mut Console,
) -> Result<u8, Failure> {
    let (form, mut client) = (client.output, client.connect_administration().await?);
    let mut request = ListCallbacksRequest {
        state: args.state.map_or(CallbackState::Unspecified, Into::into).into(),
        received_after: args.after.map(moment::to_timestamp),
        received_before: args.before.map(moment::to_timestamp),
        page_size: 0,
        page_token: args.page_token.clone().unwrap_or_default(),
    };
    let (mut callbacks, mut left) = (Vec::new(), args.limit);
    loop {
        request.page_size = i32::try_from(left.min(1_000)).unwrap_or(1_000);
        let page = client.list_callbacks(unary(request.clone())).await?.into_inner();
        left = left.saturating_sub(u32::try_from(page.callbacks.len()).unwrap_or(u32::MAX));
        request.page_token = page.next_page_token;
        match form {
            OutputForm::Json => {
                page.callbacks.iter().try_for_each(|callback| console.say_json(&json::callback(callback)))?
            }
            // The widths of a table are known only when all its rows are.
            OutputForm::Table => callbacks.extend(page.callbacks),
        }
        if left == 0 || request.page_token.is_empty() {
            break;
        }
    }
    if form == OutputForm::Table {
        if callbacks.is_empty() {
            console.complain("no callbacks match");
        } else {
            console.say(&table::of(&COLUMNS, callbacks.iter().map(row)))?;
        }
    }
    if !request.page_token.is_empty() {
        console.complain(&format!("more: the same command with --page-token {}", request.page_token));
    }
    Ok(0)
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
