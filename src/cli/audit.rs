//! `audit`: what operators changed.

use chrono::{DateTime, Utc};
use clap::Args;

use super::{
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
    tokens::role,
};
use crate::proto::{AuditChange, AuditEvent, ListAuditEventsRequest};

/// Show what operators changed, newest first
///
/// Who, with what role and from where, did what to what, and the fields that changed. All filters must match. Events are
/// kept for good; nobody can change or remove one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration audit
  haier-integration audit --by mei --after 2026-11-01
  haier-integration audit --action token.revoke
  haier-integration audit --subject open-platform --output json | jq -c .changes")]
pub(super) struct AuditArgs {
    /// Only by this caller, exactly: the name of a token [default: any]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only this, exactly: upstream.pause, sync.start, token.create and so on [default: any]
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was done to this, exactly: a target, the id of a log, the name of a token [default: any]
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only then or later: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    after: Option<DateTime<Utc>>,
    /// Only before: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    before: Option<DateTime<Utc>>,
    /// Events to show, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Go on where an earlier listing with the same filters ended; it printed this token [default: the newest]
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: AuditArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect_administration().await?;
    let request = ListAuditEventsRequest {
        caller: args.by.unwrap_or_default(),
        action: args.action.unwrap_or_default(),
        subject: args.subject.unwrap_or_default(),
        created_after: args.after.map(moment::to_timestamp),
        created_before: args.before.map(moment::to_timestamp),
        ..Default::default()
    };
    let listing = Listing {
        form: args.client.output,
        limit: args.limit,
        page_token: args.page_token,
        none: "no events match",
        json: json::audit_event,
        table: table_of,
    };
    let page = async |page_size, page_token| {
        let request = ListAuditEventsRequest { page_size, page_token, ..request.clone() };
        let page = client.list_audit_events(unary(request)).await?.into_inner();
        Ok((page.audit_events, page.next_page_token))
    };
    listing.show(page, console).await
}

const COLUMNS: [Column; 7] = [
    Text("created_at"),
    Text("caller"),
    Text("role"),
    Text("address"),
    Text("action"),
    Text("subject"),
    Text("changes"),
];

fn table_of(events: &[AuditEvent]) -> String {
    table::of(&COLUMNS, events.iter().map(row))
}

fn row(event: &AuditEvent) -> [String; 7] {
    [
        moment::local(event.created_at.as_ref()),
        event.caller.clone(),
        role(event.role()).to_owned(),
        event.address.clone(),
        event.action.clone(),
        event.subject.clone(),
        event.changes.iter().map(change).collect::<Vec<_>>().join("; "),
    ]
}

fn change(change: &AuditChange) -> String {
    let AuditChange { field, before, after } = change;
    match (before, after) {
        (None, Some(after)) => format!("{field}: {after}"),
        (Some(before), Some(after)) => format!("{field}: {before} -> {after}"),
        (Some(before), None) => format!("{field}: no longer {before}"),
        (None, None) => field.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_both_values() {
        let of = |before: Option<&str>, after: Option<&str>| {
            let owned = |text: &str| text.to_owned();
            change(&AuditChange {
                field: "reason".to_owned(),
                before: before.map(owned),
                after: after.map(owned),
            })
        };
        assert_eq!(of(None, Some("a")), "reason: a");
        assert_eq!(of(Some("a"), Some("b")), "reason: a -> b");
        assert_eq!(of(Some("a"), None), "reason: no longer a");
    }
}
