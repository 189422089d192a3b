//! What a whole listing no longer holds is marked, and comes back; what only seems to be gone is left alone.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use haier_integration::{
    domain::{
        product_changes::Origin,
        products::{CatalogueRecord, ProductCode},
    },
    proto::{Product, SyncProductsRequest, SyncStatus, SyncType},
    store::{
        Store,
        catalogue::{self, CatalogueBatch},
        delistings::{self, WholeListing},
        migrations,
        product_changes::{Changes, Newcomers},
        products,
    },
};
use serde_json::json;

use crate::support::{Plan, on_both_databases, within};

on_both_databases!(
    what_a_full_listing_no_longer_holds_is_delisted_and_comes_back,
    a_run_over_a_selection_delists_nothing,
    an_empty_or_a_cut_listing_delists_nothing,
    a_record_that_cannot_be_read_is_not_gone,
    a_resumed_run_delists_by_its_new_listing,
    an_old_answer_brings_nothing_back,
    what_is_gone_is_found_page_by_page,
);

fn full() -> SyncProductsRequest {
    SyncProductsRequest::default()
}

fn delisted(products: &[Product]) -> Vec<&str> {
    let gone = products.iter().filter(|product| product.delisted_at.is_some());
    gone.map(|product| product.product_code.as_str()).collect()
}

async fn what_a_full_listing_no_longer_holds_is_delisted_and_comes_back(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(45).await;
    let gone = [codes[3].clone(), codes[30].clone()];
    world.haier.change(json!({ "withdraw": gone })).await;
    let end = world.sync(full()).await;
    assert_eq!((end.status(), end.total_count), (SyncStatus::Success, 43));
    assert!(end.message.contains("2 个商品已下架"), "{}", end.message);
    let products = world.products().await;
    assert_eq!((products.len(), delisted(&products)), (45, vec![codes[3].as_str(), &codes[30]]));
    let since = world.product(&codes[3]).await.delisted_at;

    // It stays as it was marked first; whoever asks about everything leaves it out.
    let end = world.sync(full()).await;
    assert!(!end.message.contains("下架"), "{}", end.message);
    assert_eq!(world.product(&codes[3]).await.delisted_at, since);
    let end = world.sync(SyncProductsRequest { kind: SyncType::Prices.into(), ..full() }).await;
    assert_eq!((end.status(), end.total_count), (SyncStatus::Success, 43));

    // One comes back by its code, the other in the listing, each as it was.
    world.haier.change(json!({ "restore": gone })).await;
    let by_code = SyncProductsRequest { product_codes: vec![codes[3].clone()], ..full() };
    assert_eq!(world.sync(by_code).await.status(), SyncStatus::Success);
    assert_eq!(delisted(&world.products().await), [&codes[30]]);
    assert_eq!(world.sync(full()).await.status(), SyncStatus::Success);
    assert_eq!(delisted(&world.products().await), [] as [&str; 0]);
    world.finish().await;
}

async fn a_run_over_a_selection_delists_nothing(plan: Plan) {
    let world = plan.start().await;
    let first = world.products().await.swap_remove(0);
    world.haier.change(json!({ "withdraw": [&first.product_code] })).await;
    for request in [
        SyncProductsRequest { category: first.product_group.clone(), ..full() },
        SyncProductsRequest { brand: first.brand.clone(), ..full() },
        SyncProductsRequest { product_codes: vec![first.product_code.clone()], ..full() },
    ] {
        world.sync(request).await;
        assert_eq!(delisted(&world.products().await), [] as [&str; 0]);
    }
    world.finish().await;
}

async fn an_empty_or_a_cut_listing_delists_nothing(plan: Plan) {
    let world = plan.start().await;
    for (kind, reason) in
        [("empty", "EMPTY_LISTING"), ("cut_listing", "LISTING_CUT"), ("truncated_json", "LISTING_CUT")]
    {
        world.haier.fault(json!({ "kind": kind, "endpoint": "H1" })).await;
        let end = world.sync(full()).await;
        assert_eq!(world.log(end.sync_log_id).await.end_reason, reason);
        assert_eq!(delisted(&world.products().await), [] as [&str; 0], "{kind}");
        world.haier.clear_faults().await;
    }
    world.finish().await;
}

async fn a_record_that_cannot_be_read_is_not_gone(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(2).await;
    world.haier.change(json!({ "withdraw": [codes[0]] })).await;
    world.haier.fault(json!({ "kind": "wrong_type", "endpoint": "H1", "product_code": codes[1] })).await;
    let end = world.sync(full()).await;
    assert_eq!((end.status(), end.failed_count), (SyncStatus::Partial, 1));
    assert_eq!(delisted(&world.products().await), [&codes[0]]);
    world.finish().await;
}

async fn a_resumed_run_delists_by_its_new_listing(plan: Plan) {
    let mut world = plan.start().await;
    let codes = world.codes(2).await;
    world.haier.change(json!({ "withdraw": [codes[0]] })).await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H2" })).await;
    let request = SyncProductsRequest { sync_prices: true, ..full() };
    let mut stream = world.client().sync_products(request).await.unwrap().into_inner();
    let id = within(stream.message()).await.unwrap().unwrap().sync_log_id;
    world.haier.struck(1).await;
    drop(stream);
    world.stop().await;
    world.haier.clear_faults().await;
    world.haier.change(json!({ "withdraw": [codes[1]] })).await;
    world.serve().await;
    let end = world.watch(id).await.pop().unwrap();
    assert!(end.message.contains("2 个商品已下架"), "{}", end.message);
    assert_eq!(delisted(&world.products().await), [&codes[0], &codes[1]]);
    world.finish().await;
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

fn changes(seconds: i64) -> Changes {
    Changes::new(Origin { sync_log_id: None, at: at(seconds) }, Newcomers::Tell)
}

fn code(number: usize) -> ProductCode {
    ProductCode::parse(&format!("C{number}")).unwrap()
}

async fn heard(store: &Store, numbers: impl Iterator<Item = usize>, seconds: i64) {
    let record = |number| CatalogueRecord {
        code: code(number),
        model: None,
        name: Some("x".to_owned()),
        group: None,
        brand: None,
        image_url: None,
        page_urls: None,
        is_sales: None,
        no_sales_reason: None,
        bad_pictures: 0,
        asked_at: at(seconds),
    };
    let records = numbers.map(record).collect();
    let batch = CatalogueBatch { records, assign_category: None, assign_brand: None, now: at(seconds) };
    let mut tx = store.begin().await.unwrap();
    catalogue::upsert(&mut tx, batch, &mut changes(seconds)).await.unwrap();
    tx.commit().await.unwrap();
}

/// Marks by a listing asked for then; how many each page marked.
async fn mark(store: &Store, seconds: i64, unreadable: &[usize], limit: i64) -> Vec<usize> {
    let unreadable: HashSet<_> = unreadable.iter().map(|number| code(*number)).collect();
    let listing = WholeListing { asked_at: at(seconds), unreadable };
    let (mut after, mut pages) = (Some(0), Vec::new());
    while let Some(from) = after {
        let mut tx = store.begin().await.unwrap();
        let page = delistings::mark(&mut tx, &listing, from, limit, &mut changes(seconds)).await.unwrap();
        tx.commit().await.unwrap();
        pages.push(page.delisted);
        after = page.next;
    }
    pages
}

async fn gone(store: &Store) -> Vec<ProductCode> {
    let codes: Vec<_> = (0..10).map(code).collect();
    let mut found = products::list_by_code(&mut store.read().await.unwrap(), &codes).await.unwrap();
    found.retain(|product| product.delisted_at.is_some());
    let mut codes: Vec<_> = found.into_iter().map(|product| product.code).collect();
    codes.sort_unstable();
    codes
}

async fn store(plan: &Plan) -> Store {
    let store = plan.database.store().await.unwrap();
    migrations::run(&store).await.unwrap();
    store
}

async fn an_old_answer_brings_nothing_back(plan: Plan) {
    let store = store(&plan).await;
    heard(&store, 0..3, 1).await;
    // Heard of while the listing was read.
    heard(&store, 2..3, 7).await;
    assert_eq!(mark(&store, 5, &[], 100).await, [2]);
    assert_eq!(gone(&store).await, [code(0), code(1)]);
    // Asked for before the listing, answered after it.
    heard(&store, 0..1, 3).await;
    assert_eq!(gone(&store).await, [code(0), code(1)]);
    // The same content, but newer than the listing.
    heard(&store, 0..1, 6).await;
    assert_eq!(gone(&store).await, [code(1)]);
}

async fn what_is_gone_is_found_page_by_page(plan: Plan) {
    let store = store(&plan).await;
    heard(&store, 0..10, 1).await;
    heard(&store, (0..10).filter(|number| number % 3 == 0), 9).await;
    assert_eq!(mark(&store, 5, &[4], 2).await, [2, 1, 2, 0]);
    assert_eq!(gone(&store).await, [1, 2, 5, 7, 8].map(code));
    assert_eq!(mark(&store, 6, &[4], 2).await, [0], "once is enough");
}
