//! What would change is told before anything does; and the stored copy is compared with Haier's, and mended on demand.

use haier_integration::proto::{
    CatalogueComparison, ProductChange, ProductChangeKind, RepairCatalogueRequest, RetrySyncRequest, SyncLog,
    SyncProductsRequest, SyncProgress, SyncStatus, SyncType, VerifyCatalogueRequest,
};
use serde_json::json;

use crate::support::{Plan, World, on_both_databases, refusal, within};

on_both_databases!(
    a_dry_run_tells_what_a_run_changes_and_writes_nothing,
    a_dry_run_by_codes_tells_a_new_product_whole,
    a_dry_run_says_that_a_run_would_be_held,
    a_comparison_finds_what_differs_and_a_repair_mends_it,
    a_scheduled_comparison_tells_what_differs_and_mends_nothing,
);

/// Kinds and codes, by code.
fn told<'a>(changes: impl Iterator<Item = &'a ProductChange>) -> Vec<(String, ProductChangeKind)> {
    let mut told: Vec<_> = changes.map(|change| (change.product_code.clone(), change.kind())).collect();
    told.sort();
    told
}

fn all_told(messages: &[SyncProgress]) -> Vec<(String, ProductChangeKind)> {
    assert!(messages.iter().all(|message| message.sync_log_id == 0));
    told(messages.iter().flat_map(|message| &message.changes))
}

fn dry(request: SyncProductsRequest) -> SyncProductsRequest {
    SyncProductsRequest { validate_only: true, ..request }
}

fn with_prices() -> SyncProductsRequest {
    SyncProductsRequest { sync_prices: true, ..Default::default() }
}

/// All that a run leaves behind, as one number a table.
async fn traces(world: &World) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in [
        "products",
        "product_changes",
        "product_history",
        "sync_logs",
        "sync_runs",
        "held_findings",
        "audit_events",
    ] {
        counts.push(world.database.number(&format!("SELECT count(*) FROM {table}")).await);
    }
    counts
}

/// Changes the catalogue: one price, one product gone, one new. The codes of the first two.
async fn change(world: &World) -> (String, String) {
    let codes = world.codes(2).await;
    let price = json!({ "supplyPrice": "4321.00" });
    world.haier.change(json!({ "prices": { &codes[0]: price }, "withdraw": [codes[1]], "add": 1 })).await;
    (codes[0].clone(), codes[1].clone())
}

async fn a_dry_run_tells_what_a_run_changes_and_writes_nothing(plan: Plan) {
    let world = plan.start().await;
    let (moved, gone) = change(&world).await;
    let (before, product) = (traces(&world).await, world.product(&moved).await);
    let messages = world.follow(dry(with_prices())).await;
    let end = messages.last().unwrap();
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Success, 45, 0), "{end:?}");
    assert!(end.message.contains("1 个商品已下架"), "{}", end.message);
    let would = all_told(&messages);
    let kind = |code: &str| would.iter().find(|(other, _)| other == code).map(|(_, kind)| *kind);
    assert_eq!(
        (would.len(), kind(&moved), kind(&gone)),
        (3, Some(ProductChangeKind::Changed), Some(ProductChangeKind::Delisted))
    );
    assert_eq!((traces(&world).await, world.product(&moved).await), (before, product), "nothing is written");

    // The run itself does just that.
    let last = world.database.number("SELECT max(seq) FROM product_changes").await;
    assert_eq!(world.sync(with_prices()).await.status(), SyncStatus::Success);
    let written = format!("SELECT count(*) FROM product_changes WHERE seq > {last}");
    assert_eq!(world.database.number(&written).await, 3);
    assert_eq!(all_told(&world.follow(dry(with_prices())).await), []);
    world.finish().await;
}

async fn a_dry_run_by_codes_tells_a_new_product_whole(plan: Plan) {
    let world = plan.start().await;
    let stored = world.codes(45).await;
    world.haier.change(json!({ "add": 1 })).await;
    let listed = world.follow(dry(SyncProductsRequest::default())).await;
    let (new, _) = all_told(&listed).remove(0);
    assert!(!stored.contains(&new));
    let request =
        SyncProductsRequest { product_codes: vec![new.clone(), "NOSUCH".to_owned()], ..with_prices() };
    let messages = world.follow(dry(request)).await;
    assert_eq!(messages.last().unwrap().status(), SyncStatus::Partial);
    let changes: Vec<_> = messages.iter().flat_map(|message| &message.changes).collect();
    assert_eq!((changes.len(), &changes[0].product_code), (1, &new));
    let fields: Vec<_> = changes[0].changes.iter().map(|change| change.field.as_str()).collect();
    let has_price = fields.iter().any(|field| field.ends_with("_price"));
    assert!(fields.contains(&"product_model") && has_price, "{fields:?}");
    let failures: Vec<_> = messages.iter().flat_map(|message| &message.failures).collect();
    assert_eq!((failures.len(), failures[0].product_code.as_str()), (1, "NOSUCH"));
    world.finish().await;
}

async fn a_dry_run_says_that_a_run_would_be_held(plan: Plan) {
    let world = plan.start().await;
    world.haier.change(json!({ "withdraw": world.codes(6).await })).await;
    let end = world.sync(dry(SyncProductsRequest::default())).await;
    assert!(end.message.starts_with("HELD 待确认") && end.message.contains("下架 6 个"), "{}", end.message);
    assert_eq!(world.database.number("SELECT count(*) FROM held_runs").await, 0);
    world.finish().await;
}

async fn verify(world: &World) -> (Vec<(String, ProductChangeKind)>, CatalogueComparison) {
    let request = VerifyCatalogueRequest { price_sample_size: Some(1_000) };
    let mut stream = world.administration().await.verify_catalogue(request).await.unwrap().into_inner();
    let (mut changes, mut sum) = (Vec::new(), None);
    while let Some(message) = within(stream.message()).await.unwrap() {
        changes.extend(message.changes);
        sum = message.comparison.or(sum);
    }
    (told(changes.iter()), sum.unwrap())
}

async fn a_comparison_finds_what_differs_and_a_repair_mends_it(plan: Plan) {
    let world = plan.start().await;
    let (changes, sum) = verify(&world).await;
    let none = CatalogueComparison {
        listed_count: 45,
        sampled_count: 45,
        reason: "COMPLETED".to_owned(),
        ..Default::default()
    };
    assert_eq!((changes, sum), (Vec::new(), none.clone()));

    let (moved, gone) = change(&world).await;
    // Beside it what only somebody here can have done, and too much of it for a run that nobody has asked for.
    let codes = world.codes(12).await;
    world.haier.change(json!({ "withdraw": codes[6..] })).await;
    let before = traces(&world).await;
    let (changes, sum) = verify(&world).await;
    assert_eq!(changes.len(), 9);
    assert!(changes.contains(&(moved, ProductChangeKind::Changed)));
    assert!(changes.contains(&(gone, ProductChangeKind::Delisted)));
    let expected = CatalogueComparison {
        listed_count: 39,
        missing_count: 1,
        surplus_count: 7,
        sampled_count: sum.sampled_count,
        differing_price_count: 1,
        failed_count: sum.failed_count,
        ..none.clone()
    };
    assert_eq!(sum, expected);
    assert_eq!(traces(&world).await, before);

    let repair =
        world.administration().await.repair_catalogue(RepairCatalogueRequest {}).await.unwrap().into_inner();
    assert_eq!((repair.trigger.as_str(), repair.sync_type()), ("REPAIR", SyncType::Products));
    let end = world.watch(repair.id).await.pop().unwrap();
    assert_eq!(end.status(), SyncStatus::Success, "{}", end.message);
    assert_eq!(verify(&world).await.0, []);
    world.finish().await;
}

/// Lets the schedule of comparisons come due, and nothing else; the log of what it has run.
async fn compared(world: &World) -> SyncLog {
    let fired = "SELECT coalesce(max(last_log_id), 0) FROM schedules WHERE name = 'verify'";
    let before = world.database.number(fired).await;
    let fire = "UPDATE schedules SET epoch = epoch + 1, paused = name <> 'verify', next_at = updated_at";
    world.database.execute(fire).await.unwrap();
    world.clock().turn(chrono::TimeDelta::seconds(1));
    let id = within(async {
        loop {
            match world.database.number(fired).await {
                id if id != before => break id,
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    });
    let id = id.await;
    world.watch(id).await;
    world.log(id).await
}

async fn a_scheduled_comparison_tells_what_differs_and_mends_nothing(plan: Plan) {
    let world = plan.turned().start().await;
    let log = compared(&world).await;
    assert_eq!((log.sync_type(), log.trigger.as_str()), (SyncType::Manual, "SCHEDULE"));
    assert_eq!((log.status(), log.success_count, log.failed_count), (SyncStatus::Success, 45, 0), "{log:?}");

    let (moved, gone) = change(&world).await;
    let before =
        (world.products().await, world.database.number("SELECT max(seq) FROM product_changes").await);
    let log = compared(&world).await;
    // 45 listed, one of them new, and one that is gone.
    let counts = (log.status(), log.total_count, log.failed_count);
    assert_eq!(counts, (SyncStatus::Partial, 46, 3), "{}", log.message);
    assert!(
        log.message.contains("DIFFERS 与海尔不一致 3") && log.message.contains("--repair"),
        "{}",
        log.message
    );
    let failures = world.failures(log.id).await;
    let of = |code: &str| failures.iter().find(|failure| failure.product_code == code).unwrap();
    assert!(failures.iter().all(|failure| failure.reason == "DIFFERS"));
    assert!(of(&moved).detail.contains("supply_price") && of(&moved).detail.contains("4321"), "{failures:?}");
    assert_eq!((of(&moved).stage.as_str(), of(&gone).stage.as_str()), ("PRICES", "LISTING"));
    let after = (world.products().await, world.database.number("SELECT max(seq) FROM product_changes").await);
    assert_eq!(before, after, "nothing is mended");
    let retry = RetrySyncRequest { sync_log_id: log.id };
    let refused = world.client().retry_sync(retry).await.unwrap_err();
    assert_eq!(refusal(&refused).1, "NOTHING_TO_RETRY");

    world.administration().await.repair_catalogue(RepairCatalogueRequest {}).await.unwrap();
    let repaired = world.logs(Default::default()).await.remove(0);
    world.watch(repaired.id).await;
    assert_eq!(compared(&world).await.status(), SyncStatus::Success);
    world.finish().await;
}
