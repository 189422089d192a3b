//! Live balances on the wire.

use super::convert::money;
use crate::{
    app::{App, Ctx},
    domain::balances::Balance,
    error::Result,
    proto,
};

pub(super) async fn get(app: &App, ctx: &Ctx) -> Result<proto::GetBalanceResponse> {
    let balances = app.balances_fetch(ctx).await?;
    Ok(proto::GetBalanceResponse { balances: balances.into_iter().map(encode).collect() })
}

fn encode(balance: Balance) -> proto::Balance {
    proto::Balance {
        sale_group_code: balance.sale_group_code.unwrap_or_default(),
        sale_group_name: balance.sale_group_name.unwrap_or_default(),
        payer_account_code: balance.payer_account_code.unwrap_or_default(),
        payer_account_name: balance.payer_account_name.unwrap_or_default(),
        payer_account_balance: balance.payer_account_balance.map(money),
    }
}
