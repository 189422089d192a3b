//! Each replica leases a number for the ids that it makes; and an id that is taken all the same is passed over.

use haier_integration::{
    domain::ids::first_id_at,
    proto::{SyncProductsRequest, SyncStatus},
    service::Service,
};

use crate::support::{Plan, World, on_both_databases, on_postgres, within};

on_both_databases!(an_id_that_is_taken_is_passed_over, a_number_is_free_again_after_its_replica_has_left);
on_postgres!(replicas_have_numbers_of_their_own, without_a_free_number_no_replica_starts);

const NUMBERS: &str = "SELECT count(DISTINCT process_number) FROM replicas";

async fn replicas_have_numbers_of_their_own(plan: Plan) {
    let mut world = Box::pin(plan.prepare()).await;
    world.serve().await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(world.replica().await);
    }
    assert_eq!(world.database.number(NUMBERS).await, 5);
    // One whose row was taken away, as after it was suspended, leases again and does not share.
    world
        .database
        .execute("UPDATE replicas SET process_number = NULL, name = name || '-gone'")
        .await
        .unwrap();
    within(async { while world.database.number(NUMBERS).await < 5 {} }).await;
    for other in others {
        within(Box::pin(other.stop())).await;
    }
    world.finish_leaving_open().await;
}

async fn without_a_free_number_no_replica_starts(plan: Plan) {
    let world = Box::pin(plan.prepare()).await;
    let fill = "INSERT INTO replicas (name, version, started_at, seen_at, status, process_number) \
                SELECT 'r' || n, '0', now(), now(), '{}', n FROM generate_series(0, 1023) n";
    world.database.execute(fill).await.unwrap();
    let start = within(Box::pin(Service::start(world.settings.clone()))).await;
    let refused = format!("{:#}", start.err().expect("there is no number"));
    assert!(refused.contains("1024 process numbers are leased"), "{refused}");
    // That of one that was killed is free after five minutes.
    let silent = "UPDATE replicas SET seen_at = now() - interval '6 minutes' WHERE process_number = 77";
    world.database.execute(silent).await.unwrap();
    let replica = world.replica().await;
    assert_eq!(
        world
            .database
            .number("SELECT process_number FROM replicas WHERE name NOT LIKE 'r%' OR length(name) > 6")
            .await,
        77
    );
    within(Box::pin(replica.stop())).await;
    world.finish_leaving_open().await;
}

async fn a_number_is_free_again_after_its_replica_has_left(plan: Plan) {
    let mut world = plan.start().await;
    assert_eq!(world.database.number(NUMBERS).await, 1);
    world.stop().await;
    assert_eq!(world.database.number("SELECT count(*) FROM replicas").await, 0);
    world.serve().await;
    assert_eq!(world.database.number(NUMBERS).await, 1);
    world.finish().await;
}

/// Takes the first id of each millisecond for the next minutes, as if another process had the same number.
async fn take_ids(world: &World) {
    const MILLIS: i64 = 300_000;
    let number = world.database.number("SELECT process_number FROM replicas").await;
    let now = haier_integration::domain::clock::Clock::now(&haier_integration::app::SystemClock::new());
    let first = first_id_at(now) | (number << 12);
    let ids = if world.database.is_postgres() {
        format!("SELECT {first} + (n << 22) AS id FROM generate_series(0, {MILLIS}::bigint) n")
    } else {
        format!(
            "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {MILLIS}) \
             SELECT {first} + (n << 22) AS id FROM s"
        )
    };
    let at = "'2026-01-01T00:00:00.000000Z'";
    let sql = format!(
        "INSERT INTO audit_events (id, at, caller, role, action, changes) \
             SELECT id, {at}, 'x', 'admin', 'x', '[]' FROM ({ids}) AS i; \
         INSERT INTO sync_logs (id, sync_type, status, end_reason, \"trigger\", account, created_at, started_at, completed_at) \
             SELECT id, 'logistics', 'success', 'COMPLETED', 'CALLER', 'x', {at}, {at}, {at} FROM ({ids}) AS i"
    );
    world.database.execute(&sql).await.unwrap();
}

async fn an_id_that_is_taken_is_passed_over(plan: Plan) {
    let world = plan.start().await;
    let codes = world.codes(1).await;
    take_ids(&world).await;
    let request = SyncProductsRequest { product_codes: codes, ..Default::default() };
    let end = world.sync(request).await;
    assert_eq!(end.status(), SyncStatus::Success, "{}", end.message);
    let audited = "SELECT count(*) FROM audit_events WHERE action = 'sync.start'";
    assert_eq!(world.database.number(audited).await, 1);
    world.finish().await;
}
