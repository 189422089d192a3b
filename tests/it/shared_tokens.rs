//! One token for all replicas, where Haier lets only the newest live.

use std::time::Duration;

use futures_util::future::join_all;
use haier_integration::{
    proto::{CheckStockRequest, SyncProductsRequest, SyncStatus, SyncType},
    service::Service,
};
use serde_json::json;

use crate::support::{Client, Plan, World, collect, on_postgres, within};

on_postgres!(
    replicas_share_one_token_instead_of_revoking_each_others,
    a_revoked_token_is_fetched_once_for_all,
    a_stored_token_that_is_stale_too_does_not_fail_a_call,
    a_token_whose_fetcher_died_is_fetched_by_another,
);

/// The first service and another one on the same database.
async fn two(plan: Plan) -> (World, Service, Client) {
    let world = plan.products(60).sandbox(|options| options.single_token = true).start().await;
    let second = within(Service::start(world.settings.clone())).await.unwrap();
    let client = Client::connect(format!("http://{}", second.grpc_addr())).await.unwrap();
    (world, second, client)
}

async fn sync(client: &mut Client, product_codes: Vec<String>) -> SyncStatus {
    let kind = SyncType::Stock.into();
    let request = SyncProductsRequest { product_codes, kind, ..Default::default() };
    let stream = client.sync_products(request).await.unwrap().into_inner();
    let end = collect(stream).await.unwrap().pop().unwrap();
    assert_eq!(end.failed_count, 0, "{}", end.message);
    end.status()
}

async fn finish(world: World, second: Service, client: Client) {
    drop(client);
    within(second.stop()).await;
    world.finish().await;
}

async fn replicas_share_one_token_instead_of_revoking_each_others(plan: Plan) {
    let (world, second, mut client) = Box::pin(two(plan)).await;
    let codes = world.codes(60).await;
    let stored = "SELECT count(*) FROM upstream_tokens WHERE sealed IS NOT NULL AND fetcher IS NULL";
    assert_eq!(world.database.number(stored).await, 1);
    let mut first = world.client();
    for _ in 0..3 {
        let both = [sync(&mut first, codes.clone()), sync(&mut client, codes.clone())];
        let ended = within(join_all(both)).await;
        assert_eq!(ended, [SyncStatus::Success, SyncStatus::Success]);
    }
    assert_eq!(world.haier.calls("H0").await, 1, "the second one never needed one of its own");
    Box::pin(finish(world, second, client)).await;
}

async fn a_revoked_token_is_fetched_once_for_all(plan: Plan) {
    let (world, second, mut client) = Box::pin(two(plan)).await;
    let codes = world.codes(60).await;
    let mut first = world.client();
    sync(&mut client, codes.clone()).await;
    for round in 1..=3 {
        // Somebody else's token revokes ours.
        world.haier.listed().await;
        let before = world.haier.calls("H0").await;
        let both = [sync(&mut first, codes.clone()), sync(&mut client, codes.clone())];
        let ended = within(join_all(both)).await;
        assert_eq!(ended, [SyncStatus::Success, SyncStatus::Success], "{round}");
        assert_eq!(world.haier.calls("H0").await - before, 1, "{round}");
    }
    Box::pin(finish(world, second, client)).await;
}

async fn a_stored_token_that_is_stale_too_does_not_fail_a_call(plan: Plan) {
    let (world, second, mut client) = Box::pin(two(plan)).await;
    let codes = world.codes(60).await;
    sync(&mut client, codes[..1].to_vec()).await;
    // The first replica renews; the second still has the token before when that one is revoked, too.
    world.haier.listed().await;
    sync(&mut world.client(), codes[..1].to_vec()).await;
    world.haier.listed().await;
    let request = CheckStockRequest { product_code: codes[1].clone(), county_code: String::new() };
    within(client.check_stock(request)).await.unwrap();
    Box::pin(finish(world, second, client)).await;
}

async fn a_token_whose_fetcher_died_is_fetched_by_another(plan: Plan) {
    let plan = plan.settings(|settings| settings.upstream.token_timeout = Duration::from_millis(500));
    let (world, second, mut client) = Box::pin(two(plan)).await;
    let codes = world.codes(2).await;
    let died = "UPDATE upstream_tokens SET sealed = NULL, fetcher = 'nobody', \
                    lease_until = clock_timestamp() + interval '1 second'";
    world.database.execute(died).await.unwrap();
    world.haier.listed().await;
    let request = CheckStockRequest { product_code: codes[1].clone(), county_code: String::new() };
    within(client.check_stock(request)).await.unwrap();
    // Nor is a call lost for a shelf that nobody can open.
    world.database.execute("UPDATE upstream_tokens SET sealed = '\\x00'").await.unwrap();
    world.haier.fault(json!({ "kind": "unauthorized", "endpoint": "H3", "count": 1 })).await;
    let request = CheckStockRequest { product_code: codes[0].clone(), county_code: String::new() };
    within(client.check_stock(request)).await.unwrap();
    Box::pin(finish(world, second, client)).await;
}
