//! Searches look through all there is, and leave room for those who push orders.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use haier_integration::proto::{ListProductsRequest, ListSyncLogsRequest, OrderState};
use tokio::task::JoinSet;

use crate::{
    orders::{on_sale, order, push, until},
    support::{Plan, on_both_databases, within},
};

on_both_databases!(
    orders_are_pushed_beside_eighty_searches,
    a_search_finds_what_lies_anywhere_and_turns_pages,
);

const SEARCHES: usize = 80;

/// So many products that nobody sells.
async fn stocked(world: &crate::support::World, products: u32) {
    let numbers = if world.database.is_postgres() {
        format!("SELECT n FROM generate_series(1, {products}) AS s(n)")
    } else {
        format!(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {products}) SELECT n FROM s"
        )
    };
    let at = "'2026-01-01T00:00:00.000000Z'";
    let insert = format!(
        "INSERT INTO products (product_code, name, is_sales, created_at, updated_at) \
         SELECT 'Z' || (1000000 + n), 'a thing of number ' || n, {}, {at}, {at} FROM ({numbers}) AS numbers; \
         INSERT INTO product_sync (product_id) SELECT id FROM products \
         WHERE id NOT IN (SELECT product_id FROM product_sync)",
        if world.database.is_postgres() { "false" } else { "0" }
    );
    world.database.execute(&insert).await.unwrap();
}

fn search(query: &str) -> ListProductsRequest {
    ListProductsRequest { query: query.to_owned(), page_size: 10, ..Default::default() }
}

async fn orders_are_pushed_beside_eighty_searches(plan: Plan) {
    let world = plan.start().await;
    let code = on_sale(&world).await;
    stocked(&world, 60_000).await;
    push(&mut world.client(), order("SO-0", &code)).await.unwrap();
    let (ended, mut searches) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for _ in 0..SEARCHES {
        let (mut client, ended) = (world.client(), Arc::clone(&ended));
        searches.spawn(async move {
            let mut request = tonic::Request::new(search("no such thing"));
            request.set_timeout(std::time::Duration::from_secs(600));
            let found = client.list_products(request).await.unwrap().into_inner();
            assert_eq!(found.products, []);
            ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    // All are under way.
    within(async {
        while ended.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for number in 1..=3 {
        push(&mut world.client(), order(&format!("SO-{number}"), &code)).await.unwrap();
    }
    let meanwhile = ended.load(Ordering::Relaxed);
    assert!(meanwhile < SEARCHES, "the orders waited for every search");
    until(&mut world.client(), "SO-3", OrderState::Pushed).await;
    searches.join_all().await;
    // Of the logs too.
    let request = ListSyncLogsRequest { query: "SO-3".to_owned(), ..Default::default() };
    assert_eq!(world.client().list_sync_logs(request).await.unwrap().into_inner().sync_logs.len(), 1);
    world.finish().await;
}

async fn a_search_finds_what_lies_anywhere_and_turns_pages(plan: Plan) {
    let world = plan.start().await;
    // More than a search looks through at once, and not a multiple of it.
    stocked(&world, 12_345).await;
    for (query, expected) in [("number 12345", 1), ("z1000001", 1), ("number 999", 11), ("nothing", 0)] {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let request = ListProductsRequest { page_token: token, page_size: 4, ..search(query) };
            let page = world.client().list_products(request).await.unwrap().into_inner();
            assert!(page.products.len() == 4 || page.next_page_token.is_empty(), "a page is not full");
            found.extend(page.products.into_iter().map(|product| product.product_code));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert!(found.is_sorted(), "{found:?}");
        assert_eq!(found.len(), expected, "{query}: {found:?}");
    }
    world.finish().await;
}
