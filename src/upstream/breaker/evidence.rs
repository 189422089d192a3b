//! What failures prove: an outage of the operation, or a fault of some products or orders alone.
//!
//! A failure proves an outage only together with failures about other things. Each entry below is a set of codes of which
//! one could explain all the failures it stands for: a batch of 20 that fails and is split leaves one entry, narrowed to
//! the code that spoils it. When something else succeeds, the entries so far were no outage: they move `apart`, and their
//! further failures prove nothing while others go on succeeding.

use chrono::{DateTime, TimeDelta, Utc};

use crate::upstream::subject::Subject;

/// How long after the last success a failure of what stands apart still proves nothing. Longer than a batch takes to be
/// split down to one code; short enough that an outage that follows is noticed.
const APART_FOR: TimeDelta = TimeDelta::minutes(2);
/// Entries of each kind that are kept; the oldest go first.
const MAX_ENTRIES: usize = 1_024;

/// Failures since the last success, and those that others' successes have explained.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Failures in a row of calls about the operation as a whole.
    whole: u32,
    /// Of calls about something: no two entries share a code.
    in_a_row: Vec<Subject>,
    /// Failed while others succeeded.
    apart: Vec<Subject>,
    last_success: Option<DateTime<Utc>>,
}

/// What one more failure proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// One more sign of an outage.
    Outage,
    /// Nothing new: what failed in this row before has failed again.
    Repeated,
    /// Nothing: it fails while others succeed.
    Apart,
}

impl Evidence {
    /// Independent failures since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.whole.saturating_add(u32::try_from(self.in_a_row.len()).unwrap_or(u32::MAX))
    }

    /// Whether this has failed and not succeeded since: it is no good probe.
    pub(super) fn suspects(&self, subject: &Subject) -> bool {
        self.in_a_row.iter().chain(&self.apart).any(|entry| entry.overlaps(subject))
    }

    pub(super) fn failed(&mut self, subject: &Subject, now: DateTime<Utc>) -> Proof {
        if subject.is_whole() {
            self.whole = self.whole.saturating_add(1);
            return Proof::Outage;
        }
        // A success that lies ahead was before the clock was set back.
        let others_succeed =
            self.last_success.is_some_and(|at| (TimeDelta::zero()..APART_FOR).contains(&(now - at)));
        if others_succeed && narrow(&mut self.apart, subject) {
            return Proof::Apart;
        }
        if narrow(&mut self.in_a_row, subject) {
            return Proof::Repeated;
        }
        push(&mut self.in_a_row, subject.clone());
        Proof::Outage
    }

    pub(super) fn succeeded(&mut self, subject: &Subject, now: DateTime<Utc>) {
        self.last_success = Some(now);
        self.whole = 0;
        for entry in std::mem::take(&mut self.in_a_row) {
            push(&mut self.apart, entry);
        }
        self.apart.retain_mut(|entry| {
            entry.remove(subject);
            !entry.is_whole()
        });
    }
}

/// Narrows the entry that this failure may share its cause with; `false`: there is none.
fn narrow(entries: &mut [Subject], subject: &Subject) -> bool {
    let found = entries.iter_mut().find(|entry| entry.overlaps(subject));
    found.map(|entry| entry.narrow_to(subject)).is_some()
}

fn push(entries: &mut Vec<Subject>, entry: Subject) {
    if entries.len() >= MAX_ENTRIES {
        entries.remove(0);
    }
    entries.push(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn codes(codes: &[&str]) -> Subject {
        Subject::of(codes.iter().copied())
    }

    #[test]
    fn a_batch_that_is_split_down_to_its_bad_code_counts_once() {
        let mut evidence = Evidence::default();
        let batches: [&[&str]; 4] = [&["a", "b", "c", "d"], &["a", "b"], &["a"], &["a"]];
        let proofs = batches.map(|batch| evidence.failed(&codes(batch), NOW));
        assert_eq!(proofs, [Proof::Outage, Proof::Repeated, Proof::Repeated, Proof::Repeated]);
        // The other half fails too: one code cannot explain both.
        assert_eq!(evidence.failed(&codes(&["c", "d"]), NOW), Proof::Outage);
        assert_eq!(evidence.failures(), 2);
    }

    #[test]
    fn what_fails_while_others_succeed_proves_nothing_until_they_have_not_for_a_while() {
        let mut evidence = Evidence::default();
        evidence.failed(&codes(&["a", "b"]), NOW);
        evidence.succeeded(&codes(&["c"]), NOW);
        assert_eq!(evidence.failures(), 0);
        assert_eq!(evidence.failed(&codes(&["a"]), NOW), Proof::Apart);
        assert!(evidence.suspects(&codes(&["a", "z"])) && !evidence.suspects(&codes(&["b"])));
        assert_eq!(evidence.failed(&codes(&["a"]), NOW + APART_FOR), Proof::Outage);
        evidence.succeeded(&codes(&["a"]), NOW);
        assert!(!evidence.suspects(&codes(&["a"])), "it succeeds again");
    }

    #[test]
    fn every_failure_of_the_operation_as_a_whole_counts() {
        let mut evidence = Evidence::default();
        assert_eq!(evidence.failed(Subject::WHOLE, NOW), Proof::Outage);
        assert_eq!(evidence.failed(Subject::WHOLE, NOW), Proof::Outage);
        assert_eq!(evidence.failures(), 2);
        evidence.succeeded(Subject::WHOLE, NOW);
        assert_eq!(evidence.failures(), 0);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut evidence = Evidence::default();
        for code in 0..3 * MAX_ENTRIES {
            evidence.failed(&codes(&[&code.to_string()]), NOW);
        }
        evidence.succeeded(&codes(&["other"]), NOW);
        assert_eq!(evidence.apart.len(), MAX_ENTRIES);
    }
}
