//! Stored products on the wire.

use std::sync::Arc;

use super::{
    convert::{money, timestamp},
    requests::{optional_text, page_size, required_codes, span},
};
use crate::{
    app::{App, Ctx, page_tokens},
    domain::{
        pages::PageRequest,
        products::{Product, ProductCode, ProductFilter},
        stock::StockLevel,
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

const DEFAULT_PAGE_SIZE: i64 = 100;

pub(super) async fn get(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::GetProductsRequest,
) -> Result<proto::GetProductsResponse> {
    let mut violations = Violations::default();
    let codes = required_codes(&request.product_codes, &mut violations);
    let max_staleness = span("max_staleness", request.max_staleness.as_ref(), &mut violations);
    let codes = violations.into_result(codes).map_err(Error::Invalid)?;
    let found = app.products_get(ctx, codes, max_staleness).await?;
    let texts = |codes: Vec<ProductCode>| codes.into_iter().map(ProductCode::into_string).collect();
    Ok(proto::GetProductsResponse {
        products: found.products.iter().map(|product| encode(product)).collect(),
        missing_codes: texts(found.missing),
        stale_codes: texts(found.stale),
    })
}

pub(super) async fn list(
    app: &App,
    ctx: &Ctx,
    request: proto::ListProductsRequest,
) -> Result<proto::ListProductsResponse> {
    let mut violations = Violations::default();
    let filter = ProductFilter {
        brand: optional_text("brand", &request.brand, &mut violations),
        category: optional_text("category", &request.category, &mut violations),
        is_sales: request.is_sales,
        query: optional_text("query", &request.query, &mut violations),
    };
    let bound = ("products", &filter.brand, &filter.category, filter.is_sales, &filter.query);
    let page = PageRequest {
        size: page_size(request.page_size, DEFAULT_PAGE_SIZE, &mut violations),
        after: page_tokens::decode::<String>(&bound, &request.page_token, &mut violations),
    };
    let page = violations.into_result(page).map_err(Error::Invalid)?;
    let answer = app.products_list(ctx, &filter, &page).await?;
    Ok(proto::ListProductsResponse {
        next_page_token: page_tokens::encode(&bound, answer.next.as_ref()),
        products: answer.items.iter().map(encode).collect(),
    })
}

pub(super) fn encode(product: &Product) -> proto::Product {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let stock = product.stock.as_ref();
    let warehouse =
        |field: fn(&StockLevel) -> &Option<String>| stock.map(|level| text(field(level))).unwrap_or_default();
    proto::Product {
        product_code: product.code.as_str().to_owned(),
        product_model: text(&product.model),
        name: product.display_name().to_owned(),
        product_group: text(&product.group),
        category: text(&product.category),
        brand: text(&product.brand),
        product_image_url: text(&product.image_url),
        product_page_urls: product.page_urls.clone(),
        supply_price: product.supply_price.map(money),
        invoice_price: product.invoice_price.map(money),
        market_price: product.market_price.map(money),
        display_price: product.display_price().map(money),
        stock_rebate: text(&product.stock_rebate),
        rebate_policy: text(&product.rebate_policy),
        rebate_money: product.rebate_money.map(money),
        is_sales: product.is_sales,
        // What is stored may be older than a later "purchasable" that came without a reason.
        no_sales_reason: if product.is_sales { String::new() } else { text(&product.no_sales_reason) },
        stock: stock.map(|level| level.stock),
        stock_as_of: stock.map(|level| timestamp(level.as_of)),
        warehouse_code: warehouse(|level| &level.warehouse_code),
        warehouse_grade: warehouse(|level| &level.warehouse_grade),
        source: product.source.clone(),
        last_sync_at: product.last_sync_at().map(timestamp),
        delisted_at: product.delisted_at.map(timestamp),
    }
}
