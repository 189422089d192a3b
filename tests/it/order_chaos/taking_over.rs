//! One schedule written out, for people to read: a replica falls silent while it holds an order, and another one takes over.

use haier_integration::domain::orders::OrderState;

use super::{
    play::Play,
    schedule::{Act, Blow, Schedule},
};
use crate::support::{Plan, on_postgres};

on_postgres!(
    an_order_in_the_hands_of_a_dead_replica_is_taken_over_after_its_lease,
    a_replica_that_wakes_after_its_lease_sends_nothing_again,
);

async fn begin(plan: Plan) -> Play {
    let schedule = Schedule {
        replicas: 2,
        orders: 1,
        deadline: 86_400,
        by_online_no: false,
        callback_delay_ms: 600_000,
        faults: Vec::new(),
        lasting: false,
        acts: Vec::new(),
    };
    Box::pin(Play::begin(plan, schedule, 0)).await
}

/// A push is in Haier's book, and whoever sent it never hears of it; then the other replica is alone.
async fn taken_over(play: &mut Play, blow: Blow) {
    play.act(Act::Hit { order: 0, replica: 0, fault: "booked_then_hang", blow }).await;
    // The lease holds for 30 s, whether anybody is there or not.
    for (seconds, state, facts) in [
        (20, OrderState::Accepted, 1),
        (11, OrderState::InDoubt, 2),
        // What was sent may arrive for a minute.
        (50, OrderState::InDoubt, 2),
        (11, OrderState::Pushed, 4),
    ] {
        play.act(Act::Turn { seconds }).await;
        play.act(Act::Quiet).await;
        let known = play.left().await.known.remove(0);
        assert_eq!((known.state, known.facts.len()), (state, facts), "{:?}", known.facts);
    }
    assert_eq!(play.left().await.book.len(), 1);
}

async fn an_order_in_the_hands_of_a_dead_replica_is_taken_over_after_its_lease(plan: Plan) {
    let mut play = begin(plan).await;
    taken_over(&mut play, Blow::Kill { seconds: 0 }).await;
    Box::pin(play.end()).await;
}

async fn a_replica_that_wakes_after_its_lease_sends_nothing_again(plan: Plan) {
    let mut play = begin(plan).await;
    taken_over(&mut play, Blow::Stop).await;
    play.act(Act::GoOn).await;
    play.act(Act::Quiet).await;
    assert_eq!(play.left().await.received.values().sum::<u64>(), 2);
    Box::pin(play.end()).await;
}
