//! A gRPC status as one line: the message, what is wrong with which field, the reason's word, and a remedy.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::console::printable;

pub(super) fn explain(status: &Status) -> String {
    let mut line = printable(status.message());
    if line.is_empty() {
        line = status.code().description().to_owned();
    }
    let violations =
        status.get_details_bad_request().map(|details| details.field_violations).unwrap_or_default();
    for violation in violations {
        if !line.contains(&violation.description) || !line.contains(&violation.field) {
            line.push_str("; ");
            line.push_str(&printable(&format!("{}: {}", violation.field, violation.description)));
        }
    }
    let info = status.get_details_error_info();
    let reason = info.as_ref().map_or("", |info| info.reason.as_str());
    if !reason.is_empty() && !line.contains(reason) {
        line.push_str(&format!(" ({})", printable(reason)));
    }
    let running = info.as_ref().and_then(|info| info.metadata.get("sync_log_id")).map(String::as_str);
    if let Some(remedy) = remedy(status, reason, running) {
        line.push_str("; ");
        line.push_str(&remedy);
    }
    line
}

fn remedy(status: &Status, reason: &str, running: Option<&str>) -> Option<String> {
    if is_of_connection(status) && reason.is_empty() {
        if status.message().contains(IT_ANSWERS) {
            return None;
        }
        return Some(NOT_RUNNING.to_owned());
    }
    match (reason, status.code()) {
        ("RUN_IN_PROGRESS", _) => Some(format!(
            "see that run by `haier-integration logs show {}`",
            printable(running.unwrap_or("ID"))
        )),
        ("STORE_UNAVAILABLE", _) => {
            Some("the service's database does not answer: look at its log".to_owned())
        }
        ("BREAKER_OPEN", _) => Some("see `haier-integration status`".to_owned()),
        (_, Code::Unauthenticated) => Some(
            "give a token by HAIER_INTEGRATION_TOKEN or --token; an admin makes one by `haier-integration tokens create \
             NAME --role ROLE`"
                .to_owned(),
        ),
        (_, Code::PermissionDenied) => Some(
            "give another token by HAIER_INTEGRATION_TOKEN or --token; `haier-integration help tokens` says what each role \
             may do"
                .to_owned(),
        ),
        (_, Code::Unimplemented) => {
            Some("the service there is another one, or of another version: check --server".to_owned())
        }
        _ => None,
    }
}

/// Stands in whatever is said of a service that does answer but not as it should; each ends in its own remedy.
pub(super) const IT_ANSWERS: &str = "the service";

/// What to do when nothing answers.
pub(super) const NOT_RUNNING: &str = "is the service running? start it with `haier-integration serve --sandbox`, \
                                      or name it by --server";

/// Whether the connection is at fault: what came with a cause arose on this side and was not sent by the service.
pub(super) fn is_of_connection(status: &Status) -> bool {
    status.code() == Code::Unavailable || std::error::Error::source(status).is_some()
}
