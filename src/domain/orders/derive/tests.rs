//! The table of precedence, line by line, and what must hold of any set of facts in any order.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::derive;
use crate::domain::{
    orders::{
        facts::{
            Callback, CallbackMethod, ChangeAnswer, Fact, FactKind, PushAnswer, Resolution, ResolvedOutcome,
        },
        plan::PushRules,
        standing::{OpenAttempt, OrderState, Step},
    },
    reasons::Reason,
};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + second, 0).unwrap()
}

/// Facts a second apart.
fn story(kinds: impl IntoIterator<Item = FactKind>) -> Vec<Fact> {
    kinds.into_iter().zip(0..).map(|(kind, second)| Fact { at: at(second), kind }).collect()
}

fn state(kinds: impl IntoIterator<Item = FactKind>) -> OrderState {
    derive(&story(kinds)).state
}

fn began(attempt: i64) -> FactKind {
    FactKind::PushBegan { attempt, round: 0, account: "environment".to_owned() }
}

const fn ended(attempt: i64, answer: PushAnswer) -> FactKind {
    FactKind::PushEnded { attempt, answer }
}

fn booked() -> PushAnswer {
    PushAnswer::Booked { retail_order_no: Some("RO1".to_owned()) }
}

fn repeated() -> PushAnswer {
    PushAnswer::Repeated { words: "订单重复".to_owned(), retail_order_no: None }
}

fn refused() -> PushAnswer {
    PushAnswer::Refused { words: "商品暂不可采".to_owned() }
}

fn in_doubt() -> PushAnswer {
    PushAnswer::InDoubt { reason: Reason::RequestTimeout, words: "no answer".to_owned() }
}

fn not_sent() -> PushAnswer {
    PushAnswer::NotSent {
        reason: Reason::RequestTimeout,
        words: "no connection".to_owned(),
        again_at: None,
        reached: false,
    }
}

fn callback(method: CallbackMethod, success: bool) -> FactKind {
    FactKind::Callback(Callback {
        method,
        time_stamp: "20260101120000".to_owned(),
        data: "{}".to_owned(),
        success,
        haier_order_no: success.then(|| "SO.1".to_owned()),
        words: "商品缺货".to_owned(),
    })
}

fn said(outcome: ResolvedOutcome, attempts: i64) -> FactKind {
    let (evidence, by) = ("asked Haier by phone".to_owned(), "ops".to_owned());
    FactKind::Resolved(Resolution { outcome, attempts, retail_order_no: None, evidence, by })
}

fn cancel(number: i64) -> FactKind {
    FactKind::CancelRequested { number, reason: "changed his mind".to_owned(), by: "shop".to_owned() }
}

fn reschedule(number: i64) -> FactKind {
    let by = "shop".to_owned();
    FactKind::RescheduleRequested { number, distribution_time: Some(at(0)), install_time: None, by }
}

const fn changed(number: i64, answer: ChangeAnswer) -> FactKind {
    FactKind::ChangeEnded { number, attempt: 1, answer }
}

use CallbackMethod::{Cancel, Confirm, OutOfStock};
use OrderState as State;

#[test]
fn the_table_of_precedence_holds_line_by_line() {
    assert_eq!(state([]), State::Accepted);
    assert_eq!(state([began(1)]), State::Accepted, "under way");
    assert_eq!(state([began(1), ended(1, not_sent())]), State::Accepted);
    assert_eq!(state([began(1), ended(1, refused())]), State::Refused);
    assert_eq!(state([began(1), ended(1, in_doubt())]), State::InDoubt);
    assert_eq!(state([began(1), ended(1, booked())]), State::Pushed);
    let push = [began(1), ended(1, booked())];
    let with = |more: &[FactKind]| state(push.iter().chain(more).cloned());
    assert_eq!(with(&[callback(Confirm, false)]), State::Refused);
    assert_eq!(with(&[callback(Confirm, false), callback(Confirm, true)]), State::Confirmed);
    assert_eq!(with(&[callback(OutOfStock, false), callback(Confirm, true)]), State::OutOfStock);
    let all = [callback(Cancel, true), callback(OutOfStock, false), callback(Confirm, true)];
    assert_eq!(with(&all), State::Cancelled);
    assert_eq!(with(&[callback(Confirm, true), callback(Cancel, false)]), State::Confirmed);
}

#[test]
fn a_repeated_refusal_proves_that_an_earlier_attempt_arrived_and_nothing_without_one() {
    let lost = [began(1), ended(1, in_doubt()), began(2), ended(2, repeated())];
    assert_eq!(state(lost), State::Pushed);
    let alone = derive(&story([began(1), ended(1, repeated())]));
    assert_eq!((alone.state, alone.last_error.unwrap().reason), (State::Refused, Reason::OrderRepeated));
    let unsent = [began(1), ended(1, not_sent()), began(2), ended(2, repeated())];
    assert_eq!(state(unsent), State::Refused, "what was never sent did not arrive");
    let again = FactKind::RetryRequested { round: 1, by: String::new() };
    let twice = [began(1), ended(1, repeated()), again, began(2), ended(2, repeated())];
    assert_ne!(state(twice), State::Pushed, "the first refusal says that it was there before us");
    let restored = [FactKind::Doubted { by: "ops".to_owned() }, began(1), ended(1, repeated())];
    assert_eq!(state(restored), State::Pushed);
}

#[test]
fn a_refusal_in_other_words_says_nothing_of_an_earlier_attempt() {
    let facts = story([began(1), ended(1, in_doubt()), began(2), ended(2, refused())]);
    let standing = derive(&facts);
    assert_eq!((standing.state, standing.step), (State::InDoubt, Step::Push));
    assert_eq!(standing.last_error.unwrap().words, "商品暂不可采");
}

#[test]
fn doubt_is_never_given_up() {
    let gave_up = FactKind::GaveUp { round: 0 };
    assert_eq!(state([began(1), ended(1, not_sent()), gave_up.clone()]), State::GivenUp);
    assert_eq!(state([began(1), ended(1, in_doubt()), gave_up.clone()]), State::InDoubt);
    assert_eq!(state([began(1), gave_up]), State::Accepted, "under way");
}

#[test]
fn an_operators_word_settles_the_attempts_he_spoke_of_and_no_later_one() {
    let lost = [began(1), ended(1, in_doubt())];
    let with = |more: &[FactKind]| derive(&story(lost.iter().chain(more).cloned()));
    assert_eq!(with(&[said(ResolvedOutcome::Booked, 1)]).state, State::Pushed);
    let not = said(ResolvedOutcome::NotBooked, 1);
    assert_eq!(
        (with(std::slice::from_ref(&not)).state, with(std::slice::from_ref(&not)).step),
        (State::Accepted, Step::Push)
    );
    assert_eq!(with(&[not.clone(), began(2), ended(2, in_doubt())]).state, State::InDoubt);
    let right = with(&[not.clone(), began(2), ended(2, booked())]);
    assert_eq!((right.state, right.contradiction), (State::Pushed, None));
    let wrong = with(&[not.clone(), began(2), ended(2, repeated())]);
    assert!(wrong.state == State::Pushed && wrong.contradiction.is_some());
    let wrong = with(&[not, callback(Confirm, true)]);
    assert!(wrong.state == State::Confirmed && wrong.contradiction.is_some());
}

#[test]
fn what_was_never_sent_is_cancelled_without_a_call_and_what_is_in_doubt_waits() {
    assert_eq!(state([cancel(1)]), State::Cancelled);
    assert_eq!(state([began(1), ended(1, not_sent()), cancel(1)]), State::Cancelled);
    assert_eq!(state([began(1), ended(1, refused()), cancel(1)]), State::Cancelled);
    let under_way = derive(&story([began(1), cancel(1)]));
    assert_eq!((under_way.state, under_way.step), (State::Cancelling, Step::Push));
    let lost = derive(&story([began(1), ended(1, in_doubt()), cancel(1)]));
    assert_eq!((lost.state, lost.step), (State::Cancelling, Step::Push));
    assert!(lost.doubt.is_some());
    let there = derive(&story([began(1), ended(1, in_doubt()), cancel(1), began(2), ended(2, repeated())]));
    assert_eq!((there.state, there.step), (State::Cancelling, Step::Change(1)));
}

#[test]
fn a_refused_cancellation_only_ends_cancelling() {
    let push = [began(1), ended(1, booked()), callback(Confirm, true), cancel(1)];
    let with = |more: &[FactKind]| derive(&story(push.iter().chain(more).cloned()));
    let asked = with(&[changed(1, ChangeAnswer::Done)]);
    assert_eq!((asked.state, asked.step), (State::Cancelling, Step::Nothing), "the callback will tell");
    let refused = with(&[changed(1, ChangeAnswer::Done), callback(Cancel, false)]);
    assert_eq!((refused.state, refused.step), (State::Confirmed, Step::Nothing));
    assert!(refused.last_error.is_some());
    let at_once = with(&[changed(1, ChangeAnswer::Refused { words: "已发货".to_owned() })]);
    assert_eq!(at_once.state, State::Confirmed);
    let already = ChangeAnswer::CancelledAlready { words: "订单已取消".to_owned() };
    let came_off = with(&[changed(1, already)]);
    assert_eq!((came_off.state, came_off.step), (State::Cancelled, Step::Nothing), "its callback was lost");
    // Asked again after that: the old refusal is none of the new one.
    let again = with(&[changed(1, ChangeAnswer::Done), callback(Cancel, false), cancel(2)]);
    assert_eq!((again.state, again.step), (State::Cancelling, Step::Change(2)));
}

#[test]
fn changes_are_told_in_the_order_in_which_they_were_asked_for() {
    let push = [began(1), ended(1, booked()), reschedule(1), cancel(2)];
    let with = |more: &[FactKind]| derive(&story(push.iter().chain(more).cloned())).step;
    assert_eq!(with(&[]), Step::Change(1));
    assert_eq!(with(&[changed(1, ChangeAnswer::Done)]), Step::Change(2));
    let words = String::new();
    let failed = ChangeAnswer::Failed { reason: Reason::RequestTimeout, words, again_at: None };
    assert_eq!(with(&[changed(1, failed)]), Step::Change(2), "it holds up what came later once at most");
}

#[test]
fn other_times_wait_for_haiers_number_and_say_so() {
    let proof = [began(1), ended(1, in_doubt()), began(2), ended(2, repeated()), reschedule(1)];
    let with = |more: &[FactKind]| derive(&story(proof.iter().chain(more).cloned()));
    let waiting = with(&[]);
    assert_eq!((waiting.step, waiting.is_without_number()), (Step::Nothing, true));
    assert_eq!(waiting.last_error.unwrap().reason, Reason::NumberUnknown);
    assert_eq!(with(&[cancel(2)]).step, Step::Change(2));
    let FactKind::Resolved(word) = said(ResolvedOutcome::Booked, 2) else { panic!("not a word") };
    let told = Resolution { retail_order_no: Some("RO1".to_owned()), ..word };
    let told = with(&[FactKind::Resolved(told)]);
    assert_eq!((told.step, told.last_error), (Step::Change(1), None));
    // An answer that is under way may carry it.
    assert_eq!(derive(&story([began(1), callback(Confirm, true), reschedule(1)])).last_error, None);
}

#[test]
fn other_times_are_told_unless_all_of_them_were_replaced() {
    let failed = changed(
        1,
        ChangeAnswer::Failed { reason: Reason::RequestTimeout, words: String::new(), again_at: None },
    );
    let times = |number, delivery: bool, installation: bool| FactKind::RescheduleRequested {
        number,
        distribution_time: delivery.then(|| at(0)),
        install_time: installation.then(|| at(0)),
        by: "shop".to_owned(),
    };
    let push = [began(1), ended(1, booked()), times(1, true, false), failed];
    let next = |more: &[FactKind]| derive(&story(push.iter().chain(more).cloned())).step;
    assert_eq!(next(&[times(2, false, true)]), Step::Change(1), "those of installation are others");
    assert_eq!(next(&[times(2, true, false)]), Step::Change(2));
    assert_eq!(next(&[cancel(2), changed(2, ChangeAnswer::Done), callback(Cancel, false)]), Step::Change(1));
}

#[test]
fn what_has_begun_is_open_until_it_ends_whatever_is_known_meanwhile() {
    let told = derive(&story([began(1), callback(Confirm, true)]));
    assert_eq!((told.state, told.step), (State::Confirmed, Step::Nothing));
    assert_eq!(told.open, Some(OpenAttempt::Push(1)));
    let lost = derive(&story([began(1), callback(Confirm, true), ended(1, in_doubt())]));
    assert_eq!((lost.state, lost.open, lost.doubt), (State::Confirmed, None, None));
    let began = FactKind::ChangeBegan { number: 1, attempt: 1 };
    let changing = derive(&story([cancel(1), began, callback(Cancel, true)]));
    assert_eq!((changing.state, changing.step), (State::Cancelled, Step::Nothing));
    assert_eq!(changing.open, Some(OpenAttempt::Change { number: 1, attempt: 1 }));
}

#[test]
fn haiers_refusal_of_a_change_is_shown_before_what_only_failed_and_nothing_of_what_was_done() {
    let failed =
        || ChangeAnswer::Failed { reason: Reason::RequestTimeout, words: String::new(), again_at: None };
    let refused = || ChangeAnswer::Refused { words: "已发货".to_owned() };
    let push = [began(1), ended(1, booked()), callback(Confirm, true), reschedule(1)];
    let error = |more: &[FactKind]| derive(&story(push.iter().chain(more).cloned())).last_error;
    let second = |answer| FactKind::ChangeEnded { number: 1, attempt: 2, answer };
    let reason = |more: &[FactKind]| error(more).map(|failure| failure.reason);
    assert_eq!(reason(&[changed(1, failed())]), Some(Reason::RequestTimeout));
    assert_eq!(reason(&[changed(1, failed()), second(ChangeAnswer::Done)]), None, "it was done in the end");
    let replaced = [changed(1, failed()), reschedule(2), changed(2, ChangeAnswer::Done)];
    assert_eq!(reason(&replaced), None, "what replaced it was done");
    let hidden = [changed(1, failed()), cancel(2), changed(2, refused()), second(failed())];
    assert_eq!(error(&hidden).unwrap().words, "已发货", "a later failure hides no refusal");
    let by_callback =
        [cancel(2), changed(2, ChangeAnswer::Done), callback(Cancel, false), changed(1, failed())];
    assert_eq!(error(&by_callback).unwrap().words, "商品缺货");
}

#[test]
fn other_times_wait_until_those_that_went_astray_cannot_arrive_any_more() {
    let failed = |reason| ChangeAnswer::Failed { reason, words: String::new(), again_at: None };
    let rules = PushRules {
        schedule: vec![TimeDelta::seconds(5)],
        doubt_wait: TimeDelta::seconds(30),
        deadline: TimeDelta::seconds(600),
    };
    let push = [began(1), ended(1, booked()), reschedule(1)];
    let next = |more: &[FactKind]| {
        let standing = derive(&story(push.iter().chain(more).cloned()));
        (standing.step, rules.next_attempt_at(&standing, at(0), at(600)))
    };
    let lost = changed(1, failed(Reason::RequestTimeout));
    assert_eq!(next(std::slice::from_ref(&lost)), (Step::Change(1), Some(at(3 + 30))));
    assert_eq!(next(&[lost.clone(), reschedule(2)]), (Step::Change(2), Some(at(3 + 30))));
    assert_eq!(next(&[changed(1, failed(Reason::RateLimited)), reschedule(2)]).1, Some(at(0)));
    assert_eq!(next(&[lost, cancel(2)]), (Step::Change(2), Some(at(0))), "a cancellation does not wait");
}

#[test]
fn deriving_takes_time_in_proportion_to_the_facts() {
    let many = |attempts: i64| -> Vec<Fact> {
        let attempt = |attempt| {
            let again = FactKind::RetryRequested { round: attempt, by: String::new() };
            [began(attempt), ended(attempt, in_doubt()), ended(attempt + 100_000, not_sent()), again]
        };
        story((1..=attempts).flat_map(attempt))
    };
    let time = |facts: &[Fact]| {
        let began = std::time::Instant::now();
        std::hint::black_box(derive(facts));
        began.elapsed()
    };
    let (few, all) = (many(1_000), many(16_000));
    let (few, all) = (time(&few).max(time(&few)), time(&all).min(time(&all)));
    // In proportion it is 16 times as much, squared 256 times.
    assert!(all < few * 120, "{few:?} for 1,000 attempts, {all:?} for 16,000");
}

#[test]
fn a_round_begins_when_somebody_wants_what_was_refused_sent_again() {
    let again = FactKind::RetryRequested { round: 1, by: "ops".to_owned() };
    let facts = story([began(1), ended(1, refused()), again]);
    let standing = derive(&facts);
    assert_eq!((standing.state, standing.round, standing.tried.tries), (State::Accepted, 1, 0));
}

#[test]
fn what_could_not_begin_is_of_the_round_in_which_that_was_found() {
    let again = FactKind::RetryRequested { round: 1, by: "ops".to_owned() };
    let words = "no account at the order system is active".to_owned();
    let unsent =
        PushAnswer::NotSent { reason: Reason::NotConfigured, words, again_at: Some(at(60)), reached: false };
    let standing = derive(&story([began(1), ended(1, refused()), again, ended(2, unsent)]));
    assert_eq!((standing.state, standing.tried.last_try_at), (State::Accepted, Some(at(3))));
    let rules = PushRules { schedule: vec![], doubt_wait: TimeDelta::zero(), deadline: TimeDelta::zero() };
    assert_eq!(rules.next_attempt_at(&standing, at(0), at(600)), Some(at(60)), "not again and again at once");
}

#[test]
fn tries_are_scheduled_and_doubt_waits_longest() {
    let seconds = TimeDelta::seconds;
    let rules = PushRules {
        schedule: vec![seconds(5), seconds(60)],
        doubt_wait: seconds(30),
        deadline: seconds(600),
    };
    let next = |kinds: Vec<FactKind>| rules.next_attempt_at(&derive(&story(kinds)), at(0), at(600));
    assert_eq!(next(vec![]), Some(at(0)));
    assert_eq!(next(vec![began(1), ended(1, not_sent())]), Some(at(1 + 5)));
    let twice = vec![began(1), ended(1, not_sent()), began(2), ended(2, not_sent())];
    assert_eq!(next(twice.clone()), Some(at(3 + 60)));
    let thrice = twice.into_iter().chain([began(3), ended(3, not_sent())]);
    assert_eq!(next(thrice.collect()), Some(at(5 + 60)), "the last wait repeats");
    assert_eq!(next(vec![began(1), ended(1, in_doubt())]), Some(at(1 + 30)));
    let wanted = FactKind::RetryRequested { round: 0, by: String::new() };
    assert_eq!(
        next(vec![began(1), ended(1, in_doubt()), wanted.clone()]),
        Some(at(1 + 30)),
        "not even by hand"
    );
    assert_eq!(next(vec![began(1), ended(1, not_sent()), wanted]), Some(at(2)));
    let held = PushAnswer::NotSent {
        reason: Reason::Paused,
        words: String::new(),
        again_at: Some(at(9)),
        reached: false,
    };
    assert_eq!(next(vec![began(1), ended(1, held)]), Some(at(9)));
    assert_eq!(next(vec![began(1), ended(1, booked())]), None);
    let late = PushRules { schedule: vec![seconds(3_600)], ..rules.clone() };
    let standing = derive(&story([began(1), ended(1, not_sent())]));
    assert_eq!(late.next_attempt_at(&standing, at(0), at(600)), Some(at(600)), "a last try at the deadline");
}

fn any_answer() -> impl Strategy<Value = PushAnswer> {
    prop_oneof![
        Just(in_doubt()),
        Just(not_sent()),
        Just(refused()),
        Just(repeated()),
        Just(booked()),
        Just(PushAnswer::Booked { retail_order_no: Some("RO2".to_owned()) }),
    ]
}

fn any_change_answer() -> impl Strategy<Value = ChangeAnswer> {
    let failed = |reason| ChangeAnswer::Failed { reason, words: String::new(), again_at: None };
    prop_oneof![
        Just(ChangeAnswer::Done),
        Just(ChangeAnswer::Refused { words: "已发货".to_owned() }),
        Just(ChangeAnswer::CancelledAlready { words: "已取消".to_owned() }),
        Just(failed(Reason::RequestTimeout)),
        Just(failed(Reason::BreakerOpen)),
    ]
}

fn any_callback() -> impl Strategy<Value = FactKind> {
    let method = prop::sample::select(CallbackMethod::ALL.to_vec());
    (method, any::<bool>(), 0..3_u8, 0..2_u8).prop_map(|(method, success, second, number)| {
        FactKind::Callback(Callback {
            method,
            time_stamp: format!("2026010112000{second}"),
            data: format!("{{\"n\":{number}}}"),
            success,
            haier_order_no: success.then(|| format!("SO.{number}")),
            words: format!("words {number}"),
        })
    })
}

fn any_kind() -> impl Strategy<Value = FactKind> {
    prop_oneof![
        (1..4_i64, 0..2_i64).prop_map(|(attempt, round)| FactKind::PushBegan {
            attempt,
            round,
            account: "environment".to_owned()
        }),
        (1..4_i64, any_answer()).prop_map(|(attempt, answer)| ended(attempt, answer)),
        any_callback(),
        (any::<bool>(), 0..4_i64).prop_map(|(booked, attempts)| {
            said(if booked { ResolvedOutcome::Booked } else { ResolvedOutcome::NotBooked }, attempts)
        }),
        Just(FactKind::Doubted { by: String::new() }),
        (0..2_i64).prop_map(|round| FactKind::RetryRequested { round, by: String::new() }),
        (0..2_i64).prop_map(|round| FactKind::GaveUp { round }),
        (1..4_i64).prop_map(cancel),
        (1..4_i64).prop_map(reschedule),
        (1..4_i64, 1..3_i64).prop_map(|(number, attempt)| FactKind::ChangeBegan { number, attempt }),
        (1..4_i64, 1..3_i64, any_change_answer())
            .prop_map(|(number, attempt, answer)| FactKind::ChangeEnded { number, attempt, answer }),
    ]
}

fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    prop::collection::vec(
        (any_kind(), 0..8_i64).prop_map(|(kind, second)| Fact { at: at(second), kind }),
        0..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_order_of_any_facts_ends_alike((facts, shuffled) in any_facts().prop_flat_map(|facts| {
        let shuffled = Just(facts.clone()).prop_shuffle();
        (Just(facts), shuffled)
    })) {
        prop_assert_eq!(derive(&facts), derive(&shuffled));
    }

    #[test]
    fn a_fact_that_comes_twice_is_one(facts in any_facts()) {
        let twice: Vec<Fact> = facts.iter().chain(&facts).cloned().collect();
        prop_assert_eq!(derive(&facts), derive(&twice));
    }

    #[test]
    fn what_haier_may_have_is_never_called_gone(facts in any_facts()) {
        let standing = derive(&facts);
        let booked = facts.iter().any(|fact| {
            matches!(&fact.kind, FactKind::PushEnded { answer: PushAnswer::Booked { .. }, .. })
        });
        let called_gone = matches!(standing.state, State::GivenUp | State::Accepted | State::InDoubt);
        prop_assert!(!(booked && called_gone), "{:?}", standing);
        let ended_without = matches!(standing.state, State::GivenUp)
            || (standing.state == State::Cancelled && standing.never_there);
        prop_assert!(!(standing.doubt.is_some() && ended_without), "{:?}", standing);
        // Nothing that is open is forgotten.
        prop_assert!(standing.doubt.is_none() || standing.step == Step::Push, "{:?}", standing);
    }
}
