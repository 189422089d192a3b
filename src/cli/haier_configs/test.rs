//! `config test`: whether Haier lets an account in.

use std::path::PathBuf;

use clap::Args;

use super::document;
use crate::{
    cli::{
        client::{AdministrationClient, OutputForm, unary},
        console::Console,
        failure::Failure,
        json,
        table::{
            self,
            Column::{self, Text},
        },
    },
    proto::{
        HaierConfigCheck, TestHaierConfigRequest, TestHaierConfigResponse, haier_config_check::Outcome,
        test_haier_config_request::Account,
    },
};

const COLUMNS: [Column; 4] = [Text("system"), Text("part"), Text("outcome"), Text("detail")];

/// Log in at Haier under an account, for real
///
/// Asks the open platform for a token, and the order system if the account has a part there; then tries each password by one
/// harmless call: products, stock and the balance, and an order that does not exist. Says which part is refused and what to
/// check. Nothing is stored or changed. Ends with 1 when a part is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration config test                      the account in use
  haier-integration config test shop
  haier-integration config test --file haier.env     before it is stored")]
pub(super) struct TestArgs {
    /// Name of a stored account [default: the account in use]
    #[arg(conflicts_with = "file")]
    name: Option<String>,
    /// Test the account of this file, in any form that `config create` reads; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) async fn run(
    args: TestArgs,
    client: &mut AdministrationClient,
    form: OutputForm,
    console: &mut Console,
) -> Result<u8, Failure> {
    let account = match (args.name, args.file) {
        (Some(name), _) => Some(Account::Name(name)),
        (None, Some(file)) => Some(Account::HaierConfig(document::read_one(&file)?.config)),
        (None, None) => None,
    };
    let answer = client.test_haier_config(unary(TestHaierConfigRequest { account })).await?.into_inner();
    match form {
        OutputForm::Json => console.say_json(&json::account_test(&answer))?,
        OutputForm::Table => console.say(&shown(&answer))?,
    }
    Ok(u8::from(!answer.passed))
}

fn shown(answer: &TestHaierConfigResponse) -> String {
    let verdict = if answer.passed { "Haier lets it in" } else { "Haier does not let it in" };
    let outcome = |outcome, reason: &String| match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::NotConfigured => "not configured".to_owned(),
        Outcome::Failed | Outcome::Unspecified => reason.clone(),
    };
    let rows = |check: &HaierConfigCheck| {
        let system = check.system.clone();
        let parts = check.parts.iter().map(|part| {
            [system.clone(), part.part.clone(), outcome(part.outcome(), &part.reason), part.detail.clone()]
        });
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() {
            return vec![[
                system,
                String::new(),
                outcome(check.outcome(), &check.reason),
                check.detail.clone(),
            ]];
        }
        parts
    };
    format!("{}: {verdict}\n{}", answer.name, table::of(&COLUMNS, answer.checks.iter().flat_map(rows)))
}
