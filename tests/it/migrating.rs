//! Migrations and partitions beside others who use the database: nobody waits for long, and no start is refused for it.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use haier_integration::{
    app::SystemClock,
    domain::{clock::Clock as _, ids::first_id_at},
    store::{self, Error, Store, migrations},
};

use crate::support::{Plan, on_postgres, within};

on_postgres!(
    a_migration_waits_in_short_steps_for_a_table_that_is_in_use,
    rows_of_a_month_without_a_partition_move_into_it,
    a_dump_that_holds_the_tables_refuses_no_start,
);

async fn a_migration_waits_in_short_steps_for_a_table_that_is_in_use(plan: Plan) {
    let database = &plan.database;
    database.execute("DROP TABLE write_checks").await.unwrap();
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version = '20261130000021'";
    database.execute(forget).await.unwrap();
    let url = database.address.clone().into();
    let options = store::Options {
        database: store::Database::Postgres { url },
        pool_size: 2,
        wait: Duration::from_secs(60),
        // For statements of the service; a migration takes as long as it needs.
        statement_timeout: Duration::from_millis(500),
    };
    let store = Store::open(&options).await.unwrap();
    let dump = database.asker().await;
    dump.execute("BEGIN; LOCK TABLE __diesel_schema_migrations IN SHARE MODE").await;
    let migrating = tokio::spawn(async move { migrations::run(&store).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    // It waits, gives up, and waits again.
    for waits in [true, false, true] {
        within(async { while (database.number(waiting).await > 0) != waits {} }).await;
    }
    dump.execute("ROLLBACK").await;
    let applied = within(migrating).await.unwrap().unwrap();
    assert_eq!(applied, ["2026-11-30-000021_write_checks"]);
}

/// The first instant of the month that is so many ahead.
fn month(ahead: u32) -> DateTime<Utc> {
    let today: NaiveDate = SystemClock::new().now().date_naive();
    let first = today.with_day(1).unwrap().checked_add_months(Months::new(ahead)).unwrap();
    first.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// A log and a failure of a month that has no partition.
async fn stray(plan: &Plan, month: DateTime<Utc>) -> String {
    let name = format!("{:04}_{:02}", month.year(), month.month());
    let id = first_id_at(month) + 5;
    let statement = format!(
        "DROP TABLE IF EXISTS sync_logs_{name}, sync_failures_{name}; \
         INSERT INTO sync_logs (id, sync_type, \"trigger\", account, created_at) \
         VALUES ({id}, 'products', 'CALLER', 'a', now()); \
         INSERT INTO sync_failures (sync_log_id, seq, product_code, stage, reason, created_at) \
         VALUES ({id}, 1, 'X', 'prices', 'SERVER_ERROR', now())"
    );
    plan.database.execute(&statement).await.unwrap();
    name
}

async fn rows_of(plan: &Plan, partition: &str) -> i64 {
    let count = |table: &str| format!("SELECT count(*) FROM {table}_{partition}");
    let [logs, failures] = ["sync_logs", "sync_failures"].map(count);
    plan.database.number(&format!("SELECT ({logs}) + ({failures})")).await
}

async fn rows_of_a_month_without_a_partition_move_into_it(plan: Plan) {
    let name = stray(&plan, month(1)).await;
    assert_eq!(rows_of(&plan, "default").await, 2);
    let store = plan.database.store().await.unwrap();
    for _ in 0..2 {
        store.ensure_partitions(SystemClock::new().now()).await.unwrap();
        assert_eq!((rows_of(&plan, &name).await, rows_of(&plan, "default").await), (2, 0));
    }
    // What the database holds to, it holds to there as well.
    let ended = format!("UPDATE sync_logs_{name} SET status = 'done'");
    plan.database.execute(&ended).await.unwrap_err();
    let back = format!(
        "UPDATE sync_logs_{name} SET status = 'processing', started_at = now(); \
         UPDATE sync_logs_{name} SET status = 'pending'"
    );
    assert!(plan.database.execute(&back).await.unwrap_err().contains("cannot go back to pending"));
}

async fn a_dump_that_holds_the_tables_refuses_no_start(plan: Plan) {
    let name = stray(&plan, month(1)).await;
    let dump = plan.database.asker().await;
    dump.execute("BEGIN; LOCK TABLE sync_logs, sync_failures IN ACCESS SHARE MODE").await;
    let store = plan.database.store().await.unwrap();
    let refused = store.ensure_partitions(SystemClock::new().now()).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    drop(store);
    let url = plan.database.url.clone();
    haier_integration::service::migrate(&url).await.unwrap();
    let (world, database) = (plan.start().await, dump);
    assert_eq!(world.database.number("SELECT count(*) FROM sync_logs_default").await, 1);
    database.execute("ROLLBACK").await;
    let store = world.database.store().await.unwrap();
    store.ensure_partitions(SystemClock::new().now()).await.unwrap();
    let moved = format!("SELECT count(*) FROM sync_logs_{name}");
    assert_eq!(world.database.number(&moved).await, 1);
    drop(store);
    world.finish_leaving_open().await;
}
