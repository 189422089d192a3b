//! `balance`: what the account's payers have at Haier.

use clap::Args;

use super::{
    client::{ClientArgs, OutputForm, unary},
    console::Console,
    failure::Failure,
    json, money,
    table::{
        self,
        Column::{self, Number, Text},
    },
};
use crate::proto::{Balance, GetBalanceRequest};

/// Ask Haier for the payers' balances, now
///
/// The columns are sale group and payer, each by code and name, and what is left in yuan (empty when Haier does not
/// say). With --output json: a balance an object.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration balance
  haier-integration balance --output json")]
pub(super) struct BalanceArgs {
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: BalanceArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect().await?;
    let balances = client.get_balance(unary(GetBalanceRequest {})).await?.into_inner().balances;
    match args.client.output {
        OutputForm::Json => {
            balances.iter().try_for_each(|balance| console.say_json(&json::balance(balance)))?;
        }
        OutputForm::Table if balances.is_empty() => console.complain("Haier names no balance"),
        OutputForm::Table => console.say(&table_of(&balances))?,
    }
    Ok(0)
}

const COLUMNS: [Column; 5] = [
    Text("sale_group_code"),
    Text("sale_group_name"),
    Text("payer_account_code"),
    Text("payer_account_name"),
    Number("payer_account_balance"),
];

fn table_of(balances: &[Balance]) -> String {
    let row = |balance: &Balance| {
        [
            balance.sale_group_code.clone(),
            balance.sale_group_name.clone(),
            balance.payer_account_code.clone(),
            balance.payer_account_name.clone(),
            money::yuan(balance.payer_account_balance.as_ref()),
        ]
    };
    table::of(&COLUMNS, balances.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Money;

    #[test]
    fn a_debt_has_its_sign_and_an_unknown_balance_is_no_zero() {
        let balance = |name: &str, payer_account_balance| Balance {
            sale_group_name: name.to_owned(),
            payer_account_balance,
            ..Balance::default()
        };
        let debt = Money { units: -1, nanos: -750_000_000, ..Money::default() };
        let text = table_of(&[balance("家电", Some(debt)), balance("热水器", None)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("家电") && lines[1].ends_with(" -1.75"), "{text}");
        assert!(lines[2].ends_with("热水器"), "{text}");
    }
}
