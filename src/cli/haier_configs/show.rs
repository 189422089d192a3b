//! Accounts for people.

use super::message::settings;
use crate::{
    cli::{
        lines::{self, yes_no},
        moment,
        table::{
            self,
            Column::{self, Text},
        },
    },
    proto::{ActivateHaierConfigResponse, HaierConfig, HaierConfigChange},
};

const COLUMNS: [Column; 6] = [
    Text("name"),
    Text("active"),
    Text("customer_code"),
    Text("base_url"),
    Text("created_at"),
    Text("updated_at"),
];

/// A row an account.
pub(super) fn table(configs: &[HaierConfig]) -> String {
    let row = |config: &HaierConfig| {
        [
            config.name.clone(),
            yes_no(config.active),
            config.customer_code.clone(),
            config.base_url.clone(),
            moment::local(config.created_at.as_ref()),
            moment::local(config.updated_at.as_ref()),
        ]
    };
    table::of(&COLUMNS, configs.iter().map(row))
}

/// A line a field; of secrets since when they are set.
pub(super) fn one(config: &HaierConfig) -> String {
    let mut fields = vec![("name", config.name.clone()), ("active", yes_no(config.active))];
    let settings = settings(config);
    fields.extend(settings.iter().map(|(field, text)| (field.path(), text.clone())));
    let since = |set_at: Option<&prost_types::Timestamp>| match set_at {
        Some(_) => format!("(secret, set at {})", moment::local(set_at)),
        None => "(secret, not set)".to_owned(),
    };
    fields.extend(config.secrets.iter().map(|secret| (secret.field.as_str(), since(secret.set_at.as_ref()))));
    fields.push(("etag", config.etag.clone()));
    fields.push(("created_at", moment::local(config.created_at.as_ref())));
    fields.push(("updated_at", moment::local(config.updated_at.as_ref())));
    let mut lines = lines::of(&fields);
    lines.extend(config.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n")
}

const CHANGES: [Column; 3] = [Text("field"), Text("before"), Text("after")];

/// What a switch changes, or would change.
pub(super) fn activation(name: &str, answer: &ActivateHaierConfigResponse, validate_only: bool) -> String {
    if answer.previous == "sandbox" && answer.changes.is_empty() {
        return format!(
            "{name} is fit to be used, but the service was started with --sandbox, whose account it goes on using"
        );
    }
    let previous = if answer.previous.is_empty() { "no account" } else { &answer.previous };
    let head = match (validate_only, previous == name) {
        (_, true) => format!("{name} is in use already"),
        (true, false) => format!("{name} would be used in place of {previous}; nothing was changed"),
        (false, false) => format!("{name} is used in place of {previous}"),
    };
    if answer.changes.is_empty() {
        return head;
    }
    let row =
        |change: &HaierConfigChange| [change.field.clone(), change.before.clone(), change.after.clone()];
    format!("{head}\n{}", table::of(&CHANGES, answer.changes.iter().map(row)))
}
