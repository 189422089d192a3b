//! The feed of orders gets its numbers after the commits: dense, none twice, none behind one that could be read.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join, join_all};
use haier_integration::{
    domain::orders::{OrderChange, OrderState, SoId},
    store::{Store, migrations, order_changes},
};

use crate::support::{Plan, on_both_databases, on_postgres, within};

on_both_databases!(
    entries_are_numbered_once_however_many_write_and_number,
    numbers_that_were_not_committed_are_given_again,
);

// On SQLite one writes at a time.
on_postgres!(what_is_committed_later_has_the_greater_number);

const WRITERS: i64 = 4;
const ROUNDS: i64 = 25;

async fn store(plan: &Plan) -> Store {
    let store = plan.database.store().await.unwrap();
    migrations::run(&store).await.unwrap();
    store
}

/// What happens to an order, round after round.
fn change(order: i64, round: i64) -> OrderChange {
    OrderChange {
        seq: 0,
        so_id: SoId::from_stored(format!("SO-{order}")),
        online_no: format!("TB-{round}"),
        before: (round % 2 == 1).then_some(OrderState::Accepted),
        state: OrderState::Pushed,
        retail_order_no: Some("RO-1".to_owned()),
        haier_order_no: None,
        last_error: None,
        changed_at: DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(round),
    }
}

async fn write(store: &Store, order: i64) {
    for round in 0..ROUNDS {
        let mut tx = store.begin().await.unwrap();
        order_changes::add(&tx.pipeline(), &change(order, round)).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Numbers at most so many.
async fn number(store: &Store, limit: i64) -> usize {
    let mut tx = store.begin().await.unwrap();
    let numbered = order_changes::number(&mut tx, limit).await.unwrap();
    tx.commit().await.unwrap();
    numbered
}

async fn listed(store: &Store) -> Vec<OrderChange> {
    order_changes::list(&mut store.read().await.unwrap(), 0, 1_000).await.unwrap()
}

async fn entries_are_numbered_once_however_many_write_and_number(plan: Plan) {
    let store = store(&plan).await;
    let all = usize::try_from(WRITERS * ROUNDS).unwrap();
    let numberer = || async {
        while listed(&store).await.len() < all {
            number(&store, 7).await;
        }
    };
    let writers = join_all((0..WRITERS).map(|order| write(&store, order)));
    within(join(writers, join(numberer(), numberer()))).await;
    let entries = listed(&store).await;
    let numbers: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=WRITERS * ROUNDS).collect::<Vec<_>>());
    for order in 0..WRITERS {
        let of_it = entries.iter().filter(|entry| entry.so_id.as_str() == format!("SO-{order}"));
        let of_it: Vec<_> = of_it.map(|entry| OrderChange { seq: 0, ..entry.clone() }).collect();
        assert_eq!(of_it, (0..ROUNDS).map(|round| change(order, round)).collect::<Vec<_>>());
    }
    let mut conn = store.read().await.unwrap();
    assert_eq!(order_changes::head(&mut conn).await.unwrap(), (1, WRITERS * ROUNDS));
    assert!(!order_changes::any_unnumbered(&mut conn).await.unwrap());
}

async fn what_is_committed_later_has_the_greater_number(plan: Plan) {
    let store = store(&plan).await;
    let mut slow = store.begin().await.unwrap();
    order_changes::add(&slow.pipeline(), &change(1, 0)).await.unwrap();
    let mut quick = store.begin().await.unwrap();
    order_changes::add(&quick.pipeline(), &change(2, 0)).await.unwrap();
    quick.commit().await.unwrap();
    assert_eq!(number(&store, 10).await, 1);
    slow.commit().await.unwrap();
    assert!(order_changes::any_unnumbered(&mut store.read().await.unwrap()).await.unwrap());
    assert_eq!((number(&store, 10).await, number(&store, 10).await), (1, 0));
    let numbered = listed(&store).await.into_iter().map(|entry| (entry.seq, entry.so_id.to_string()));
    assert_eq!(numbered.collect::<Vec<_>>(), [(1, "SO-2".to_owned()), (2, "SO-1".to_owned())]);
}

async fn numbers_that_were_not_committed_are_given_again(plan: Plan) {
    let store = store(&plan).await;
    write(&store, 1).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(order_changes::number(&mut tx, 10).await.unwrap(), 10);
    drop(tx);
    assert_eq!(listed(&store).await, []);
    let numbered = number(&store, 10).await + number(&store, 100).await;
    assert_eq!(numbered, usize::try_from(ROUNDS).unwrap());
    let numbers: Vec<i64> = listed(&store).await.into_iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=ROUNDS).collect::<Vec<_>>());
}
