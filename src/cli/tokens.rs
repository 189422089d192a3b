//! `tokens`: who may call, and with what role.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::{
    client::{AdministrationClient, ClientArgs, OutputForm, unary},
    console::Console,
    failure::Failure,
    json, moment,
    table::{
        self,
        Column::{self, Text},
    },
};
use crate::proto::{ApiToken, CreateApiTokenRequest, ListApiTokensRequest, RevokeApiTokenRequest, Role};

/// Show, make and revoke the tokens by which callers show who they are
///
/// A caller sends his token with every call: grpcurl by -H 'authorization: Bearer TOKEN', these commands by
/// HAIER_INTEGRATION_TOKEN or --token. Roles: a reader reads products, prices, stock and status; an operator also runs syncs,
/// pauses and resumes, and sees his own runs and the service's; an admin may do everything. While no token was ever made the
/// service listens on its own machine only, and takes every caller for an admin; from the first one on every call needs one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration tokens create mei --role admin             the first one must be an admin's
  export HAIER_INTEGRATION_TOKEN=$(haier-integration tokens create mei --role admin)
  haier-integration tokens create order-service --role operator --expires 2027-11-22
  haier-integration tokens list
  haier-integration tokens revoke order-service")]
pub(super) struct TokensArgs {
    #[command(subcommand)]
    command: TokensCommand,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum TokensCommand {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Make a token, and print it this once
///
/// The token alone goes to standard output, what is to be known of it to standard error. Only a hash of it is kept: one that
/// is lost is revoked and another one made.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration tokens create mei --role admin
  haier-integration tokens create shop-front --role reader --expires 2027-11-22
  haier-integration tokens create order-service --role operator --output json")]
struct CreateArgs {
    /// Who will call with it: up to 64 letters from a to z, digits, `.`, `-` and `_`; never given twice
    #[arg(value_name = "NAME")]
    name: String,
    /// What he may do: reader, operator or admin
    #[arg(long, value_name = "ROLE", ignore_case = true, hide_possible_values = true)]
    role: RoleName,
    /// From when on it is refused: a date (its midnight here) or RFC 3339 [default: never]
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    expires: Option<DateTime<Utc>>,
}

/// Show all tokens, those that have ended among them; never what they read
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration tokens list
  haier-integration tokens list --output json | jq -c 'select(.last_used_at == null)'")]
struct ListArgs {}

/// End a token, on all replicas within two seconds
///
/// Its name stays taken. Revoking what is revoked is harmless. The last token of an admin cannot be revoked: make another
/// first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration tokens revoke order-service
  haier-integration tokens revoke order-service --output json")]
struct RevokeArgs {
    /// Name of the token
    #[arg(value_name = "NAME")]
    name: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    #[value(alias = "ROLE_READER")]
    Reader,
    #[value(alias = "ROLE_OPERATOR")]
    Operator,
    #[value(alias = "ROLE_ADMIN")]
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Reader => Self::Reader,
            RoleName::Operator => Self::Operator,
            RoleName::Admin => Self::Admin,
        }
    }
}

pub(super) async fn run(args: TokensArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect_administration().await?;
    let form = args.client.output;
    match args.command {
        TokensCommand::Create(create) => make(create, &mut client, form, console).await?,
        TokensCommand::List(ListArgs {}) => list(&mut client, form, console).await?,
        TokensCommand::Revoke(revoke) => end(revoke, &mut client, form, console).await?,
    }
    Ok(0)
}

async fn make(
    args: CreateArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let request = CreateApiTokenRequest {
        name: args.name,
        role: Role::from(args.role).into(),
        expires_at: args.expires.map(moment::to_timestamp),
    };
    let made = client.create_api_token(unary(request)).await?.into_inner();
    let token = made.api_token.unwrap_or_default();
    match form {
        OutputForm::Json => {
            console.say_json(
                &serde_json::json!({ "token": made.token, "api_token": json::api_token(&token) }),
            )?;
        }
        OutputForm::Table => {
            console.complain(&format!(
                "the token of {} ({}), shown this once; calls carry it by HAIER_INTEGRATION_TOKEN or --token:",
                token.name,
                role(token.role())
            ));
            console.say(&made.token)?;
        }
    }
    Ok(())
}

async fn list(
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let mut request = ListApiTokensRequest { page_size: 1_000, page_token: String::new() };
    let mut tokens = Vec::new();
    loop {
        let page = client.list_api_tokens(unary(request.clone())).await?.into_inner();
        tokens.extend(page.api_tokens);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    match form {
        OutputForm::Json => tokens.iter().try_for_each(|token| console.say_json(&json::api_token(token)))?,
        OutputForm::Table if tokens.is_empty() => {
            console.complain("no token was ever made: every caller on the service's machine is an admin");
        }
        OutputForm::Table => console.say(&table::of(&COLUMNS, tokens.iter().map(row)))?,
    }
    Ok(())
}

async fn end(
    args: RevokeArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<(), Failure> {
    let token = client.revoke_api_token(unary(RevokeApiTokenRequest { name: args.name })).await?.into_inner();
    match form {
        OutputForm::Json => console.say_json(&json::api_token(&token))?,
        OutputForm::Table => console.say(&format!("{} is revoked", token.name))?,
    }
    Ok(())
}

const COLUMNS: [Column; 7] = [
    Text("name"),
    Text("role"),
    Text("created_at"),
    Text("created_by"),
    Text("expires_at"),
    Text("revoked_at"),
    Text("last_used_at"),
];

fn row(token: &ApiToken) -> [String; 7] {
    [
        token.name.clone(),
        role(token.role()).to_owned(),
        moment::local(token.created_at.as_ref()),
        token.created_by.clone(),
        moment::local(token.expires_at.as_ref()),
        moment::local(token.revoked_at.as_ref()),
        moment::local(token.last_used_at.as_ref()),
    ]
}

/// A role as it is typed.
pub(super) const fn role(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Operator => "operator",
        Role::Admin => "admin",
        Role::Unspecified => "unknown",
    }
}
