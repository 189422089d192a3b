//! Live prices on the wire.

use std::sync::Arc;

use super::{
    convert::{money, timestamp},
    requests::required_codes,
};
use crate::{
    app::{App, Ctx, PriceFailure},
    domain::{
        products::{PriceRecord, ProductCode},
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

pub(super) async fn get(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::GetPricesRequest,
) -> Result<proto::GetPricesResponse> {
    let mut violations = Violations::default();
    let codes = required_codes(&request.product_codes, &mut violations);
    let codes = violations.into_result(codes).map_err(Error::Invalid)?;
    let live = app.prices_fetch(ctx, codes).await?;
    Ok(proto::GetPricesResponse {
        prices: live.prices.into_iter().map(encode).collect(),
        missing_codes: live.missing.into_iter().map(ProductCode::into_string).collect(),
        failures: live.failures.into_iter().map(encode_failure).collect(),
    })
}

fn encode(price: PriceRecord) -> proto::Price {
    proto::Price {
        product_code: price.code.into_string(),
        supply_price: price.supply_price.map(money),
        invoice_price: price.invoice_price.map(money),
        market_price: price.market_price.map(money),
        stock_rebate: price.stock_rebate.unwrap_or_default(),
        rebate_policy: price.rebate_policy.unwrap_or_default(),
        rebate_money: price.rebate_money.map(money),
        is_sales: price.is_sales.unwrap_or(true),
        reason: price.reason.unwrap_or_default(),
        as_of: Some(timestamp(price.asked_at)),
    }
}

fn encode_failure(failure: PriceFailure) -> proto::PriceFailure {
    proto::PriceFailure {
        product_code: failure.code.into_string(),
        reason: failure.reason.as_str().to_owned(),
        detail: failure.detail,
    }
}
