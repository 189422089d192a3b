//! What the database itself holds to, whoever writes: states and counts of logs, leases, and the age of answers.

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{
    domain::{
        audit::{AuditEvent, AuditFilter, Change},
        callers::{Caller, Role},
        decimal::Money,
        messages::EndMessage,
        pages::PageRequest,
        product_changes::Origin,
        products::{CatalogueRecord, PriceRecord, Product, ProductCode},
        reasons::Reason,
        sync_logs::{Stage, SyncType, Trigger},
        sync_runs::{Checkpoint, ClaimedRun, NewRun, SyncRequest},
    },
    store::{
        Error, Store, audit_events,
        catalogue::{self, CatalogueBatch},
        migrations, prices,
        product_changes::{Changes, Newcomers},
        products,
        sync_failures::{self, NewFailure},
        sync_runs,
    },
};

use crate::support::{Plan, on_both_databases};

on_both_databases!(
    the_database_refuses_illegal_states_of_a_log,
    the_database_holds_one_full_run_per_type,
    an_old_answer_never_overwrites_a_newer_one,
    a_worker_that_lost_its_lease_writes_nothing,
    a_clock_that_is_set_back_prolongs_no_lease_by_more_than_itself,
    an_id_that_is_taken_leaves_the_transaction_as_it_was,
    an_instant_of_a_clock_that_was_ahead_keeps_no_answer_out,
    failures_are_stored_however_many_come_at_once,
    what_operators_changed_is_never_touched_again,
);

async fn the_database_refuses_illegal_states_of_a_log(plan: Plan) {
    const AT: &str = "'2026-01-01T00:00:00.000000Z'";
    let world = plan.start().await;
    let database = &world.database;
    for statement in
        ["message = 'x'", "status = 'pending', end_reason = NULL, completed_at = NULL", "total_count = 1"]
    {
        let refused = database.execute(&format!("UPDATE sync_logs SET {statement}")).await.unwrap_err();
        assert!(refused.contains("has ended"), "{refused}");
    }
    let insert = format!(
        "INSERT INTO sync_logs (id, sync_type, \"trigger\", account, created_at) VALUES (7, 'products', 'CALLER', 'a', {AT})"
    );
    database.execute(&insert).await.unwrap();
    let update =
        async |set: &str| database.execute(&format!("UPDATE sync_logs SET {set} WHERE id = 7")).await;
    let end = |status: &str, reason: &str, counts: [i64; 3]| {
        let [total, success, failed] = counts;
        format!(
            "status = '{status}', end_reason = '{reason}', completed_at = {AT}, total_count = {total}, \
             success_count = {success}, failed_count = {failed}"
        )
    };
    // Not begun, and with a word nobody knows.
    for bad in ["status = 'processing'", "status = 'done'", "sync_type = 'prices2'", "failed_count = -1"] {
        update(bad).await.expect_err(bad);
    }
    update(&format!("status = 'processing', started_at = {AT}")).await.unwrap();
    let back = update("status = 'pending'").await.unwrap_err();
    assert!(back.contains("cannot go back to pending"), "{back}");
    for bad in [
        end("success", "COMPLETED", [3, 2, 0]),
        end("success", "COMPLETED", [3, 2, 1]),
        end("partial", "COMPLETED", [3, 3, 0]),
        end("failed", "COMPLETED", [3, 2, 1]),
        end("partial", "COMPLETED", [3, 0, 3]),
        end("success", "CANCELLED", [3, 3, 0]),
        end("partial", "AUTH_FAILED", [0, 0, 0]),
        "status = 'success'".to_owned(),
        format!("completed_at = {AT}"),
        "end_reason = 'COMPLETED'".to_owned(),
        end("success", "COMPLETED", [3, 3, 0]).replace("2026-01-01", "2025-01-01"),
    ] {
        update(&bad).await.expect_err(&bad);
    }
    update(&end("partial", "CANCELLED", [3, 3, 0])).await.unwrap();
    update("message = ''").await.unwrap_err();
    world.finish().await;
}

async fn the_database_holds_one_full_run_per_type(plan: Plan) {
    let world = plan.start().await;
    let insert = |id: i64, kind: &str, everything: bool| {
        format!(
            "INSERT INTO sync_runs (log_id, sync_type, over_everything, request, account) \
             VALUES ({id}, '{kind}', {everything}, '{{}}', 'a')"
        )
    };
    let database = world.finish_leaving_open().await;
    database.execute(&insert(1, "products", true)).await.unwrap();
    database.execute(&insert(2, "products", true)).await.unwrap_err();
    database.execute(&insert(2, "products", false)).await.unwrap();
    database.execute(&insert(3, "stock", true)).await.unwrap();
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

fn code() -> ProductCode {
    ProductCode::parse("GA0SZC00U").unwrap()
}

fn named(name: &str, seconds: i64) -> CatalogueRecord {
    CatalogueRecord {
        code: code(),
        model: None,
        name: Some(name.to_owned()),
        group: None,
        brand: None,
        image_url: None,
        page_urls: None,
        is_sales: None,
        no_sales_reason: None,
        bad_pictures: 0,
        asked_at: at(seconds),
    }
}

fn priced(e4: i64, seconds: i64) -> PriceRecord {
    PriceRecord {
        code: code(),
        supply_price: Some(Money { e4 }),
        invoice_price: None,
        market_price: None,
        stock_rebate: None,
        rebate_policy: None,
        rebate_money: None,
        is_sales: None,
        reason: None,
        asked_at: at(seconds),
    }
}

fn changes() -> Changes {
    Changes::new(Origin { sync_log_id: None, at: at(0) }, Newcomers::Tell)
}

async fn open(plan: &Plan) -> Store {
    let store = plan.database.store().await.unwrap();
    migrations::run(&store).await.unwrap();
    store
}

async fn write(store: &Store, records: Vec<CatalogueRecord>) -> catalogue::Written {
    let mut tx = store.begin().await.unwrap();
    let batch = CatalogueBatch { records, assign_category: None, assign_brand: None, now: at(99) };
    let written = catalogue::upsert(&mut tx, batch, &mut changes()).await.unwrap();
    tx.commit().await.unwrap();
    written
}

async fn write_price(store: &Store, record: PriceRecord) {
    let mut tx = store.begin().await.unwrap();
    prices::upsert(&mut tx, vec![record], &mut changes()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn stored(store: &Store) -> Vec<Product> {
    products::list_by_code(&mut store.read().await.unwrap(), &[code()]).await.unwrap()
}

async fn an_old_answer_never_overwrites_a_newer_one(plan: Plan) {
    let store = open(&plan).await;
    assert_eq!(write(&store, vec![named("second", 2)]).await.inserted, 1);
    for seconds in [1, 2] {
        let written = write(&store, vec![named("first", seconds)]).await;
        assert_eq!((written.inserted, written.updated, written.unchanged), (0, 0, 1));
    }
    write_price(&store, priced(20, 2)).await;
    write_price(&store, priced(10, 1)).await;
    let product = stored(&store).await.remove(0);
    assert_eq!((product.name.as_deref(), product.supply_price), (Some("second"), Some(Money { e4: 20 })));
    assert_eq!(product.last_sync_at(), Some(at(2)));

    // In one batch too, whatever the order; and what did not change is not rewritten.
    assert_eq!(write(&store, vec![named("fourth", 4), named("third", 3)]).await.updated, 1);
    assert_eq!(write(&store, vec![named("fourth", 5)]).await.unchanged, 1);
    write_price(&store, priced(30, 6)).await;
    let product = stored(&store).await.remove(0);
    assert_eq!((product.name.as_deref(), product.supply_price), (Some("fourth"), Some(Money { e4: 30 })));
    assert_eq!(product.last_sync_at(), Some(at(6)));
}

async fn claim(store: &Store, worker: &str, now: DateTime<Utc>) -> Option<ClaimedRun> {
    let mut tx = store.begin().await.unwrap();
    let claimed = sync_runs::claim(&mut tx, worker, now, TimeDelta::seconds(15)).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

fn full_run(log_id: i64) -> NewRun {
    NewRun {
        log_id,
        sync_type: SyncType::Products,
        request: SyncRequest::default(),
        trigger: Trigger::Caller,
        requested_by: String::new(),
        account: "a".to_owned(),
        parent_id: None,
    }
}

async fn a_clock_that_is_set_back_prolongs_no_lease_by_more_than_itself(plan: Plan) {
    const HOUR: i64 = 3_600;
    let store = open(&plan).await;
    let mut tx = store.begin().await.unwrap();
    sync_runs::insert(&mut tx, &full_run(5), at(0)).await.unwrap();
    tx.commit().await.unwrap();
    claim(&store, "dead", at(HOUR)).await.unwrap();
    // The clock is an hour back: a holder that lives still has a whole lease of 15 s to renew it.
    assert_eq!(claim(&store, "next", at(0)).await, None);
    assert_eq!(claim(&store, "next", at(14)).await, None);
    assert_eq!(claim(&store, "next", at(16)).await.unwrap().epoch, 2);
}

async fn an_id_that_is_taken_leaves_the_transaction_as_it_was(plan: Plan) {
    let store = open(&plan).await;
    let mut tx = store.begin().await.unwrap();
    sync_runs::insert(&mut tx, &full_run(5), at(0)).await.unwrap();
    let by_code = |log_id| {
        let codes = vec![ProductCode::parse("A").unwrap()];
        NewRun { request: SyncRequest { codes, ..SyncRequest::default() }, ..full_run(log_id) }
    };
    let taken = sync_runs::insert(&mut tx, &by_code(5), at(0)).await.unwrap_err();
    assert!(matches!(taken, Error::IdTaken), "{taken}");
    let open = sync_runs::insert(&mut tx, &full_run(6), at(0)).await.unwrap_err();
    assert!(matches!(open, Error::Conflict), "{open}");
    sync_runs::insert(&mut tx, &by_code(6), at(0)).await.unwrap();
    let event = |id| AuditEvent {
        id,
        at: at(0),
        caller: Caller { name: "a".to_owned(), role: Role::Admin, address: String::new() },
        action: "x".to_owned(),
        subject: String::new(),
        changes: Vec::new(),
    };
    audit_events::append(&mut tx, &event(1)).await.unwrap();
    let taken = audit_events::append(&mut tx, &event(1)).await.unwrap_err();
    assert!(matches!(taken, Error::IdTaken), "{taken}");
    audit_events::append(&mut tx, &event(2)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn an_instant_of_a_clock_that_was_ahead_keeps_no_answer_out(plan: Plan) {
    const YEAR: i64 = 365 * 86_400;
    let store = open(&plan).await;
    // Written while a clock was a year ahead; `write` itself goes by the present.
    write(&store, vec![named("ahead", YEAR)]).await;
    write_price(&store, priced(10, YEAR)).await;
    assert_eq!(write(&store, vec![named("now", 5)]).await.updated, 1);
    write_price(&store, priced(20, 5)).await;
    let product = stored(&store).await.remove(0);
    assert_eq!((product.name.as_deref(), product.supply_price), (Some("now"), Some(Money { e4: 20 })));
    assert_eq!(product.last_sync_at(), Some(at(5)));
    // Replicas' clocks differ by a little: what is less than a minute ahead counts.
    write(&store, vec![named("soon", 59)]).await;
    assert_eq!(write(&store, vec![named("older", 58)]).await.unchanged, 1);
}

async fn a_worker_that_lost_its_lease_writes_nothing(plan: Plan) {
    let store = open(&plan).await;
    let mut tx = store.begin().await.unwrap();
    sync_runs::insert(&mut tx, &full_run(5), at(0)).await.unwrap();
    tx.commit().await.unwrap();
    let old = claim(&store, "old", at(0)).await.unwrap();
    assert_eq!(claim(&store, "new", at(14)).await, None, "the lease holds");
    let new = claim(&store, "new", at(16)).await.unwrap();
    assert_eq!((old.epoch, new.epoch), (1, 2));

    let checkpoint =
        Checkpoint { stage: Stage::Prices, after: None, bad_pictures: 0, delisted: 0, loading: false };
    let end = EndMessage {
        reason: Reason::Completed,
        success: 0,
        failed: 0,
        failures: Vec::new(),
        detail: String::new(),
        bad_pictures: 0,
        delisted: 0,
        held: None,
        waited: chrono::TimeDelta::zero(),
    };
    // As the writer does it, but with the rows first: they must go with the refused checkpoint.
    let mut tx = store.begin().await.unwrap();
    let batch = CatalogueBatch {
        records: vec![named("x", 1)],
        assign_category: None,
        assign_brand: None,
        now: at(1),
    };
    catalogue::upsert(&mut tx, batch, &mut changes()).await.unwrap();
    let refused = sync_runs::checkpoint(&mut tx, &old, &checkpoint, true, at(60)).await;
    assert!(matches!(refused, Err(Error::LeaseLost)), "{refused:?}");
    drop(tx);
    assert_eq!(stored(&store).await, []);
    let mut tx = store.begin().await.unwrap();
    for refused in [
        sync_runs::heartbeat(&mut tx, &old, at(60)).await,
        sync_runs::release(&mut tx, &old).await,
        sync_runs::finish(&mut tx, &old, &end, at(60)).await,
    ] {
        assert!(matches!(refused, Err(Error::LeaseLost)), "{refused:?}");
    }
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    sync_runs::checkpoint(&mut tx, &new, &checkpoint, true, at(60)).await.unwrap();
    sync_runs::finish(&mut tx, &new, &end, at(20)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claim(&store, "late", at(90)).await, None);
}

async fn failures_are_stored_however_many_come_at_once(plan: Plan) {
    let store = open(&plan).await;
    let failure = |number: i64| NewFailure {
        product_code: format!("C{number}"),
        stage: Stage::Prices,
        reason: Reason::ServerError,
        detail: String::new(),
        county: None,
    };
    let mut tx = store.begin().await.unwrap();
    let first = (0..7_000).map(failure).collect();
    assert_eq!(sync_failures::append(&mut tx, 5, 1, 0, first, at(0)).await.unwrap(), 7_000);
    let overlapping = (6_990..7_010).map(failure).collect();
    assert_eq!(sync_failures::append(&mut tx, 5, 1, 7_000, overlapping, at(0)).await.unwrap(), 10);
    tx.commit().await.unwrap();
    assert_eq!(plan.database.number("SELECT max(seq) FROM sync_failures").await, 7_010);
}

async fn what_operators_changed_is_never_touched_again(plan: Plan) {
    let store = open(&plan).await;
    let event = AuditEvent {
        id: 1,
        at: at(0),
        caller: Caller { name: "mei".to_owned(), role: Role::Admin, address: "127.0.0.1".to_owned() },
        action: "upstream.pause".to_owned(),
        subject: "open-platform".to_owned(),
        changes: vec![Change::to("reason", "Haier moves house")],
    };
    let mut tx = store.begin().await.unwrap();
    audit_events::append(&mut tx, &event).await.unwrap();
    tx.commit().await.unwrap();
    for statement in ["UPDATE audit_events SET caller = 'x'", "DELETE FROM audit_events"] {
        let refused = plan.database.execute(statement).await.unwrap_err();
        assert!(refused.contains("audit event cannot be"), "{refused}");
    }
    let page = PageRequest { size: 10, after: None };
    let stored = audit_events::list(&mut store.read().await.unwrap(), &AuditFilter::default(), &page).await;
    assert_eq!(stored.unwrap().items, [event]);
}
