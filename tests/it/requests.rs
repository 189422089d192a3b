//! What a wrong request gets: every fault at once, by name.

use haier_integration::proto::{
    DeleteHaierConfigRequest, GetHaierConfigRequest, GetOrderRequest, GetPricesRequest, GetProductsRequest,
    ListProductsRequest, ListSyncFailuresRequest, ListSyncLogsRequest, RevokeApiTokenRequest,
    SyncProductsRequest,
};
use prost_types::Timestamp;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Plan, on_both_databases, refusal, violated};

on_both_databases!(
    a_text_with_a_nul_is_no_defect,
    every_fault_of_the_codes_is_named_at_once,
    codes_are_trimmed_counted_once_and_measured_in_characters,
    every_fault_of_a_listing_is_named_at_once,
    a_sync_that_contradicts_itself_is_refused_and_leaves_no_log,
    a_page_token_serves_its_own_listing_only,
);

fn codes(all: &[&str]) -> Vec<String> {
    all.iter().map(|code| (*code).to_owned()).collect()
}

async fn every_fault_of_the_codes_is_named_at_once(plan: Plan) {
    let world = plan.start().await;
    let long = "A".repeat(65);
    let bad = codes(&["GOOD", "  ", &long, "", "WITH\u{7}BELL"]);
    let fields = ["product_codes[1]", "product_codes[2]", "product_codes[3]", "product_codes[4]"];
    let too_many: Vec<String> = (0..1_001).map(|n| format!("C{n}")).collect();
    for (product_codes, fields) in
        [(bad, &fields[..]), (too_many, &["product_codes"]), (Vec::new(), &["product_codes"])]
    {
        let request = GetProductsRequest { product_codes: product_codes.clone(), ..Default::default() };
        assert_eq!(violated(&world.client().get_products(request).await.unwrap_err()), fields);
        let request = GetPricesRequest { product_codes: product_codes.clone() };
        assert_eq!(violated(&world.client().get_prices(request).await.unwrap_err()), fields);
        if !product_codes.is_empty() {
            let request = SyncProductsRequest { product_codes, ..Default::default() };
            assert_eq!(violated(&world.client().sync_products(request).await.unwrap_err()), fields);
        }
    }
    let none = world.client().get_products(GetProductsRequest::default()).await.unwrap_err();
    assert!(none.message().contains("ListProducts"), "{none}");
    world.finish().await;
}

async fn codes_are_trimmed_counted_once_and_measured_in_characters(plan: Plan) {
    let world = plan.start().await;
    let chinese = "热".repeat(64);
    let mut product_codes: Vec<String> = (0..999).map(|n| format!("C{n}")).collect();
    product_codes.push(chinese.clone());
    product_codes.extend((0..500).map(|n| format!(" C{n}\t")));
    let answer = world
        .client()
        .get_products(GetProductsRequest { product_codes, ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((answer.products.len(), answer.missing_codes.len()), (0, 1_000));
    assert_eq!(answer.missing_codes[999], chinese);
    world.finish().await;
}

async fn every_fault_of_a_listing_is_named_at_once(plan: Plan) {
    let world = plan.start().await;
    let request = ListProductsRequest {
        page_size: -1,
        page_token: "nonsense".to_owned(),
        brand: "B".repeat(201),
        category: "a\u{0}b".to_owned(),
        ..Default::default()
    };
    let refused = world.client().list_products(request).await.unwrap_err();
    assert_eq!(violated(&refused), ["brand", "category", "page_size", "page_token"]);

    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let request = ListSyncLogsRequest {
        sync_type: 99,
        status: -3,
        created_after: at(2_000),
        created_before: at(1_000),
        page_size: i32::MIN,
        page_token: "%%%".to_owned(),
        ..Default::default()
    };
    let refused = world.client().list_sync_logs(request).await.unwrap_err();
    let fields = ["created_before", "page_size", "page_token", "status", "sync_type"];
    assert_eq!(violated(&refused), fields);
    let details = refused.get_details_bad_request().unwrap().field_violations;
    assert!(details.iter().any(|violation| violation.description.contains("99")), "{details:?}");

    let bad_time = Some(Timestamp { seconds: i64::MAX, nanos: -1 });
    let request =
        ListSyncLogsRequest { created_after: bad_time, created_before: bad_time, ..Default::default() };
    let refused = world.client().list_sync_logs(request).await.unwrap_err();
    assert_eq!(violated(&refused), ["created_after", "created_before"]);

    let sync_log_id = world.first_sync().await.sync_log_id;
    let request = ListSyncFailuresRequest { sync_log_id, page_size: -5, page_token: "AA".to_owned() };
    let refused = world.client().list_sync_failures(request).await.unwrap_err();
    assert_eq!(violated(&refused), ["page_size", "page_token"]);
    world.finish().await;
}

async fn a_sync_that_contradicts_itself_is_refused_and_leaves_no_log(plan: Plan) {
    let world = plan.start().await;
    let both = SyncProductsRequest {
        product_codes: codes(&["A", " "]),
        category: "电热水器".to_owned(),
        brand: "海尔".to_owned(),
        ..Default::default()
    };
    let refused = world.client().sync_products(both).await.unwrap_err();
    assert_eq!(violated(&refused), ["product_codes", "product_codes[1]"]);
    let everything = SyncProductsRequest {
        assign_category: "X".to_owned(),
        assign_brand: "Y".to_owned(),
        ..Default::default()
    };
    let refused = world.client().sync_products(everything).await.unwrap_err();
    assert_eq!(violated(&refused), ["assign_brand", "assign_category"]);
    assert_eq!(world.logs(ListSyncLogsRequest::default()).await.len(), 1);
    world.finish().await;
}

async fn a_page_token_serves_its_own_listing_only(plan: Plan) {
    let world = plan.start().await;
    world.sync(SyncProductsRequest { product_codes: codes(&["ZZ1", "ZZ2"]), ..Default::default() }).await;
    let products = ListProductsRequest { page_size: 5, query: "a".to_owned(), ..Default::default() };
    let page = world.client().list_products(products.clone()).await.unwrap().into_inner();
    let token = page.next_page_token;
    let logs = ListSyncLogsRequest { page_size: 1, ..Default::default() };
    let log_token = world.client().list_sync_logs(logs.clone()).await.unwrap().into_inner().next_page_token;
    assert!(!token.is_empty() && !log_token.is_empty());

    let mut altered = token.clone();
    let last = if altered.pop() == Some('A') { 'B' } else { 'A' };
    altered.insert(0, last);
    for request in [
        ListProductsRequest { page_token: altered, ..products.clone() },
        ListProductsRequest { page_token: log_token.clone(), ..products.clone() },
        ListProductsRequest { page_token: token.clone(), query: "b".to_owned(), ..products.clone() },
        ListProductsRequest { page_token: token.clone(), is_sales: Some(true), ..products.clone() },
    ] {
        let refused = world.client().list_products(request).await.unwrap_err();
        assert_eq!(violated(&refused), ["page_token"]);
    }
    let other_size = ListProductsRequest { page_token: token.clone(), page_size: 2, ..products };
    assert_eq!(world.client().list_products(other_size).await.unwrap().into_inner().products.len(), 2);
    let foreign = ListSyncLogsRequest { page_token: token, ..logs.clone() };
    assert_eq!(violated(&world.client().list_sync_logs(foreign).await.unwrap_err()), ["page_token"]);
    let filtered = ListSyncLogsRequest { page_token: log_token, status: 3, ..logs };
    let refused = world.client().list_sync_logs(filtered).await.unwrap_err();
    assert_eq!(violated(&refused), ["page_token"]);
    assert_eq!(refusal(&refused).1, "VALIDATION_ERROR");
    world.finish().await;
}

async fn a_text_with_a_nul_is_no_defect(plan: Plan) {
    let world = plan.start().await;
    let nul = || "a\0b".to_owned();
    let mut administration = world.administration().await;
    let mut client = world.client();
    let refused = [
        administration.get_haier_config(GetHaierConfigRequest { name: nul() }).await.unwrap_err(),
        administration.revoke_api_token(RevokeApiTokenRequest { name: nul() }).await.unwrap_err(),
        administration
            .delete_haier_config(DeleteHaierConfigRequest { name: nul(), ..Default::default() })
            .await
            .unwrap_err(),
        client.get_order(GetOrderRequest { so_id: nul() }).await.unwrap_err(),
        client.list_products(ListProductsRequest { query: nul(), ..Default::default() }).await.unwrap_err(),
    ];
    for status in refused {
        assert!([Code::InvalidArgument, Code::NotFound].contains(&status.code()), "{status:?}");
    }
    world.finish().await;
}
