//! How a run ended, in one line of the log.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{
    messages::EndMessage,
    reasons::Reason,
    sync_logs::{Counts, SyncLog, SyncStatus},
};

/// How many of the codes that failed a line names.
pub(super) const MAX_FIRST_CODES: i64 = 10;

/// Says how a run ended, once, where operators look.
pub(super) fn log_end(log: &SyncLog, end: &EndMessage, first_codes: &[String], ended_at: DateTime<Utc>) {
    let EndMessage { reason, success, failed, delisted, waited, ref detail, ref failures, .. } = *end;
    let status = SyncStatus::at_end(reason, Counts { total: success + failed, success, failed });
    metrics::counter!("haier_sync_runs_total", "end_reason" => reason.as_str(), "status" => status.as_str())
        .increment(1);
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let failures: Vec<_> = failures.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let (failures, first_codes) = (text(&failures.join(", ")), text(&first_codes.join(" ")));
    let (caller, detail) = (text(&log.requested_by), text(detail));
    let took = shown(ended_at - log.started_at.unwrap_or(log.created_at));
    let waited = Some(waited).filter(|waited| !waited.is_zero()).map(shown);
    // One that came to its end although codes failed has the reasons of these.
    let reason = (status != SyncStatus::Partial || reason != Reason::Completed).then(|| reason.as_str());
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                sync_log_id = log.id,
                sync_type = log.sync_type.as_str(),
                trigger = log.trigger.as_str(),
                caller,
                account = log.account,
                success,
                failed,
                delisted,
                reason,
                failures,
                first_codes,
                took,
                waited,
                detail,
                $message
            )
        };
    }
    match status {
        SyncStatus::Success => line!(info, "sync run ended"),
        SyncStatus::Partial => line!(warn, "sync run ended in part"),
        _ => line!(error, "sync run failed"),
    }
}

/// A span of time to the millisecond.
fn shown(span: TimeDelta) -> String {
    let span = Duration::from_millis(span.num_milliseconds().max(0).unsigned_abs());
    format!("{span:?}")
}
