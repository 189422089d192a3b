//! The feed of products: each change of content once, in the order of the commits; and how a value came about.

mod commits;

use std::{collections::BTreeMap, time::Duration};

use haier_integration::proto::{
    CheckStockRequest, ExplainProductRequest, ExplainProductResponse, FieldHistory, GetPricesRequest,
    ListProductChangesRequest, ProductChange, ProductChangeKind, SyncProductsRequest, SyncStatus, SyncType,
    WatchProductChangesRequest, WatchProductChangesResponse,
};
use serde_json::json;
use tonic::{Code, Streaming};
use tonic_types::StatusExt as _;

use crate::support::{Dice, Plan, World, on_both_databases, refusal, within};

on_both_databases!(
    an_empty_stores_first_loading_is_one_entry_and_what_is_unchanged_is_none,
    a_new_product_is_one_entry_with_all_that_was_asked_for,
    a_change_is_told_with_what_was_and_what_is,
    a_product_that_goes_and_comes_back_is_told_so,
    new_products_of_a_cancelled_run_are_told_all_the_same,
    a_reader_that_is_cut_again_and_again_sees_each_entry_once,
    a_slow_reader_is_cut_and_told_where_to_go_on,
    who_comes_too_late_is_told_to_read_the_catalogue_again,
    a_value_is_explained_beyond_the_feed,
);

fn with_prices() -> SyncProductsRequest {
    SyncProductsRequest { sync_prices: true, ..Default::default() }
}

/// All entries after a cursor, in pages of seven; and the cursor behind them.
pub(super) async fn listed(world: &World, after: &str) -> (Vec<ProductChange>, String) {
    let (mut all, mut cursor) = (Vec::new(), after.to_owned());
    loop {
        let request = ListProductChangesRequest { after: cursor, page_size: 7 };
        let page = world.client().list_product_changes(request).await.unwrap().into_inner();
        all.extend(page.changes);
        cursor = page.cursor;
        if !page.has_more {
            return (all, cursor);
        }
    }
}

async fn watched(world: &World, after: &str) -> Streaming<WatchProductChangesResponse> {
    let request = WatchProductChangesRequest { after: after.to_owned() };
    world.client().watch_product_changes(request).await.unwrap().into_inner()
}

/// Old and new by field.
fn fields(change: &ProductChange) -> BTreeMap<&str, (Option<&str>, Option<&str>)> {
    change
        .changes
        .iter()
        .map(|field| (field.field.as_str(), (field.old.as_deref(), field.new.as_deref())))
        .collect()
}

/// Haier has another price for a product; the service asks for it live.
async fn reprice(world: &World, code: &str, price: &str) {
    world.haier.change(json!({ "prices": { code: { "supplyPrice": price } } })).await;
    let request = GetPricesRequest { product_codes: vec![code.to_owned()] };
    world.client().get_prices(request).await.unwrap();
}

async fn an_empty_stores_first_loading_is_one_entry_and_what_is_unchanged_is_none(plan: Plan) {
    let world = plan.start().await;
    let (all, cursor) = listed(&world, "").await;
    assert_eq!(all.len(), 1, "{all:?}");
    let entry = &all[0];
    assert_eq!((entry.kind(), entry.product_count), (ProductChangeKind::Loaded, 45));
    assert!(entry.product_code.is_empty() && entry.changes.is_empty() && entry.sync_log_id > 0);
    assert_eq!(entry.cursor, cursor);
    let stock = SyncProductsRequest { sync_stock: true, ..with_prices() };
    for request in
        [with_prices(), SyncProductsRequest { kind: SyncType::Prices.into(), ..Default::default() }]
    {
        assert_eq!(world.sync(request).await.status(), SyncStatus::Success);
    }
    assert_eq!(listed(&world, &cursor).await, (Vec::new(), cursor.clone()));
    // Stock that nobody had asked for is a change of each product.
    assert_eq!(world.sync(stock.clone()).await.status(), SyncStatus::Success);
    let (all, cursor) = listed(&world, &cursor).await;
    assert_eq!(all.len(), 45);
    assert!(all.iter().all(|entry| fields(entry).keys().eq(["stock"].iter())), "{all:?}");
    world.sync(stock).await;
    assert_eq!(listed(&world, &cursor).await.0, []);
    world.finish().await;
}

async fn a_new_product_is_one_entry_with_all_that_was_asked_for(plan: Plan) {
    let world = plan.start().await;
    let (_, mut cursor) = listed(&world, "").await;
    let known = world.codes(45).await;
    world.haier.change(json!({ "add": 3 })).await;
    let added: Vec<String> =
        world.haier.listed().await.into_iter().filter(|code| !known.contains(code)).collect();
    let by_code =
        SyncProductsRequest { product_codes: added[..1].to_vec(), sync_stock: true, ..with_prices() };
    for (request, codes) in [(by_code, &added[..1]), (with_prices(), &added[1..])] {
        let end = world.sync(request).await;
        assert_eq!(end.status(), SyncStatus::Success);
        let (all, next) = listed(&world, &cursor).await;
        cursor = next;
        let mut told: Vec<_> = all.iter().map(|entry| entry.product_code.clone()).collect();
        told.sort_unstable();
        let mut expected = codes.to_vec();
        expected.sort_unstable();
        assert_eq!(told, expected);
        for entry in &all {
            assert_eq!((entry.kind(), entry.sync_log_id), (ProductChangeKind::New, end.sync_log_id));
            let product = world.product(&entry.product_code).await;
            let fields = fields(entry);
            assert_eq!(fields["product_model"], (None, Some(product.product_model.as_str())));
            assert_eq!(fields.contains_key("supply_price"), product.supply_price.is_some());
            assert_eq!(fields.contains_key("stock"), product.stock.is_some());
            assert_eq!(fields["is_sales"].1, Some(if product.is_sales { "true" } else { "false" }));
        }
    }
    assert_eq!(world.database.number("SELECT count(*) FROM new_products").await, 0);
    world.finish().await;
}

async fn a_change_is_told_with_what_was_and_what_is(plan: Plan) {
    let world = plan.start().await;
    let (_, cursor) = listed(&world, "").await;
    let code = world.codes(1).await.remove(0);
    let price =
        |supply: &str| json!({ "prices": { &code: { "supplyPrice": supply, "invoicePrice": "5.0505" } } });
    world.haier.change(price("1999")).await;
    let end = world.sync(SyncProductsRequest { kind: SyncType::Prices.into(), ..Default::default() }).await;
    reprice(&world, &code, "2099.5").await;
    let request = CheckStockRequest { product_code: code.clone(), county_code: String::new() };
    let stock = world.client().check_stock(request).await.unwrap().into_inner().stock.to_string();
    let elsewhere = CheckStockRequest { product_code: code.clone(), county_code: "310101".to_owned() };
    world.client().check_stock(elsewhere).await.unwrap();
    assert!(world.product(&code).await.stock.is_some(), "it is stored");
    let (all, _) = listed(&world, &cursor).await;
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all.iter().all(|entry| entry.product_code == code && entry.kind() == ProductChangeKind::Changed));
    assert_eq!(fields(&all[0])["supply_price"].1, Some("1999.00"));
    assert_eq!(fields(&all[0])["invoice_price"].1, Some("5.0505"));
    assert_eq!(fields(&all[1])["supply_price"], (Some("1999.00"), Some("2099.50")));
    assert_eq!(fields(&all[2]), BTreeMap::from([("stock", (None, Some(stock.as_str())))]));
    assert_eq!(all.iter().map(|entry| entry.sync_log_id).collect::<Vec<_>>(), [end.sync_log_id, 0, 0]);
    world.finish().await;
}

async fn a_product_that_goes_and_comes_back_is_told_so(plan: Plan) {
    let world = plan.start().await;
    let (_, cursor) = listed(&world, "").await;
    let code = world.codes(1).await.remove(0);
    for change in [json!({ "withdraw": [code] }), json!({ "restore": [code] })] {
        world.haier.change(change).await;
        world.sync(with_prices()).await;
    }
    let (all, _) = listed(&world, &cursor).await;
    let told: Vec<_> = all.iter().map(|entry| (entry.product_code.clone(), entry.kind())).collect();
    assert_eq!(told, [(code.clone(), ProductChangeKind::Delisted), (code, ProductChangeKind::Returned)]);
    world.finish().await;
}

async fn new_products_of_a_cancelled_run_are_told_all_the_same(plan: Plan) {
    let mut world = plan.start().await;
    let (_, cursor) = listed(&world, "").await;
    world.haier.change(json!({ "add": 2 })).await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2" })).await;
    let mut stream = world.client().sync_products(with_prices()).await.unwrap().into_inner();
    let mut progress = within(stream.message()).await.unwrap().unwrap();
    // The plan is written after the listing.
    while progress.planned_count.is_none() {
        progress = within(stream.message()).await.unwrap().unwrap();
    }
    let sync_log_id = progress.sync_log_id;
    world.haier.struck(1).await;
    assert_eq!(listed(&world, &cursor).await.0, [], "not before their run is done with them");
    let request = haier_integration::proto::CancelSyncRequest { sync_log_id };
    within(world.client().cancel_sync(request)).await.unwrap();
    let (all, _) = listed(&world, &cursor).await;
    assert_eq!(all.iter().map(ProductChange::kind).collect::<Vec<_>>(), [ProductChangeKind::New; 2]);
    world.stop().await;
    world.haier.clear_faults().await;
    world.serve().await;
    world.finish().await;
}

async fn a_reader_that_is_cut_again_and_again_sees_each_entry_once(plan: Plan) {
    const CHANGES: usize = 60;
    let world = plan.start().await;
    let (_, start) = listed(&world, "").await;
    let codes = world.codes(5).await;
    let mut dice = Dice::new(7);
    let write = async {
        for round in 0..CHANGES {
            reprice(&world, &codes[round % 5], &format!("{}.5", 3_000 + round)).await;
        }
    };
    let read = async {
        let (mut seen, mut cursor, mut cuts) = (Vec::new(), start.clone(), 0);
        while seen.len() < CHANGES {
            let mut stream = watched(&world, &cursor).await;
            for _ in 0..dice.between(1, 5) {
                let message = within(stream.message()).await.unwrap().unwrap();
                // Cut in the middle of a message too: the cursor of an entry is as good as a message's.
                let taken = dice.between(0, message.changes.len() as u64 + 1) as usize;
                let whole = taken == message.changes.len();
                seen.extend(message.changes.into_iter().take(taken));
                cursor = if whole {
                    message.cursor
                } else {
                    seen.last().map_or(cursor, |last| last.cursor.clone())
                };
                if !whole || seen.len() >= CHANGES {
                    break;
                }
            }
            cuts += 1;
        }
        (seen, cuts)
    };
    let (_, (seen, cuts)) = within(async { tokio::join!(write, read) }).await;
    assert_eq!(seen, listed(&world, &start).await.0);
    assert!(seen.len() == CHANGES && cuts > 10, "{cuts}");
    world.finish().await;
}

async fn a_slow_reader_is_cut_and_told_where_to_go_on(plan: Plan) {
    // No time at all to take what it is sent.
    let world = plan.settings(|settings| settings.changes.reader_patience = Duration::ZERO).start().await;
    let (_, start) = listed(&world, "").await;
    let codes = world.codes(3).await;
    for code in &codes {
        reprice(&world, code, "77.7").await;
    }
    let (mut cursor, mut seen) = (start, Vec::new());
    while seen.len() < 3 {
        let mut stream = watched(&world, &cursor).await;
        let message = within(stream.message()).await.unwrap().unwrap();
        seen.extend(message.changes.into_iter().map(|change| change.product_code));
        let cut = within(stream.message()).await.unwrap_err();
        assert_eq!(refusal(&cut), (Code::ResourceExhausted, "SLOW_READER".to_owned()));
        let metadata = cut.get_details_error_info().unwrap().metadata;
        assert_eq!(metadata["cursor"], message.cursor);
        cursor = message.cursor;
    }
    assert_eq!(seen, codes);
    world.finish().await;
}

async fn who_comes_too_late_is_told_to_read_the_catalogue_again(plan: Plan) {
    let mut world = plan.start().await;
    let (_, start) = listed(&world, "").await;
    let codes = world.codes(2).await;
    reprice(&world, &codes[0], "77.7").await;
    reprice(&world, &codes[1], "77.7").await;
    let (all, end) = listed(&world, &start).await;
    world.stop().await;
    let old = "UPDATE product_changes SET changed_at = '2026-01-01T00:00:00.000000Z' WHERE seq <= 2";
    world.database.execute(old).await.unwrap();
    world.serve().await;
    let list = async |after: &str| {
        let request = ListProductChangesRequest { after: after.to_owned(), page_size: 0 };
        world.client().list_product_changes(request).await
    };
    // Removed in passing, soon after the start.
    let kept = "SELECT count(*) FROM product_changes WHERE seq <= 2";
    within(async { while world.database.number(kept).await > 0 {} }).await;
    let gone = list(&start).await.unwrap_err();
    assert_eq!(refusal(&gone), (Code::OutOfRange, "CURSOR_EXPIRED".to_owned()));
    assert!(gone.message().contains("read the catalogue again"), "{}", gone.message());
    assert_eq!(gone.get_details_error_info().unwrap().metadata["cursor"], end);
    let request = WatchProductChangesRequest { after: start.clone() };
    let refused = world.client().watch_product_changes(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    // What is kept is still there, also for who begins with it.
    assert_eq!(list(&all[0].cursor).await.unwrap().into_inner().changes, all[1..]);
    assert_eq!(listed(&world, "").await.0, all[1..]);
    let of_another = list("bm9uc2Vuc2U").await.unwrap_err();
    assert_eq!(of_another.code(), Code::InvalidArgument);
    world.finish().await;
}

async fn a_value_is_explained_beyond_the_feed(plan: Plan) {
    let world = plan.start().await;
    let product = world.products().await.into_iter().find(|product| product.supply_price.is_some()).unwrap();
    let product_code = product.product_code.clone();
    let explain = async || -> ExplainProductResponse {
        let request = ExplainProductRequest { product_code: product_code.clone() };
        world.client().explain_product(request).await.unwrap().into_inner()
    };
    let supply = |explained: &ExplainProductResponse| -> FieldHistory {
        explained.fields.iter().find(|field| field.field == "supply_price").unwrap().clone()
    };
    let first = explain().await;
    let loading = listed(&world, "").await.0[0].sync_log_id;
    let told = supply(&first);
    assert_eq!((told.sync_log_id, told.before.clone(), first.stored_by), (loading, None, loading));
    assert_eq!((&told.since, &first.product), (&first.stored_at, &Some(product)));

    world.haier.change(json!({ "prices": { &product_code: { "supplyPrice": "1234.5" } } })).await;
    let end = world.sync(SyncProductsRequest { kind: SyncType::Prices.into(), ..Default::default() }).await;
    world.database.execute("DELETE FROM product_changes").await.unwrap();
    let now = supply(&explain().await);
    assert_eq!(
        (now.value.as_deref(), now.before, now.sync_log_id),
        (Some("1234.50"), told.value, end.sync_log_id)
    );
    assert_ne!(now.since, told.since);
    reprice(&world, &product_code, "1234.6").await;
    let live = supply(&explain().await);
    assert_eq!((live.before.as_deref(), live.sync_log_id), (Some("1234.50"), 0));

    let request = ExplainProductRequest { product_code: "ZZ9999999".to_owned() };
    assert_eq!(world.client().explain_product(request).await.unwrap_err().code(), Code::NotFound);
    let request = ExplainProductRequest { product_code: " ".to_owned() };
    assert_eq!(world.client().explain_product(request).await.unwrap_err().code(), Code::InvalidArgument);
    world.finish().await;
}
