//! A service left alone for a week of a turned clock, three replicas of it on PostgreSQL, while Haier's catalogue changes: it
//! keeps the ages that it promises, fires every slot once, and a reader who is cut again and again sees every change once.
//!
//! The standard cadences would be 1,700 runs. Here the listing, the prices and the stock in front are asked for every six hours,
//! other stock every twelve, and the whole daily; nothing limits the calls.

mod firings;
mod market;
mod reader;

use chrono::TimeDelta;
use haier_integration::{
    domain::clock::Clock as _,
    proto::{RunScheduleNowRequest, SyncStatus},
};
use tokio::sync::watch;

use crate::{
    product_changes::listed,
    support::{Client, Plan, on_both_databases, within},
};

use firings::Firings;
use market::Market;

on_both_databases!(a_service_left_alone_for_a_week);

const PRODUCTS: u64 = 200;
const CUTS: usize = 100;

async fn a_service_left_alone_for_a_week(plan: Plan) {
    let world = Box::pin(plan.turned().products(PRODUCTS).start()).await;
    let mut others = Vec::new();
    if world.database.is_postgres() {
        // SQLite's file belongs to one process, so that there the one replica is all there is.
        others = vec![Box::pin(world.replica()).await, Box::pin(world.replica()).await];
    }
    let mut replicas = vec![world.client()];
    for other in &others {
        replicas.push(Client::connect(format!("http://{}", other.grpc_addr())).await.unwrap());
    }
    let mut firings = Firings::begin(&world, &replicas).await;
    let first = RunScheduleNowRequest { name: "stock-rest".to_owned() };
    let first = world.administration().await.run_schedule_now(first).await.unwrap().into_inner().sync_log_id;
    assert_eq!(world.watch(first).await.pop().unwrap().status(), SyncStatus::Success);
    firings.settle().await;

    let (_, start) = listed(&world, "").await;
    let mut market = Market::open(&world).await;
    let (last, last_seen) = watch::channel(None);
    let week = async {
        let end = world.clock().now() + TimeDelta::days(7);
        while world.clock().now() < end {
            if world.clock().now() < end - market::NOTICED {
                market.change(&world).await;
            }
            firings.turn().await;
        }
        last.send_replace(Some(listed(&world, &start).await.1));
    };
    let (read, ()) = tokio::join!(reader::read(&replicas, start.clone(), last_seen), Box::pin(week));

    assert_eq!(read.seen, listed(&world, &start).await.0, "what was read is not what is stored");
    assert!(read.cuts >= CUTS, "the reader was cut only {} times", read.cuts);
    market.is_told(&read.seen);
    // Before Haier is asked by anybody else.
    firings.ran_once(first, market.arrivals(), &market.passing()).await;
    market.is_stored(&world).await;
    drop((firings, replicas));
    for service in others {
        within(Box::pin(service.stop())).await;
    }
    world.finish().await;
}
