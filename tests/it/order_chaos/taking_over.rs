//! Schedules written out, for people to read: a replica falls silent while it holds an order, and another one, or itself,
//! takes over; and what is told of an order that stays in doubt.

use chrono::TimeDelta;
use haier_integration::domain::{
    orders::{
        OpenAttempt, OrderState,
        derive::derive,
        facts::{FactKind, PushAnswer},
    },
    reasons::Reason,
};
use serde_json::json;

use super::{
    invariants::Known,
    play::{LOOK_AGAIN, Play},
    schedule::{Act, Blow, Schedule},
};
use crate::support::{Plan, on_both_databases, on_postgres, within};

on_postgres!(
    an_order_in_the_hands_of_a_dead_replica_is_taken_over_after_its_lease,
    a_replica_that_wakes_after_its_lease_sends_nothing_again,
    what_a_callback_has_settled_is_ended_when_its_sender_is_gone,
);

on_both_databases!(
    what_waited_for_longer_than_its_lease_is_not_begun,
    a_doubt_beyond_its_deadline_is_told_though_nothing_can_be_sent,
);

const DEADLINE: i64 = 86_400;

async fn begin(plan: Plan, replicas: usize, deadline: i64) -> Play {
    let schedule = Schedule {
        replicas,
        orders: 1,
        deadline,
        by_online_no: false,
        callback_delay_ms: 600_000,
        faults: Vec::new(),
        lasting: false,
        breaker_failures: 100_000,
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
    let mut play = begin(plan, 2, DEADLINE).await;
    taken_over(&mut play, Blow::Kill { seconds: 0 }).await;
    Box::pin(play.end()).await;
}

async fn a_replica_that_wakes_after_its_lease_sends_nothing_again(plan: Plan) {
    let mut play = begin(plan, 2, DEADLINE).await;
    taken_over(&mut play, Blow::Stop).await;
    play.act(Act::GoOn).await;
    play.act(Act::Quiet).await;
    assert_eq!(play.left().await.received.values().sum::<u64>(), 2);
    Box::pin(play.end()).await;
}

/// The order when so many facts are known of it.
async fn facts(play: &Play, count: usize) -> Known {
    let mut sleepers = play.house.clock.sleepers();
    within(async {
        loop {
            let known = play.left().await.known.remove(0);
            if known.facts.len() >= count {
                return known;
            }
            // Who has stored what came of it goes to sleep; whoever sleeps too long is woken.
            if tokio::time::timeout(LOOK_AGAIN, sleepers.changed()).await.is_err() {
                play.house.clock.turn(TimeDelta::seconds(1));
            }
        }
    })
    .await
}

/// Whoever waits for a token for longer than his lease has begun nothing: another one begins, and the order is sent once.
async fn what_waited_for_longer_than_its_lease_is_not_begun(plan: Plan) {
    let mut play = begin(plan, 1, DEADLINE).await;
    let (clock, gate) = (play.house.clock.clone(), play.house.gate.clone());
    gate.close();
    play.act(Act::Push { order: 0, replica: 0, wait: false }).await;
    gate.reached().await;
    clock.turn(TimeDelta::seconds(31));
    assert!(play.left().await.known[0].facts.is_empty());
    gate.open();
    let known = facts(&play, 2).await;
    let FactKind::PushEnded { attempt: 1, answer: PushAnswer::Booked { .. } } = &known.facts[1].kind else {
        panic!("{:?}", known.facts);
    };
    assert_eq!(play.left().await.received.values().sum::<u64>(), 1);
    Box::pin(play.end()).await;
}

/// Haier has told by a callback what its answer would have said, but for its number: other times need that, and wait for an
/// operator to look it up.
async fn what_a_callback_has_settled_is_ended_when_its_sender_is_gone(plan: Plan) {
    let mut play = begin(plan, 1, DEADLINE).await;
    let blow = Blow::Kill { seconds: 0 };
    play.act(Act::Hit { order: 0, replica: 0, fault: "booked_then_hang", blow }).await;
    play.act(Act::CallBack).await;
    play.act(Act::Reschedule { order: 0, replica: 0, days: 3 }).await;
    play.act(Act::Quiet).await;
    let known = play.left().await.known.remove(0);
    assert_eq!((known.state, derive(&known.facts).open), (OrderState::Confirmed, Some(OpenAttempt::Push(1))));
    play.act(Act::Turn { seconds: 31 }).await;
    play.act(Act::Quiet).await;
    let left = play.left().await;
    let standing = derive(&left.known[0].facts);
    assert_eq!((standing.state, standing.open), (OrderState::Confirmed, None), "{:?}", left.known[0].facts);
    assert_eq!(standing.last_error.unwrap().reason, Reason::NumberUnknown);
    assert!(left.log.contains("an order cannot be given other times"));
    play.act(Act::Resolve { order: 0, replica: 0 }).await;
    play.act(Act::Quiet).await;
    let left = play.left().await;
    assert_eq!(derive(&left.known[0].facts).last_error, None);
    assert!(left.book[0].distribution_time.is_some(), "{:?}", left.known[0].facts);
    assert_eq!(left.received.values().sum::<u64>(), 1);
    Box::pin(play.end()).await;
}

async fn a_doubt_beyond_its_deadline_is_told_though_nothing_can_be_sent(plan: Plan) {
    const TOLD: &str = "in doubt beyond its deadline";
    let mut play = begin(plan, 1, 120).await;
    play.act(Act::Fault(json!({ "kind": "server_error", "endpoint": "Y1", "count": 1 }))).await;
    play.act(Act::Push { order: 0, replica: 0, wait: false }).await;
    play.act(Act::Quiet).await;
    // From here on nothing of it arrives.
    play.act(Act::Fault(json!({ "kind": "unauthorized", "endpoint": "Y1" }))).await;
    play.act(Act::Turn { seconds: 61 }).await;
    play.act(Act::Quiet).await;
    let left = play.left().await;
    assert_eq!((left.known[0].state, left.known[0].facts.len()), (OrderState::InDoubt, 4));
    assert!(!left.log.contains(TOLD));
    for _ in 0..4 {
        play.act(Act::Turn { seconds: 60 }).await;
        play.act(Act::Quiet).await;
    }
    let left = play.left().await;
    assert_eq!(left.known[0].state, OrderState::InDoubt);
    assert!(left.log.contains(TOLD), "{:?}", left.known[0].facts);
    Box::pin(play.end()).await;
}
