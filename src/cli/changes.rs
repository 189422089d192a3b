//! `changes`: the feed of products, page by page or as it happens.

use std::time::Duration;

use clap::Args;
use tonic::{Status, Streaming};
use tonic_types::StatusExt as _;

use super::{
    client::{Client, ClientArgs, OutputForm, unary},
    console::{Console, printable},
    failure::Failure,
    json, moment,
    status::is_of_connection,
};
use crate::proto::{
    FieldChange, ListProductChangesRequest, ProductChange, ProductChangeKind, WatchProductChangesRequest,
    WatchProductChangesResponse,
};

/// Waits before following again over a lost connection; the last one is repeated.
const REJOINS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// What a line tells of a product that is new: the rest is its record.
const TOLD_OF_NEW: [&str; 5] = ["name", "supply_price", "invoice_price", "market_price", "stock"];

/// Show what changed in the shop's copy
///
/// A line an entry: when, what, the product, each field with its old and new value, and the run that found it (see `logs
/// show`). At the end, also after Ctrl-C, the cursor to go on from is told. With --output json: an entry an object.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration changes
  haier-integration changes --follow
  haier-integration changes --after cHJvZHVjdHM6NDI --follow --output json")]
pub(super) struct ChangesArgs {
    /// Only entries after this cursor [default: the oldest kept; with --follow, from now on]
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Go on with what happens from there, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Entries to show without --follow, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "1000", conflicts_with = "follow")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: ChangesArgs, console: &mut Console) -> Result<u8, Failure> {
    let client = args.client.connect().await?;
    let mut feed = Feed { client, form: args.client.output, cursor: args.after.unwrap_or_default(), console };
    if !args.follow {
        return feed.list(args.limit).await;
    }
    let ended = tokio::select! {
        ended = feed.follow() => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Failure::from),
    };
    feed.tell_cursor();
    ended.map(|()| 0)
}

/// The feed as it is being read.
struct Feed<'a> {
    client: Client,
    form: OutputForm,
    /// Everything up to here is printed.
    cursor: String,
    console: &'a mut Console,
}

impl Feed<'_> {
    async fn list(&mut self, mut left: u32) -> Result<u8, Failure> {
        loop {
            let page_size = i32::try_from(left.min(1_000)).unwrap_or(1_000);
            let request = ListProductChangesRequest { after: self.cursor.clone(), page_size };
            let page = self.client.list_product_changes(unary(request)).await?.into_inner();
            left = left.saturating_sub(u32::try_from(page.changes.len()).unwrap_or(u32::MAX));
            self.print(&page.changes)?;
            self.cursor = page.cursor;
            if left == 0 || !page.has_more {
                break;
            }
        }
        self.tell_cursor();
        Ok(0)
    }

    async fn follow(&mut self) -> Result<(), Failure> {
        let mut lost = 0;
        loop {
            let why = match self.watch().await {
                Ok(mut stream) => self.take(&mut stream, &mut lost).await?,
                Err(status) if is_of_connection(&status) => status,
                Err(status) => return Err(status.into()),
            };
            let wait = REJOINS[lost.min(REJOINS.len() - 1)];
            lost += 1;
            let why = printable(why.message());
            self.console.complain(&format!("connection lost ({why}); following again"));
            tokio::time::sleep(wait).await;
        }
    }

    async fn watch(&mut self) -> Result<Streaming<WatchProductChangesResponse>, Status> {
        let request = WatchProductChangesRequest { after: self.cursor.clone() };
        Ok(self.client.watch_product_changes(request).await?.into_inner())
    }

    /// Prints what comes until the stream is cut; the status says by what.
    async fn take(
        &mut self,
        stream: &mut Streaming<WatchProductChangesResponse>,
        lost: &mut usize,
    ) -> Result<Status, Failure> {
        loop {
            match stream.message().await {
                Ok(Some(message)) => {
                    self.print(&message.changes)?;
                    self.cursor = message.cursor;
                    *lost = 0;
                }
                Ok(None) => return Ok(Status::unavailable("the stream ended")),
                Err(status) if is_of_connection(&status) || was_slow(&status) => return Ok(status),
                Err(status) => return Err(status.into()),
            }
        }
    }

    fn print(&mut self, changes: &[ProductChange]) -> Result<(), Failure> {
        for change in changes {
            match self.form {
                OutputForm::Json => self.console.say_json(&json::product_change(change))?,
                OutputForm::Table => self.console.say(&line(change))?,
            }
        }
        Ok(())
    }

    /// Not a part of the result: programs that read it line by line would stumble.
    fn tell_cursor(&mut self) {
        if !self.cursor.is_empty() {
            let cursor = printable(&self.cursor);
            self.console.complain(&format!("to go on: the same command with --after {cursor}"));
        }
    }
}

fn was_slow(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == "SLOW_READER")
}

/// One entry as a line.
fn line(change: &ProductChange) -> String {
    let mut line = format!("{} {}", moment::local(change.changed_at.as_ref()), body(change));
    match change.sync_log_id {
        0 => line.push_str("  (live call)"),
        run => line.push_str(&format!("  (run {run})")),
    }
    line
}

/// What an entry tells, without when and by whom.
pub(super) fn body(change: &ProductChange) -> String {
    let kind = change.kind().as_str_name().trim_start_matches("PRODUCT_CHANGE_KIND_");
    let mut line = format!("{kind:<8}");
    match change.kind() {
        ProductChangeKind::Loaded => line.push_str(&format!(" {} products", change.product_count)),
        _ => line.push_str(&format!(" {}", printable(&change.product_code))),
    }
    let is_new = change.kind() == ProductChangeKind::New;
    let told: Vec<String> = change
        .changes
        .iter()
        .filter(|change| !is_new || TOLD_OF_NEW.contains(&change.field.as_str()))
        .map(|change| field(change, is_new))
        .collect();
    if !told.is_empty() {
        line.push_str(&format!("  {}", told.join(", ")));
    }
    line
}

fn field(change: &FieldChange, is_new: bool) -> String {
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "none".to_owned(), printable);
    if is_new {
        return format!("{} {}", change.field, text(&change.new));
    }
    format!("{} {} → {}", change.field, text(&change.old), text(&change.new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(field: &str, old: Option<&str>, new: Option<&str>) -> FieldChange {
        let text = |value: Option<&str>| value.map(ToOwned::to_owned);
        FieldChange { field: field.to_owned(), old: text(old), new: text(new) }
    }

    #[test]
    fn an_entry_is_one_line_with_old_and_new() {
        let mut change = ProductChange {
            kind: ProductChangeKind::Changed.into(),
            product_code: "AA15CP73L".to_owned(),
            changes: vec![
                field_of("supply_price", Some("1999.00"), Some("2099.00")),
                field_of("stock", None, Some("3")),
            ],
            sync_log_id: 7,
            ..ProductChange::default()
        };
        assert_eq!(
            line(&change),
            " CHANGED  AA15CP73L  supply_price 1999.00 → 2099.00, stock none → 3  (run 7)"
        );
        change.kind = ProductChangeKind::New.into();
        change.sync_log_id = 0;
        change.changes = vec![
            field_of("name", None, Some("热\u{1b}水器")),
            field_of("product_image_url", None, Some("https://p/1.jpg")),
        ];
        assert_eq!(line(&change), " NEW      AA15CP73L  name 热 水器  (live call)");
        change = ProductChange {
            kind: ProductChangeKind::Loaded.into(),
            product_count: 45,
            ..ProductChange::default()
        };
        assert_eq!(line(&change), " LOADED   45 products  (live call)");
    }
}
