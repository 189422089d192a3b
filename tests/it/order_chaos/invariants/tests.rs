//! The judgement itself: it is silent when all is well, and each thing that could go wrong makes it complain.

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::domain::{
    orders::{
        OrderState,
        facts::{Fact, FactKind, PushAnswer},
    },
    reasons::Reason,
};

use super::{Booked, Known, Left};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn began(second: i64, attempt: i64, account: &str) -> Fact {
    let account = account.to_owned();
    Fact { at: at(second), kind: FactKind::PushBegan { attempt, round: 0, account } }
}

fn ended(second: i64, attempt: i64, answer: PushAnswer) -> Fact {
    Fact { at: at(second), kind: FactKind::PushEnded { attempt, answer } }
}

fn in_doubt() -> PushAnswer {
    PushAnswer::InDoubt { reason: Reason::ServerError, words: String::new() }
}

/// In doubt after the first attempt, found by the second.
fn well() -> Left {
    let repeated = PushAnswer::Repeated { words: String::new(), retail_order_no: None };
    let facts =
        vec![began(0, 1, "first"), ended(1, 1, in_doubt()), began(61, 2, "first"), ended(62, 2, repeated)];
    Left {
        accepted: ["SO-1".to_owned()].into(),
        known: vec![Known {
            so_id: "SO-1".to_owned(),
            state: OrderState::Pushed,
            sender: Some(("first".to_owned(), "8800000001".to_owned())),
            retail_order_no: None,
            facts,
        }],
        feed: vec![(1, "SO-1".to_owned(), OrderState::Accepted), (2, "SO-1".to_owned(), OrderState::Pushed)],
        book: vec![Booked {
            so_id: "SO-1".to_owned(),
            seller_code: "8800000001".to_owned(),
            retail_order_no: "HMM1".to_owned(),
            state: "confirmed".to_owned(),
            distribution_time: None,
            bodies: 1,
        }],
        received: [("SO-1".to_owned(), 2)].into(),
        doubt_wait: TimeDelta::seconds(60),
        ..Left::default()
    }
}

fn complaints(spoil: impl FnOnce(&mut Left)) -> String {
    let mut left = well();
    spoil(&mut left);
    left.complaints().join("\n")
}

#[test]
fn nothing_is_said_when_all_is_well() {
    assert_eq!(well().complaints(), Vec::<String>::new());
}

#[test]
fn a_doubled_book_a_lost_order_and_a_state_that_lies_are_told() {
    assert!(complaints(|left| left.book.push(left.book[0].clone())).contains("2 times in the book"));
    assert!(complaints(|left| left.book.clear()).contains("is pushed here and nothing in the book"));
    assert!(complaints(|left| left.known.clear()).contains("was accepted, and is stored 0 times"));
    assert!(complaints(|left| left.known[0].state = OrderState::GivenUp).contains("is given_up here"));
    assert!(
        complaints(|left| left.book[0].seller_code = "8800000002".to_owned()).contains("8800000002's there")
    );
    assert!(complaints(|left| left.book[0].bodies = 2).contains("2 different words"));
    let heard = ("SO-1".to_owned(), "confirm".to_owned());
    assert!(complaints(|left| left.heard = [heard].into()).contains("is pushed here and confirmed"));
}

#[test]
fn a_push_too_many_is_told_even_where_haier_books_it_once() {
    let said = complaints(|left| left.known[0].facts[2].at = at(60));
    assert!(said.contains("attempt 2 began when 1 might still arrive"), "{said}");
    let said = complaints(|left| left.known[0].facts.swap(1, 2));
    assert!(said.contains("attempt 2 began while 1 was under way"), "{said}");
    let said = complaints(|left| left.known[0].facts[2] = began(61, 2, "second"));
    assert!(said.contains("attempt 2 began under second"), "{said}");
    let said = complaints(|left| left.known[0].facts.push(began(100, 2, "first")));
    assert!(said.contains("attempt 2 began twice"), "{said}");
    let said = complaints(|left| left.known[0].facts.clear());
    assert!(said.contains("was sent without a word about it"), "{said}");
}

#[test]
fn a_silent_doubt_and_what_is_left_behind_are_told() {
    let doubt = |left: &mut Left| {
        left.known[0].state = OrderState::InDoubt;
        left.known[0].facts.truncate(2);
        left.feed[1].2 = OrderState::InDoubt;
        left.unanswered = ["SO-1".to_owned()].into();
        left.open_logs = 1;
    };
    assert_eq!(complaints(doubt), "SO-1: is in doubt, and nobody was alerted");
    let told = |left: &mut Left| {
        doubt(left);
        left.log = "ERROR an order is in doubt beyond its deadline so_id=\"SO-1\"".to_owned();
    };
    assert_eq!(complaints(told), "");
    assert!(complaints(|left| left.leased = 1).contains("1 orders are left leased"));
    assert!(complaints(|left| left.unapplied = 1).contains("1 callbacks are left unapplied"));
    assert!(complaints(|left| left.open_logs = 1).contains("1 sync logs are open"));
    assert!(complaints(|left| left.feed[1].0 = 3).contains("the feed has 3 where 2 should be"));
    let said = complaints(|left| left.known[0].facts.push(began(100, 3, "first")));
    assert!(said.contains("has begun Push(3), which nobody ended"), "{said}");
    assert!(complaints(|left| left.log = "13912345678".to_owned()).contains("stands in the log"));
}
