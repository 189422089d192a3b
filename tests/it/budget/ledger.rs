//! The reserving statement follows the rules of the timeline, also when many ask at once.

use std::time::Duration;

use haier_integration::{
    domain::slots::{Rules, Slot, Turn, Wish},
    store::{Conn, Store, upstream_slots},
};

use crate::support::{Plan, on_postgres};

const LIVE: Wish = Wish { live: true, bulk: false, patience: None, lead: Duration::ZERO };
const BULK: Wish = Wish { live: false, bulk: true, patience: None, lead: Duration::ZERO };
const BOTH: Wish = Wish { live: true, bulk: true, patience: None, lead: Duration::ZERO };

on_postgres!(
    slots_that_many_ask_for_at_once_are_apart,
    the_statement_follows_the_rules_of_the_timeline,
    the_budget_is_asked_while_every_other_connection_is_taken,
);

async fn reserve(store: &Store, rules: &Rules, wish: &Wish) -> Turn {
    store.urgent(async |conn: &mut Conn| upstream_slots::reserve(conn, "a", rules, wish).await).await.unwrap()
}

async fn reserved(store: &Store, rules: &Rules, wish: &Wish) -> Slot {
    match reserve(store, rules, wish).await {
        Turn::Reserved(slot) => slot,
        turn => panic!("{turn:?}"),
    }
}

async fn slots_that_many_ask_for_at_once_are_apart(plan: Plan) {
    // So narrow that the database and not the timeline is what they wait for.
    let rules = Rules::new(20_000);
    let asking = (0..8).map(|_| {
        let database = plan.database.clone();
        tokio::spawn(async move {
            let store = database.store().await.unwrap();
            let mut slots = Vec::new();
            for _ in 0..100 {
                slots.push(reserved(&store, &rules, &LIVE).await);
            }
            slots
        })
    });
    let mut slots: Vec<Slot> = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        let own = asked.await.unwrap();
        assert!(own.iter().all(|slot| slot.now <= slot.due));
        slots.extend(own);
    }
    slots.sort_by_key(|slot| slot.due);
    assert_eq!(slots.len(), 800);
    for pair in slots.windows(2) {
        assert!(pair[1].due - pair[0].due >= rules.spacing, "{pair:?}");
    }
    // Whoever waited for the lock goes by the time at which he got it.
    for pair in slots.windows(2) {
        assert!(pair[0].now <= pair[1].now, "{pair:?}");
    }
}

async fn the_statement_follows_the_rules_of_the_timeline(plan: Plan) {
    let (store, rules) = (plan.database.store().await.unwrap(), Rules::new(10));
    let first = reserved(&store, &rules, &BULK).await;
    assert_eq!(first.now, first.due);
    // Bulk leaves what is not due yet to live calls.
    let Turn::AskAgain { after, due } = reserve(&store, &rules, &BULK).await else { panic!("too soon") };
    assert!(due <= rules.spacing() && after <= due, "{after:?} {due:?}");
    let hasty = Wish { patience: Some(Duration::from_millis(1)), ..LIVE };
    assert!(matches!(reserve(&store, &rules, &hasty).await, Turn::AskAgain { .. }));
    let mut last = first;
    for turn in 1..=9 {
        let slot = reserved(&store, &rules, &BOTH).await;
        assert_eq!(slot.due, last.due + rules.spacing);
        // The ninth is bulk's share.
        assert_eq!(slot.priority == haier_integration::domain::slots::Priority::Bulk, turn == 9);
        last = slot;
    }
    // Nothing is reserved too far ahead.
    let Some(refused) = futures_util::future::join_all((0..20).map(|_| reserve(&store, &rules, &LIVE)))
        .await
        .into_iter()
        .find(|turn| !matches!(turn, Turn::Reserved(_)))
    else {
        panic!("twenty slots ahead")
    };
    assert!(matches!(refused, Turn::AskAgain { .. }), "{refused:?}");

    let ahead =
        "UPDATE upstream_slots SET next_slot = next_slot + 3600000000, held_until = next_slot + 3600000000";
    plan.database.execute(ahead).await.unwrap();
    let slot = reserved(&store, &rules, &LIVE).await;
    assert_eq!(slot.due - slot.now, 1_000_000, "a second of silence after a step of the clock");

    for (asked, held) in [(5, 5), (1, 5), (3_600, 60)] {
        let wait = Duration::from_secs(asked);
        let hold = async |conn: &mut Conn| upstream_slots::hold(conn, "a", &rules, wait).await;
        store.urgent(hold).await.unwrap();
        let Turn::Held(left) = reserve(&store, &rules, &LIVE).await else { panic!("not held") };
        let held = Duration::from_secs(held);
        assert!(left <= held && left > held - Duration::from_secs(4), "{left:?} of {held:?}");
    }
}

async fn the_budget_is_asked_while_every_other_connection_is_taken(plan: Plan) {
    let store = plan.database.store().await.unwrap();
    let mut held = Vec::new();
    for _ in 0..store.pool_use().max {
        held.push(store.begin().await.unwrap());
    }
    reserved(&store, &Rules::new(100), &LIVE).await;
    drop(held);
}
