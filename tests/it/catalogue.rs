//! What is stored after a sync, and how it is read.

use haier_integration::proto::{
    GetPricesRequest, GetProductsRequest, ListProductsRequest, ListSyncLogsRequest, Product, SyncStatus,
};

use crate::support::{Plan, World, e4, equals, money_e4, on_both_databases};

on_both_databases!(
    the_first_start_syncs_everything_with_prices,
    products_come_in_the_order_asked_for_and_missing_codes_are_named,
    the_listing_pages_through_every_code_once_in_order,
);

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Compares a stored product with what the stand-in serves of it, to the digit.
async fn assert_equal(world: &World, stored: &Product) {
    let shown = world.haier.show(&stored.product_code).await;
    equals(stored, &shown, true).unwrap();
    let product = &shown.product;
    assert_eq!(stored.product_image_url, text(&product["productImageUrl"]));
    let name = product["productName"].as_str().unwrap_or(&stored.product_model);
    assert_eq!((stored.name.as_str(), stored.source.as_str()), (name, "haier"));
    assert!(stored.last_sync_at.is_some() && stored.delisted_at.is_none() && stored.stock.is_none());
}

async fn the_first_start_syncs_everything_with_prices(plan: Plan) {
    let world = plan.products(130).start().await;
    let log = &world.logs(ListSyncLogsRequest::default()).await[0];
    assert_eq!(
        (log.trigger.as_str(), log.requested_by.as_str(), log.end_reason.as_str()),
        ("FIRST_START", "", "COMPLETED")
    );
    assert_eq!(
        (log.status(), log.total_count, log.success_count, log.failed_count),
        (SyncStatus::Success, 130, 130, 0)
    );
    assert_eq!((log.planned_count, log.account.as_str()), (Some(130), "environment"));
    let stored = world.products().await;
    assert_eq!(stored.len(), 130);
    for product in stored.iter().step_by(3) {
        assert_equal(&world, product).await;
    }
    let calls = (world.haier.calls("H0").await, world.haier.calls("H1").await, world.haier.calls("H2").await);
    assert_eq!(calls, (1, 1, 7));
    world.finish().await;
}

async fn products_come_in_the_order_asked_for_and_missing_codes_are_named(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(3).await;
    let asked = [&codes[2], "ZZ9999999", &codes[0], &format!("  {} ", codes[2]), "ZZ0000000", "ZZ9999999"];
    let request =
        GetProductsRequest { product_codes: asked.map(str::to_owned).to_vec(), ..Default::default() };
    let answer = world.client().get_products(request).await.unwrap().into_inner();
    let found: Vec<_> = answer.products.iter().map(|product| product.product_code.as_str()).collect();
    assert_eq!(found, [codes[2].as_str(), &codes[0]]);
    assert_eq!(answer.missing_codes, ["ZZ9999999", "ZZ0000000"]);

    let request = GetPricesRequest { product_codes: asked.map(str::to_owned).to_vec() };
    let answer = world.client().get_prices(request).await.unwrap().into_inner();
    let found: Vec<_> = answer.prices.iter().map(|price| price.product_code.as_str()).collect();
    assert_eq!(found, [codes[2].as_str(), &codes[0]]);
    assert_eq!(answer.missing_codes, ["ZZ9999999", "ZZ0000000"]);
    for price in &answer.prices {
        let shown = world.haier.show(&price.product_code).await.price;
        let exact = (price.supply_price.as_ref().map(money_e4), price.invoice_price.as_ref().map(money_e4));
        assert_eq!(exact, (shown.supply_price.as_deref().map(e4), shown.invoice_price.as_deref().map(e4)));
        assert!(price.as_of.is_some());
    }
    world.finish().await;
}

async fn the_listing_pages_through_every_code_once_in_order(plan: Plan) {
    let world = plan.start().await;
    let (mut codes, mut request) = (Vec::new(), ListProductsRequest { page_size: 7, ..Default::default() });
    loop {
        let page = world.client().list_products(request.clone()).await.unwrap().into_inner();
        assert!(page.products.len() == 7 || page.next_page_token.is_empty());
        codes.extend(page.products.into_iter().map(|product| product.product_code));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(codes.len(), 45);
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
    world.finish().await;
}

on_both_databases!(the_listing_filters_by_brand_category_is_sales_and_text);

async fn the_listing_filters_by_brand_category_is_sales_and_text(plan: Plan) {
    let world = plan.products(150).start().await;
    let all = world.products().await;
    let (brand, category) = (all[0].brand.clone(), all[0].category.clone());
    let text = |query: &str| ListProductsRequest { query: query.to_owned(), ..Default::default() };
    let model = all[3].product_model.to_lowercase();
    let name = all[0].name.chars().skip(1).take(2).collect::<String>();
    let code = all[5].product_code.to_lowercase();
    let requests = [
        ListProductsRequest { brand: brand.clone(), ..Default::default() },
        ListProductsRequest { category: category.clone(), ..Default::default() },
        ListProductsRequest { brand, category: category.clone(), ..Default::default() },
        ListProductsRequest { is_sales: Some(true), ..Default::default() },
        ListProductsRequest { is_sales: Some(false), ..Default::default() },
        ListProductsRequest { category, is_sales: Some(true), query: "a".to_owned(), ..Default::default() },
        text(&model[..4]),
        text(&format!("  {} ", name)),
        text(&code[1..6]),
        text("%"),
        text("_"),
        text("\\"),
        text("' OR 1=1 --"),
    ];
    let mut sizes = Vec::new();
    for request in requests {
        let query = request.query.trim().to_lowercase();
        let matches = |product: &&Product| {
            let in_text = [&product.product_code, &product.product_model, &product.name]
                .iter()
                .any(|text| text.to_lowercase().contains(&query));
            (request.brand.is_empty() || product.brand == request.brand)
                && (request.category.is_empty() || product.category == request.category)
                && request.is_sales.is_none_or(|is_sales| product.is_sales == is_sales)
                && in_text
        };
        let expected: Vec<_> = all.iter().filter(matches).cloned().collect();
        sizes.push(expected.len());
        let request = ListProductsRequest { page_size: 1_000, ..request };
        let answer = world.client().list_products(request.clone()).await.unwrap().into_inner();
        assert_eq!(answer.products, expected, "{request:?}");
    }
    assert!(sizes[..9].iter().all(|size| (1..150).contains(size)), "{sizes:?}");
    assert!(sizes[11..].iter().all(|size| *size == 0), "{sizes:?}");
    world.finish().await;
}
