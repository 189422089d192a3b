//! What the order system's callbacks say together. The same one twice is one.

use chrono::{DateTime, Utc};

use super::super::facts::{Callback, CallbackMethod, Fact, FactKind};

pub(super) struct Callbacks<'a> {
    pub(super) cancelled: bool,
    /// In the words of the one that counts.
    pub(super) out_of_stock: Option<&'a str>,
    pub(super) confirmed: bool,
    pub(super) refused: Option<&'a str>,
    pub(super) haier_order_no: Option<&'a str>,
    pub(super) several_numbers: bool,
    /// Refused cancellations, each with when it first came.
    cancel_refusals: Vec<(DateTime<Utc>, &'a Callback)>,
}

/// What a callback says, by rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    CancelRefused,
    Refused,
    Confirmed,
    OutOfStock,
    Cancelled,
}

const fn verdict(callback: &Callback) -> Verdict {
    match (callback.method, callback.success) {
        (CallbackMethod::Cancel, true) => Verdict::Cancelled,
        (CallbackMethod::Cancel, false) => Verdict::CancelRefused,
        // Its name says it all; some carry State 1, "told successfully".
        (CallbackMethod::OutOfStock, _) => Verdict::OutOfStock,
        (CallbackMethod::Confirm, true) => Verdict::Confirmed,
        (CallbackMethod::Confirm, false) => Verdict::Refused,
    }
}

impl<'a> Callbacks<'a> {
    pub(super) fn of(facts: &'a [Fact]) -> Self {
        let mut all: Vec<(DateTime<Utc>, &Callback)> = facts
            .iter()
            .filter_map(|fact| match &fact.kind {
                FactKind::Callback(callback) => Some((fact.at, callback)),
                _ => None,
            })
            .collect();
        // By content, then by arrival, so that of one that came twice the first arrival stays.
        all.sort_by(|a, b| rank(a.1).cmp(&rank(b.1)).then(a.0.cmp(&b.0)));
        all.dedup_by(|later, first| later.1 == first.1);
        // Sorted: of equal rank the greatest TimeStamp, then the greatest bytes, comes last.
        let last = |wanted: Verdict| {
            all.iter().rev().find(|(_, callback)| verdict(callback) == wanted).map(|(_, callback)| *callback)
        };
        let mut numbers: Vec<&str> =
            all.iter().filter_map(|(_, callback)| callback.haier_order_no.as_deref()).collect();
        let haier_order_no = numbers.last().copied();
        numbers.sort_unstable();
        numbers.dedup();
        Self {
            cancelled: last(Verdict::Cancelled).is_some(),
            out_of_stock: last(Verdict::OutOfStock).map(|callback| callback.words.as_str()),
            confirmed: last(Verdict::Confirmed).is_some(),
            refused: last(Verdict::Refused).map(|callback| callback.words.as_str()),
            haier_order_no,
            several_numbers: numbers.len() > 1,
            cancel_refusals: all
                .iter()
                .filter(|(_, callback)| verdict(callback) == Verdict::CancelRefused)
                .copied()
                .collect(),
        }
    }

    /// Whether any of them says that the order reached Haier. A refused cancellation may be of one that Haier never had.
    pub(super) const fn are_of_the_order(&self) -> bool {
        self.cancelled || self.out_of_stock.is_some() || self.confirmed || self.refused.is_some()
    }

    /// The words in which a cancellation asked for then was refused.
    pub(super) fn cancel_refused(&self, asked_at: Option<DateTime<Utc>>) -> Option<&'a str> {
        let asked_at = asked_at?;
        let after = self.cancel_refusals.iter().rev().find(|(came_at, _)| *came_at >= asked_at);
        after.map(|(_, callback)| callback.words.as_str())
    }
}

fn rank(callback: &Callback) -> (Verdict, &Callback) {
    (verdict(callback), callback)
}
