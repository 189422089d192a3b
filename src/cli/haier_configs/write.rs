//! `config create` and `config update`.

use std::path::PathBuf;

use clap::Args;
use prost_types::FieldMask;
use serde_json::json;

use super::{
    Environment,
    document::{self, Given},
    tell,
};
use crate::{
    cli::{
        client::{AdministrationClient, OutputForm, unary},
        console::Console,
        failure::Failure,
        json, lines,
    },
    domain::accounts::{Field, Preset},
    proto::{CreateHaierConfigRequest, UpdateHaierConfigRequest},
};

/// Store an account from a file
///
/// The file is one that `config template` printed, filled in; TOML and JSON with the names of the API are read too. The
/// account is not used until it is activated. Everything that is wrong is told at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config create shop haier.env
  haier-integration config create shop haier.env --validate-only
  vault kv get -format=json haier | jq .data.data | haier-integration config create shop - --preset production")]
pub(super) struct CreateArgs {
    /// Name of the account: 1 to 64 characters, and for ever
    name: String,
    /// The file; `-` is standard input
    file: PathBuf,
    /// Fill in the hosts of one of Haier's environments: test, staging or production [default: the file has them]
    #[arg(long, value_name = "ENVIRONMENT", hide_possible_values = true)]
    preset: Option<Environment>,
    /// Check everything, and store nothing
    #[arg(long)]
    validate_only: bool,
}

/// Change an account
///
/// What the file and --set name changes, everything else stays, secrets too. Secrets come from a file or standard input alone,
/// since what is typed stands in the process list. An account in use takes effect on every replica.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config update shop --set send_to_code=8800000009
  haier-integration config update shop --set token_url=                back to its default
  printf 'HAIER_PASSWORD=%s\\n' \"$NEW\" | haier-integration config update shop -
  haier-integration config update shop --preset production
  haier-integration config update shop --set ylh.base_url=https://www.yilihuo.com --same-place
  haier-integration config update environment --same-place             its variables were respelled, orders stay with it")]
pub(super) struct UpdateArgs {
    /// Name of the account
    name: String,
    /// A file with the fields to change; `-` is standard input [default: none]
    file: Option<PathBuf>,
    /// A field that is no secret, with its new value; empty: its default. May be given several times
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    settings: Vec<String>,
    /// Move to the hosts of one of Haier's environments: test, staging or production [default: they stay]
    #[arg(long, value_name = "ENVIRONMENT", hide_possible_values = true)]
    preset: Option<Environment>,
    /// Only if it still is what was read: its etag, as `config show` tells it [default: whatever it is]
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
    /// Say that the account leads to the same order system and customer as before: its orders go with it [default: a change
    /// of place or customer is refused while orders are unsettled]
    #[arg(long)]
    same_place: bool,
}

pub(super) async fn create(
    args: CreateArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let Given { mut config, .. } = document::read_one(&args.file)?;
    config.name = args.name;
    if let Some(preset) = args.preset {
        Preset::from(preset).as_str().clone_into(&mut config.preset);
    }
    let request = CreateHaierConfigRequest { haier_config: Some(config), validate_only: args.validate_only };
    let config = client.create_haier_config(unary(request)).await?.into_inner();
    tell(&config, form, console)?;
    console.complain(&if args.validate_only {
        "nothing is wrong with it; nothing was stored".to_owned()
    } else {
        format!("stored, not in use yet: `haier-integration config activate {}`", config.name)
    });
    Ok(())
}

pub(super) async fn update(
    args: UpdateArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut given = args.file.as_deref().map(document::read_one).transpose()?.unwrap_or_default();
    let mut paths: Vec<String> = given.fields.iter().map(|field| field.path().to_owned()).collect();
    for setting in &args.settings {
        let (field, value) = parse_setting(setting)?;
        given.set(field, value);
        paths.push(field.path().to_owned());
    }
    if let Some(preset) = args.preset {
        Preset::from(preset).as_str().clone_into(&mut given.config.preset);
    }
    if !given.config.preset.is_empty() {
        paths.push("preset".to_owned());
    }
    if paths.is_empty() && !args.same_place {
        return Err(Failure::Usage(
            "nothing to change is named: give a file, --set, --preset or --same-place".to_owned(),
        ));
    }
    given.config.name = args.name;
    given.config.etag = args.etag.unwrap_or_default();
    let request = UpdateHaierConfigRequest {
        haier_config: Some(given.config),
        update_mask: Some(FieldMask { paths }),
        same_place: args.same_place,
    };
    let config = client.update_haier_config(unary(request)).await?.into_inner();
    // One that is not stored has nothing to show but its name.
    let is_stored = !config.etag.is_empty();
    let count = config.rebound_order_count;
    match form {
        OutputForm::Json => {
            let mut shown =
                if is_stored { json::haier_config(&config) } else { json!({ "name": config.name }) };
            if args.same_place {
                shown["rebound_order_count"] = json!(count);
            }
            console.say_json(&shown)?;
        }
        OutputForm::Table => {
            if is_stored {
                tell(&config, form, console)?;
            }
            if args.same_place {
                let orders = lines::orders(count, "is", "are");
                console.say(&format!("{orders} bound to where {} leads now", config.name))?;
            }
        }
    }
    Ok(())
}

fn parse_setting(text: &str) -> Result<(Field, &str), Failure> {
    let refuse = |why: String| Err(Failure::Usage(format!("--set: {why}")));
    let Some((path, value)) = text.split_once('=') else {
        return refuse("FIELD=VALUE is expected".to_owned());
    };
    match Field::of_path(path.trim()) {
        Some(field) if field.is_secret() => refuse(format!(
            "{path} is a secret, which would stand in the process list: give it in a file or by standard input"
        )),
        Some(field) => Ok((field, value)),
        None => refuse(format!("{path} is no field of an account")),
    }
}
