//! `logs show`: one run whole, with the codes that failed.

use clap::Args;

use super::{Tail, fetch};
use crate::{
    cli::{
        client::{Client, OutputForm},
        console::{Console, printable},
        failure::Failure,
        json, lines, moment,
        sync::{failure_line, waiting},
    },
    proto::SyncLog,
};

/// Show one run whole, with the codes that failed
///
/// With --output json: first the log as an object, then each failed code as one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration logs show 381073546842112000
  haier-integration logs show 381073546842112000 --limit 20
  haier-integration logs show 381073546842112000 --output json")]
pub(super) struct ShowArgs {
    /// Id of the log, as `logs` and `sync` print it
    #[arg(value_name = "ID")]
    id: i64,
    /// Failed codes to show, a whole number from 0 [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

pub(super) async fn run(
    args: &ShowArgs,
    client: &mut Client,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let log = fetch(client, args.id).await?;
    match form {
        OutputForm::Json => console.say_json(&json::sync_log(&log))?,
        OutputForm::Table => told(&log).iter().try_for_each(|line| console.say(line))?,
    }
    let mut tail = Tail::default();
    let mut left = args.limit.unwrap_or(u64::MAX);
    while log.failed_count > 0 && left > 0 {
        let page = tail.read(client, args.id).await?;
        for failure in &page.failures {
            if left == 0 {
                break;
            }
            left -= 1;
            match form {
                OutputForm::Json => console.say_json(&json::sync_failure(failure))?,
                OutputForm::Table => {
                    console.say(&format!("{} ({})", failure_line(failure), failure.stage))?;
                }
            }
        }
        if page.is_last {
            break;
        }
    }
    Ok(())
}

fn told(log: &SyncLog) -> Vec<String> {
    let planned = log.planned_count.map_or_else(|| "unknown".to_owned(), |planned| planned.to_string());
    let duration = log.duration.as_ref().map(|duration| format!("{:.1} s", moment::seconds(duration)));
    let parent = log.parent_id.map(|id| id.to_string());
    let waits =
        log.wait.as_ref().map(|wait| waiting(&format!("{}: {}", printable(&wait.reason), wait.detail), wait));
    let fields = [
        ("id", log.id.to_string()),
        ("sync_type", log.sync_type_display.clone()),
        ("status", log.status_display.clone()),
        ("end_reason", log.end_reason.clone()),
        ("message", log.message.clone()),
        ("planned", planned),
        ("total", log.total_count.to_string()),
        ("success", log.success_count.to_string()),
        ("failed", log.failed_count.to_string()),
        ("created_at", moment::local(log.created_at.as_ref())),
        ("started_at", moment::local(log.started_at.as_ref())),
        ("completed_at", moment::local(log.completed_at.as_ref())),
        ("duration", duration.unwrap_or_default()),
        ("waited", moment::span(log.waited.as_ref()).unwrap_or_default()),
        ("waits", waits.unwrap_or_default()),
        ("trigger", log.trigger.clone()),
        ("requested_by", log.requested_by.clone()),
        ("parent_id", parent.unwrap_or_default()),
        ("account", log.account.clone()),
    ];
    lines::of(&fields)
}
