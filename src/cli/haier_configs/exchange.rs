//! `config export` and `config import`: accounts from one service to another, without their secrets.

use std::{fmt::Write as _, path::Path};

use prost_types::FieldMask;
use tonic::Code;

use super::{
    all,
    document::{self, Given},
    get,
    message::settings,
};
use crate::{
    cli::{
        client::{AdministrationClient, OutputForm, unary},
        console::Console,
        failure::Failure,
        json,
    },
    domain::accounts::Field,
    proto::{
        CreateHaierConfigRequest, GetHaierConfigRequest, HaierConfig, ListHaierConfigsRequest,
        UpdateHaierConfigRequest,
    },
};

pub(super) async fn export(
    name: Option<&str>,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let configs = match name {
        Some(name) => vec![get(client, name).await?],
        None => all(client, ListHaierConfigsRequest::default()).await?,
    };
    match form {
        OutputForm::Json => {
            configs.iter().try_for_each(|config| console.say_json(&json::haier_config(config)))?;
        }
        OutputForm::Table => {
            let text: Vec<_> = configs.iter().map(document_of).collect();
            console.say(text.join("\n").trim_end())?;
            console.complain(
                "secrets are not exported: fill in the empty lines, and keep the file as a secret then",
            );
        }
    }
    Ok(())
}

/// An account as TOML, with an empty line for each secret that is set.
fn document_of(config: &HaierConfig) -> String {
    let settings = settings(config);
    let set: Vec<_> = config.secrets.iter().filter(|secret| secret.set_at.is_some()).collect();
    let mut text = format!("[[haier_config]]\nname = {}\n", quoted(&config.name));
    for part in ["", "ylh."] {
        let of_part = |path: &str| path.starts_with("ylh.") == (part == "ylh.");
        if part == "ylh." && config.ylh.is_some() {
            text.push_str("[haier_config.ylh]\n");
        }
        for (field, value) in settings.iter().filter(|(field, _)| of_part(field.path())) {
            let key = field.path().trim_start_matches(part);
            // Writing to a String does not fail.
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
        for secret in set.iter().filter(|secret| of_part(&secret.field)) {
            let _ = writeln!(text, "{} = \"\"", secret.field.trim_start_matches(part));
        }
    }
    text
}

/// A text of TOML; the escapes of JSON are among its own.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) async fn import(
    path: &Path,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let accounts = document::read(path)?;
    let mut problems = Vec::new();
    let mut planned = Vec::new();
    for given in accounts {
        if given.config.name.is_empty() {
            problems.push("an account has no name".to_owned());
            continue;
        }
        let stored = find(client, &given.config.name).await?;
        let missing = missing_secrets(&given, stored.as_ref());
        if !missing.is_empty() {
            problems.push(format!("{} lacks its secrets: {}", given.config.name, missing.join(", ")));
        }
        planned.push((given, stored.is_some()));
    }
    if !problems.is_empty() {
        let line = format!("{}: {}; nothing was changed", path.display(), problems.join("; "));
        return Err(Failure::Usage(line));
    }
    for (given, is_stored) in planned {
        let config = store(given.config, is_stored, client).await?;
        match form {
            OutputForm::Json => console.say_json(&json::haier_config(&config))?,
            OutputForm::Table if is_stored => console.say(&format!("{} is as the file says", config.name))?,
            OutputForm::Table => console.say(&format!("{} is stored, not in use", config.name))?,
        }
    }
    Ok(())
}

async fn find(client: &mut AdministrationClient, name: &str) -> Result<Option<HaierConfig>, Failure> {
    let request = GetHaierConfigRequest { name: name.to_owned() };
    match client.get_haier_config(unary(request)).await {
        Ok(config) => Ok(Some(config.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// Required secrets that neither the file nor the service has.
fn missing_secrets(given: &Given, stored: Option<&HaierConfig>) -> Vec<&'static str> {
    let has_ylh = given.config.ylh.is_some();
    let is_stored = |field: Field| {
        let secrets = stored.map(|stored| stored.secrets.as_slice()).unwrap_or_default();
        secrets.iter().any(|secret| secret.field == field.path() && secret.set_at.is_some())
    };
    let is_missing = |field: &Field| {
        field.is_secret()
            && field.is_required()
            && (has_ylh || !field.is_of_ylh())
            && !given.fields.contains(field)
            && !is_stored(*field)
    };
    Field::ALL.iter().copied().filter(is_missing).map(Field::path).collect()
}

async fn store(
    config: HaierConfig,
    is_stored: bool,
    client: &mut AdministrationClient,
) -> Result<HaierConfig, Failure> {
    if !is_stored {
        let request = CreateHaierConfigRequest { haier_config: Some(config), validate_only: false };
        return Ok(client.create_haier_config(unary(request)).await?.into_inner());
    }
    let everything = FieldMask { paths: vec!["*".to_owned()] };
    let request = UpdateHaierConfigRequest {
        haier_config: Some(config),
        update_mask: Some(everything),
        same_place: false,
    };
    Ok(client.update_haier_config(unary(request)).await?.into_inner())
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;
    use crate::proto::{HaierConfigSecret, YlhConfig};

    fn config() -> HaierConfig {
        let secret = |field: &str| HaierConfigSecret {
            field: field.to_owned(),
            set_at: Some(Timestamp { seconds: 1, nanos: 0 }),
        };
        HaierConfig {
            name: "旗舰 \"a\"".to_owned(),
            client_id: "id".to_owned(),
            ylh: Some(YlhConfig { shop_name: "店".to_owned(), ..YlhConfig::default() }),
            secrets: vec![secret("client_secret"), secret("ylh.password")],
            ..HaierConfig::default()
        }
    }

    #[test]
    fn what_is_exported_is_read_back_with_its_secrets_missing() {
        let text = document_of(&config());
        assert!(text.contains("client_secret = \"\"\n") && text.contains("\npassword = \"\"\n"), "{text}");
        let given = document::parse(&text).unwrap().remove(0);
        assert_eq!(
            (given.config.name.as_str(), given.config.ylh.as_ref().unwrap().shop_name.as_str()),
            ("旗舰 \"a\"", "店")
        );
        let missing = missing_secrets(&given, None);
        assert_eq!(missing.len(), 6, "{missing:?}");
        let missing = missing_secrets(&given, Some(&config()));
        assert_eq!(missing, ["password", "seller_password", "ylh.client_secret", "ylh.callback_secret"]);
    }
}
