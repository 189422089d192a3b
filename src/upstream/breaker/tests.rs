//! The breaker under a clock that the test turns.

use std::sync::Mutex;

use super::*;
use crate::domain::clock::BoxFuture;

struct Turned(Mutex<DateTime<Utc>>);

impl Turned {
    fn by(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for Turned {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

fn breaker(failures: u32, probes: u32) -> (Breaker, Arc<Turned>) {
    let clock = Arc::new(Turned(Mutex::new(DateTime::UNIX_EPOCH)));
    let settings = BreakerSettings { failures, open: Duration::from_secs(30), probes };
    (Breaker::new(Endpoint::Prices, settings, clock.clone()), clock)
}

fn send(breaker: &Breaker, health: Health) {
    send_about(breaker, Subject::WHOLE, health);
}

fn send_about(breaker: &Breaker, subject: &Subject, health: Health) {
    breaker.admit(subject).unwrap_or_else(|error| panic!("{error}")).tell(Err(health));
}

fn refused(breaker: &Breaker) -> Option<Duration> {
    refused_about(breaker, Subject::WHOLE)
}

fn refused_about(breaker: &Breaker, subject: &Subject) -> Option<Duration> {
    breaker.admit(subject).err().map(|error| {
        assert_eq!(error.reason, Reason::BreakerOpen);
        error.retry_after.unwrap()
    })
}

#[test]
fn only_outages_in_a_row_open_it() {
    let (breaker, _) = breaker(3, 1);
    for health in [Health::Down, Health::Down, Health::Up, Health::Down, Health::Unclear, Health::Down] {
        send(&breaker, health);
    }
    assert_eq!(breaker.status().state, BreakerState::Closed);
    send(&breaker, Health::Down);
    assert_eq!(refused(&breaker), Some(Duration::from_secs(30)));
    assert_eq!(breaker.status().failures, 3);
}

#[test]
fn after_its_time_a_few_probes_decide() {
    let (breaker, clock) = breaker(1, 2);
    send(&breaker, Health::Down);
    clock.by(29);
    assert_eq!(refused(&breaker), Some(Duration::from_secs(1)));
    clock.by(1);
    let (one, other) = (breaker.admit(Subject::WHOLE).unwrap(), breaker.admit(Subject::WHOLE).unwrap());
    assert_eq!(refused(&breaker), Some(PROBES_OUT));
    one.tell(Ok(()));
    assert_eq!(refused(&breaker), Some(PROBES_OUT), "a probe that succeeded keeps its place");
    other.tell(Ok(()));
    assert_eq!(breaker.status().state, BreakerState::Closed);

    send(&breaker, Health::Down);
    clock.by(30);
    let (one, other) = (breaker.admit(Subject::WHOLE).unwrap(), breaker.admit(Subject::WHOLE).unwrap());
    one.tell(Err(Health::Down));
    assert_eq!(refused(&breaker), Some(Duration::from_secs(30)));
    other.tell(Ok(()));
    assert_eq!(breaker.status().state, BreakerState::Open, "a probe of before says nothing");
}

#[test]
fn one_code_that_always_fails_opens_no_breaker_and_keeps_none_open() {
    let (breaker, clock) = breaker(2, 1);
    let code = |code: &str| Subject::of([code]);
    let (bad, other, third) = (code("bad"), code("other"), code("third"));
    for _ in 0..100 {
        send_about(&breaker, &bad, Health::Down);
    }
    assert_eq!(breaker.status().state, BreakerState::Closed);
    // Two codes make an outage.
    send_about(&breaker, &other, Health::Down);
    assert_eq!(breaker.status().state, BreakerState::Open);

    // What opened it is no probe, as long as others may come.
    clock.by(30);
    assert_eq!(refused_about(&breaker, &bad), Some(PROBES_OUT));
    send_about(&breaker, &third, Health::Up);
    assert_eq!(breaker.status().state, BreakerState::Closed);
    for _ in 0..100 {
        send_about(&breaker, &bad, Health::Down);
        send_about(&breaker, &other, Health::Down);
    }
    assert_eq!(breaker.status().state, BreakerState::Closed, "both fail while others succeed");
}

#[test]
fn where_nobody_else_comes_what_opened_it_is_the_probe() {
    let (breaker, clock) = breaker(1, 1);
    let code = Subject::of(["code"]);
    send_about(&breaker, &code, Health::Down);
    clock.by(30);
    assert_eq!(refused_about(&breaker, &code), Some(PROBES_OUT));
    clock.by(1);
    send_about(&breaker, &code, Health::Down);
    assert_eq!(breaker.status().state, BreakerState::Open);
    clock.by(30);
    assert_eq!(refused_about(&breaker, &code), Some(PROBES_OUT));
    clock.by(1);
    send_about(&breaker, &code, Health::Up);
    assert_eq!(breaker.status().state, BreakerState::Closed);
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_it_open() {
    let (breaker, clock) = breaker(1, 1);
    clock.by(7_200);
    send(&breaker, Health::Down);
    assert!(breaker.hold().is_some());
    clock.by(-3_600);
    assert_eq!(breaker.status().state, BreakerState::HalfOpen);
    assert!(breaker.hold().is_none() && breaker.free() == Some(1));
    send(&breaker, Health::Up);
    assert_eq!(breaker.status().state, BreakerState::Closed);
}

#[test]
fn a_dropped_probe_frees_its_place() {
    let (breaker, clock) = breaker(1, 1);
    send(&breaker, Health::Down);
    clock.by(30);
    for _ in 0..5 {
        drop(breaker.admit(Subject::WHOLE).unwrap());
    }
    send(&breaker, Health::Unclear);
    send(&breaker, Health::Up);
    assert_eq!(breaker.status().state, BreakerState::Closed);
}

#[test]
fn what_was_sent_while_it_was_closed_does_not_count_as_a_probe() {
    let (breaker, clock) = breaker(1, 1);
    let early = breaker.admit(Subject::WHOLE).unwrap();
    send(&breaker, Health::Down);
    clock.by(30);
    let probe = breaker.admit(Subject::WHOLE).unwrap();
    early.tell(Ok(()));
    assert_eq!(breaker.status().state, BreakerState::HalfOpen);
    probe.tell(Ok(()));
    assert_eq!(breaker.status().state, BreakerState::Closed);
}

#[test]
fn a_person_is_called_once_until_the_operation_has_succeeded_again() {
    let (breaker, _) = breaker(5, 1);
    let forbidden = Error::of(crate::upstream::matrix::of_status(403), "403");
    let refused = || {
        breaker.admit(Subject::WHOLE).unwrap_or_else(|error| panic!("{error}")).tell(Err(forbidden.health));
        breaker.alert(&forbidden)
    };
    assert_eq!([refused(), refused(), refused()], [true, false, false]);
    breaker.admit(Subject::WHOLE).unwrap_or_else(|error| panic!("{error}")).tell(Ok(()));
    assert!(refused());
}

#[test]
fn what_is_asked_before_a_call_takes_no_place_and_a_kept_place_is_a_probe() {
    let (breaker, clock) = breaker(1, 1);
    assert!(breaker.hold().is_none() && breaker.free().is_none());
    send(&breaker, Health::Down);
    let held = breaker.hold().unwrap();
    assert_eq!((held.retry_after, breaker.free()), (Some(Duration::from_secs(30)), Some(0)));
    clock.by(10);
    assert_eq!(breaker.hold().unwrap().detail, held.detail, "its words stay");
    clock.by(20);
    assert!(breaker.hold().is_none() && breaker.free() == Some(1));
    let admit = || breaker.admit(Subject::WHOLE).unwrap_or_else(|error| panic!("{error}")).detach();
    let kept = admit();
    assert!(breaker.hold().is_some() && breaker.free() == Some(0));
    drop(breaker.resume(kept, Subject::WHOLE));
    assert_eq!(breaker.free(), Some(1), "dropped unused");
    breaker.resume(admit(), Subject::WHOLE).tell(Ok(()));
    assert_eq!(breaker.status().state, BreakerState::Closed);
}
