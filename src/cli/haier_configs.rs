//! `config`: accounts at Haier that are stored, and which of them is in use.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::{
    client::{AdministrationClient, ClientArgs, OutputForm, unary},
    console::Console,
    failure::Failure,
    json, moment,
};
use crate::{
    domain::accounts::Preset,
    proto::{
        ActivateHaierConfigRequest, DeactivateHaierConfigRequest, DeleteHaierConfigRequest,
        GetHaierConfigRequest, HaierConfig, ListHaierConfigsRequest,
    },
};

mod document;
mod exchange;
mod message;
mod show;
mod template;
mod test;
mod write;

/// Keep accounts at Haier, and say which of them is in use
///
/// An account holds the addresses, codes and secrets with which Haier is called: those of the open platform, and with them,
/// for orders, those of the order system. It is stored in the database with its secrets encrypted, which needs a key
/// (`haier-integration keys --help`); secrets are never shown again, only since when they are set. At most one account is
/// active; it is used in place of the one in the environment, on every replica, without a restart.
///
/// From nothing: print a template, fill it in, create the account from it, and activate it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config template test > haier.env        a file to fill in
  haier-integration config create shop haier.env
  haier-integration config test shop                        whether Haier lets it in
  haier-integration config activate shop --validate-only    what would change for calls to Haier
  haier-integration config activate shop
  haier-integration config list")]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    List(ListArgs),
    Show(ShowArgs),
    Create(write::CreateArgs),
    Update(write::UpdateArgs),
    Activate(ActivateArgs),
    Deactivate(DeactivateArgs),
    Delete(DeleteArgs),
    Test(test::TestArgs),
    Template(TemplateArgs),
    Export(ExportArgs),
    Import(ImportArgs),
}

/// List accounts, newest first
///
/// The columns are name, whether it is in use, customer code, address, and when it was made and changed. All filters must
/// match.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config list
  haier-integration config list --active true --output json
  haier-integration config list --query 测试 --after 2026-11-01")]
struct ListArgs {
    /// Only the one in use (true), or only the others (false) [default: all]
    #[arg(long, value_name = "true|false", hide_possible_values = true)]
    active: Option<bool>,
    /// Only those made then or later: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    after: Option<DateTime<Utc>>,
    /// Only those made before: a date (its midnight here) or RFC 3339 [default: any time]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    before: Option<DateTime<Utc>>,
    /// Only those whose name holds this text; case ignored [default: any]
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
}

/// Show one account, and since when its secrets are set
///
/// Settings stand as they were given; what is not shown has its default. Secrets are never shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config show shop
  haier-integration config show shop --output json")]
struct ShowArgs {
    /// Name of the account
    name: String,
}

/// Take an account out of use
///
/// The account of the environment is in use then, if there is one; without any, what is stored is served and calls that need
/// Haier are refused. An account that is not in use stays so.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config deactivate shop
  haier-integration config deactivate shop --output json")]
struct DeactivateArgs {
    /// Name of the account
    name: String,
}

/// Use an account in place of any other, on every replica
///
/// What runs ends with the account it began with; what begins from now on uses this one. First look what would change
/// (--validate-only). Its secrets must open with the service's keys.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config activate shop --validate-only
  haier-integration config activate shop")]
struct ActivateArgs {
    /// Name of the account
    name: String,
    /// Say what would change for calls to Haier, and change nothing
    #[arg(long)]
    validate_only: bool,
    /// Only if it still is what was read: its etag, as `config show` tells it [default: whatever it is]
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
}

/// Delete an account and its secrets
///
/// Not the one in use: activate another one or deactivate it first. It cannot be brought back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config delete old-shop
  haier-integration config delete old-shop --etag 54f0c2a91c00000-3")]
struct DeleteArgs {
    /// Name of the account
    name: String,
    /// Only if it still is what was read: its etag, as `config show` tells it [default: whatever it is]
    #[arg(long, value_name = "ETAG")]
    etag: Option<String>,
}

/// Print an account to fill in
///
/// As variables, with the hosts of one of Haier's environments. Fill in what stands empty and give the file to `config
/// create`; or set the variables for `serve`, which then uses them when no stored account is active. Works without a service.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config template test > haier.env
  haier-integration config template production | less")]
struct TemplateArgs {
    /// Whose hosts: test, staging or production
    #[arg(value_name = "ENVIRONMENT", hide_possible_values = true)]
    environment: Environment,
}

/// Print accounts for another service, without their secrets
///
/// As TOML, one [[haier_config]] an account. Secrets never leave the service: each that is set has an empty line to fill in.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config export > accounts.toml           all of them
  haier-integration config export shop > shop.toml")]
struct ExportArgs {
    /// Name of the account [default: all of them]
    name: Option<String>,
}

/// Store accounts of a file that `config export` wrote
///
/// An account that is there becomes as the file says, and keeps secrets that the file leaves empty. For a new one the file
/// must have its secrets: those that are missing are told for all accounts, before anything is changed. None is activated.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config import accounts.toml
  sops -d accounts.enc.toml | haier-integration config import -")]
struct ImportArgs {
    /// The file; `-` is standard input
    file: PathBuf,
}

/// One of Haier's environments.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Environment {
    Test,
    Staging,
    Production,
}

impl From<Environment> for Preset {
    fn from(environment: Environment) -> Self {
        match environment {
            Environment::Test => Self::Test,
            Environment::Staging => Self::Staging,
            Environment::Production => Self::Production,
        }
    }
}

pub(super) async fn run(args: ConfigArgs, console: &mut Console) -> Result<u8, Failure> {
    if let ConfigCommand::Template(template) = args.command {
        console.say(template::of(template.environment.into()).trim_end())?;
        return Ok(0);
    }
    let mut client = args.client.connect_administration().await?;
    let form = args.client.output;
    match args.command {
        ConfigCommand::List(list) => self::list(list, &mut client, form, console).await?,
        ConfigCommand::Show(args) => {
            let config = get(&mut client, &args.name).await?;
            tell(&config, form, console)?;
        }
        ConfigCommand::Create(args) => write::create(args, &mut client, form, console).await?,
        ConfigCommand::Update(args) => write::update(args, &mut client, form, console).await?,
        ConfigCommand::Activate(args) => activate(args, &mut client, form, console).await?,
        ConfigCommand::Deactivate(args) => deactivate(args, &mut client, form, console).await?,
        ConfigCommand::Delete(args) => delete(args, &mut client, form, console).await?,
        ConfigCommand::Export(args) => {
            exchange::export(args.name.as_deref(), &mut client, form, console).await?;
        }
        ConfigCommand::Import(args) => exchange::import(&args.file, &mut client, form, console).await?,
        ConfigCommand::Test(args) => return test::run(args, &mut client, form, console).await,
        ConfigCommand::Template(_) => {}
    }
    Ok(0)
}

async fn get(client: &mut AdministrationClient, name: &str) -> Result<HaierConfig, Failure> {
    let request = GetHaierConfigRequest { name: name.to_owned() };
    Ok(client.get_haier_config(unary(request)).await?.into_inner())
}

/// All accounts that match, newest first.
async fn all(
    client: &mut AdministrationClient,
    mut request: ListHaierConfigsRequest,
) -> Result<Vec<HaierConfig>, Failure> {
    let mut configs = Vec::new();
    loop {
        request.page_size = 1_000;
        let page = client.list_haier_configs(unary(request.clone())).await?.into_inner();
        configs.extend(page.haier_configs);
        if page.next_page_token.is_empty() {
            return Ok(configs);
        }
        request.page_token = page.next_page_token;
    }
}

async fn list(
    args: ListArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let request = ListHaierConfigsRequest {
        active: args.active,
        created_after: args.after.map(moment::to_timestamp),
        created_before: args.before.map(moment::to_timestamp),
        query: args.query.unwrap_or_default(),
        ..ListHaierConfigsRequest::default()
    };
    let configs = all(client, request).await?;
    match form {
        OutputForm::Json => {
            configs.iter().try_for_each(|config| console.say_json(&json::haier_config(config)))?;
        }
        OutputForm::Table if configs.is_empty() => {
            console.complain("no accounts match; `haier-integration config template test` begins one");
        }
        OutputForm::Table => console.say(&show::table(&configs))?,
    }
    Ok(())
}

/// One account as the result of a command.
fn tell(config: &HaierConfig, form: OutputForm, console: &mut Console) -> Result<(), Failure> {
    match form {
        OutputForm::Json => console.say_json(&json::haier_config(config))?,
        OutputForm::Table => console.say(&show::one(config))?,
    }
    Ok(())
}

async fn activate(
    args: ActivateArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let request = ActivateHaierConfigRequest {
        name: args.name.clone(),
        etag: args.etag.unwrap_or_default(),
        validate_only: args.validate_only,
    };
    let answer = client.activate_haier_config(unary(request)).await?.into_inner();
    match form {
        OutputForm::Json => console.say_json(&json::activation(&answer))?,
        OutputForm::Table => console.say(&show::activation(&args.name, &answer, args.validate_only))?,
    }
    Ok(())
}

async fn deactivate(
    args: DeactivateArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let request = DeactivateHaierConfigRequest { name: args.name, etag: String::new() };
    let config = client.deactivate_haier_config(unary(request)).await?.into_inner();
    match form {
        OutputForm::Json => console.say_json(&json::haier_config(&config))?,
        OutputForm::Table => console.say(&format!(
            "{} is not in use; the account of the environment is, if there is one",
            config.name
        ))?,
    }
    Ok(())
}

async fn delete(
    args: DeleteArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let request = DeleteHaierConfigRequest { name: args.name.clone(), etag: args.etag.unwrap_or_default() };
    client.delete_haier_config(unary(request)).await?;
    match form {
        OutputForm::Json => console.say_json(&serde_json::json!({ "deleted": args.name }))?,
        OutputForm::Table => console.say(&format!("{} is deleted, with its secrets", args.name))?,
    }
    Ok(())
}
