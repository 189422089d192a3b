//! Which times Haier was told of after the order itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::facts::{ChangeAnswer, Fact, FactKind};

/// Times that Haier has taken last; `None`: as they are in the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ToldTimes {
    /// The end of the day of delivery.
    pub distribution_time: Option<DateTime<Utc>>,
    /// The end of the day of installation.
    pub install_time: Option<DateTime<Utc>>,
}

impl ToldTimes {
    /// What these facts say together, in whatever order they came.
    #[must_use]
    pub fn of(facts: &[Fact]) -> Self {
        let done: BTreeSet<i64> = facts
            .iter()
            .filter_map(|fact| match fact.kind {
                FactKind::ChangeEnded { number, answer: ChangeAnswer::Done, .. } => Some(number),
                _ => None,
            })
            .collect();
        let wanted: BTreeMap<i64, Self> = facts
            .iter()
            .filter_map(|fact| match fact.kind {
                FactKind::RescheduleRequested { number, distribution_time, install_time, .. } => {
                    Some((number, Self { distribution_time, install_time }))
                }
                _ => None,
            })
            .filter(|(number, _)| done.contains(number))
            .collect();
        // Haier is told in the order of the numbers; a time that is left out stays.
        wanted.into_values().fold(Self::default(), |told, next| Self {
            distribution_time: next.distribution_time.or(told.distribution_time),
            install_time: next.install_time.or(told.install_time),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_times_that_haier_has_taken_count() {
        let day = |day: i64| DateTime::from_timestamp(day * 86_400 - 1, 0);
        let wanted = |number, distribution_time, install_time| FactKind::RescheduleRequested {
            number,
            distribution_time,
            install_time,
            by: String::new(),
        };
        let ended = |number, answer| FactKind::ChangeEnded { number, attempt: 1, answer };
        let refused = || ChangeAnswer::Refused { words: String::new() };
        let kinds = [
            wanted(1, day(1), day(2)),
            ended(1, ChangeAnswer::Done),
            wanted(2, day(3), None),
            ended(2, ChangeAnswer::Done),
            wanted(3, day(4), day(4)),
            ended(3, refused()),
            wanted(4, day(5), day(5)),
        ];
        let mut facts = kinds.map(|kind| Fact { at: DateTime::UNIX_EPOCH, kind });
        let told = ToldTimes { distribution_time: day(3), install_time: day(2) };
        assert_eq!(ToldTimes::of(&facts), told);
        facts.reverse();
        assert_eq!(ToldTimes::of(&facts), told);
        assert_eq!(ToldTimes::of(&[]), ToldTimes::default());
    }
}
