//! Entries of the feed of orders go out together with the commit of their transaction, before anything is answered.

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{
    domain::orders::{OrderChange, OrderState, SoId},
    store::{Store, migrations, order_changes},
};

use crate::support::{Plan, on_both_databases, within};

on_both_databases!(
    entries_that_go_with_the_commit_are_written_in_their_order,
    an_entry_that_cannot_be_written_takes_the_commit_with_it,
);

/// Few enough to go with the commit, and too many.
const LOTS: [usize; 3] = [1, 5, 40];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn changes(lot: usize, count: usize) -> Vec<OrderChange> {
    let change = |number| OrderChange {
        seq: 0,
        so_id: SoId::from_stored(format!("SO-{lot}-{number}")),
        online_no: "TB-1".to_owned(),
        before: (number % 2 == 1).then_some(OrderState::Accepted),
        state: OrderState::Pushed,
        retail_order_no: Some("RO-1".to_owned()),
        haier_order_no: None,
        last_error: None,
        changed_at: at(number),
    };
    (0..).take(count).map(change).collect()
}

/// The store, migrated, with connections on which no statement was prepared yet.
async fn fresh(plan: &Plan) -> Store {
    let store = plan.database.store().await.unwrap();
    migrations::run(&store).await.unwrap();
    close(store).await;
    plan.database.store().await.unwrap()
}

async fn close(store: Store) {
    let released = store.released();
    drop(store);
    within(released.wait()).await;
}

async fn entries_that_go_with_the_commit_are_written_in_their_order(plan: Plan) {
    let mut expected = Vec::new();
    for (lot, count) in LOTS.into_iter().enumerate() {
        let store = fresh(&plan).await;
        // The second one finds its statements prepared.
        for lot in [lot * 2, lot * 2 + 1] {
            let changes = changes(lot, count);
            order_changes::commit(store.begin().await.unwrap(), &changes).await.unwrap();
            expected.extend(changes);
        }
        let mut conn = store.read().await.unwrap();
        let listed = order_changes::list(&mut conn, 0, 1_000).await.unwrap();
        let numbered = expected.iter().cloned().zip(1..);
        let numbered: Vec<_> = numbered.map(|(change, seq)| OrderChange { seq, ..change }).collect();
        assert_eq!(listed, numbered);
        assert_eq!(order_changes::head(&mut conn).await.unwrap(), expected.len() as i64);
        drop(conn);
        close(store).await;
    }
}

async fn an_entry_that_cannot_be_written_takes_the_commit_with_it(plan: Plan) {
    let store = fresh(&plan).await;
    // The number of the second one is taken.
    let insert = "INSERT INTO order_changes (seq, so_id, online_no, state, changed_at) \
                  VALUES (2, 'SO', 'TB', 'pushed', '2026-01-01T00:00:00.000000Z')";
    plan.database.execute(insert).await.unwrap();
    for round in 0..2 {
        let refused = order_changes::commit(store.begin().await.unwrap(), &changes(round, 5)).await;
        assert!(refused.is_err());
        let mut conn = store.read().await.unwrap();
        assert_eq!(order_changes::head(&mut conn).await.unwrap(), 0);
        assert_eq!(order_changes::list(&mut conn, 0, 10).await.unwrap().len(), 1);
    }
    plan.database.execute("DELETE FROM order_changes").await.unwrap();
    order_changes::commit(store.begin().await.unwrap(), &changes(2, 5)).await.unwrap();
}
