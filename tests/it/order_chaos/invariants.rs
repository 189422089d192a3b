//! What must hold of orders whatever happened: a pure judgement of what was left when nothing moves any more.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{
    domain::orders::{
        OrderState, Personal,
        derive::derive,
        facts::{ChangeAnswer, Fact, FactKind, PushAnswer, Resolution, ResolvedOutcome},
    },
    domain::{orders::OrderFilter, pages::PageRequest},
    store::{Store, order_changes, order_facts, orders},
};
use serde_json::Value;

use crate::orders::PERSONAL;

/// An order as the service has it.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) so_id: String,
    pub(crate) state: OrderState,
    /// Name and seller code of whoever sends it, since its first attempt.
    pub(crate) sender: Option<(String, String)>,
    pub(crate) retail_order_no: Option<String>,
    pub(crate) facts: Vec<Fact>,
}

impl Known {
    /// Whether nobody knows whether Haier has it, whatever is wanted of it meanwhile.
    fn is_in_doubt(&self) -> bool {
        derive(&self.facts).doubt.is_some()
    }
}

/// An order as it stands in Haier's book.
#[derive(Clone)]
pub(crate) struct Booked {
    pub(crate) so_id: String,
    pub(crate) seller_code: String,
    pub(crate) retail_order_no: String,
    /// In Haier's word.
    pub(crate) state: String,
    /// Milliseconds since 1970.
    pub(crate) distribution_time: Option<i64>,
    /// How many different bodies came under this number.
    pub(crate) bodies: u64,
}

/// Everything that was left.
#[derive(Clone, Default)]
pub(crate) struct Left {
    /// Numbers of the orders that some client was told are accepted.
    pub(crate) accepted: BTreeSet<String>,
    pub(crate) known: Vec<Known>,
    /// The feed's numbers and what it last said of each order.
    pub(crate) feed: Vec<(i64, String, OrderState)>,
    pub(crate) book: Vec<Booked>,
    /// How often a number came to Haier.
    pub(crate) received: BTreeMap<String, u64>,
    /// Callbacks that were answered with thanks: number, and what they were about.
    pub(crate) heard: BTreeSet<(String, String)>,
    /// Orders in somebody's hands.
    pub(crate) leased: i64,
    /// Callbacks that were not applied.
    pub(crate) unapplied: i64,
    /// Sync logs of orders that are open.
    pub(crate) open_logs: i64,
    /// Everything that was logged.
    pub(crate) log: String,
    /// Numbers of orders that Haier never answers for.
    pub(crate) unanswered: BTreeSet<String>,
    /// How long an attempt in doubt may still arrive.
    pub(crate) doubt_wait: TimeDelta,
}

/// Whether the log says of an order that it is in doubt for too long.
pub(super) fn is_alerted(log: &str, so_id: &str) -> bool {
    log.lines().any(|line| line.contains(so_id) && line.contains("in doubt beyond its deadline"))
}

impl Left {
    /// Reads what the service has. Who reads the feed has it numbered first, whatever became of those who wrote it.
    pub(crate) async fn read(store: &Store) -> Self {
        let mut tx = store.begin().await.unwrap();
        order_changes::number(&mut tx, 10_000).await.unwrap();
        tx.commit().await.unwrap();
        let mut conn = store.read().await.unwrap();
        let page = PageRequest { size: 1_000, after: None };
        let mut known = Vec::new();
        for sealed in orders::list(&mut conn, &OrderFilter::default(), &page).await.unwrap().items {
            // What is personal stays sealed.
            let order = sealed.open(|_, _| Ok::<_, ()>(Personal::new(""))).unwrap();
            known.push(Known {
                so_id: order.order.so_id.to_string(),
                state: order.summary.state,
                sender: order.sender.map(|sender| (sender.account, sender.seller_code)),
                retail_order_no: order.summary.retail_order_no,
                facts: order_facts::list(&conn.pipeline(), order.id).await.unwrap(),
            });
        }
        let feed = order_changes::list(&mut conn, 0, 10_000).await.unwrap();
        let feed = feed.into_iter().map(|change| (change.seq, change.so_id.to_string(), change.state));
        Self { known, feed: feed.collect(), ..Self::default() }
    }

    /// Reads Haier's side, as the stand-in's controls show it.
    pub(crate) fn and_haiers(mut self, book: &Value, callbacks: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        self.book = list(&book["orders"])
            .iter()
            .map(|order| Booked {
                so_id: text(&order["soId"]),
                seller_code: text(&order["sellerCode"]),
                retail_order_no: text(&order["retailOrderNo"]),
                state: text(&order["state"]),
                distribution_time: order["distributionTime"].as_i64(),
                bodies: order["bodies"].as_u64().unwrap(),
            })
            .collect();
        let received = book["received"].as_object().unwrap();
        self.received = received.iter().map(|(so_id, n)| (so_id.clone(), n.as_u64().unwrap())).collect();
        let heard = list(&callbacks["ended"]).into_iter().filter(|one| one["outcome"] == "answered");
        self.heard = heard.map(|one| (text(&one["soId"]), text(&one["method"]))).collect();
        self
    }

    /// Everything that is not as it was promised; nothing, if all is well.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for so_id in &self.accepted {
            let times = self.known.iter().filter(|known| known.so_id == *so_id).count();
            if times != 1 {
                complaints.push(format!("{so_id} was accepted, and is stored {times} times"));
            }
        }
        for known in &self.known {
            let mut found = self.of_the_book(known);
            found.extend(of_the_attempts(known, self.doubt_wait));
            found.extend(self.of_the_feed(known));
            found.extend(of_the_deferrals(known));
            complaints.extend(found.into_iter().map(|complaint| format!("{}: {complaint}", known.so_id)));
        }
        for so_id in self.received.keys() {
            if !self.known.iter().any(|known| known.so_id == *so_id) {
                complaints.push(format!("{so_id} was sent, and is not stored"));
            }
        }
        for ((number, ..), expected) in self.feed.iter().zip(1..) {
            if *number != expected {
                complaints.push(format!("the feed has {number} where {expected} should be"));
            }
        }
        let unanswered = self.known.iter().filter(|known| known.is_in_doubt()).count() as i64;
        for (what, count) in [
            ("orders are left leased", self.leased),
            ("callbacks are left unapplied", self.unapplied),
            ("sync logs are open and not of an order in doubt", self.open_logs - unanswered),
        ] {
            if count != 0 {
                complaints.push(format!("{count} {what}"));
            }
        }
        for personal in PERSONAL {
            if let Some(line) = self.log.lines().find(|line| line.contains(personal)) {
                complaints.push(format!("{personal} stands in the log: {line}"));
            }
        }
        complaints
    }

    /// The complaints, and all that was known of each order, one fact after the other.
    pub(crate) fn story(&self, complaints: &[String]) -> String {
        let mut story = format!("{}\n", complaints.join("\n"));
        for known in &self.known {
            story += &format!("{} is {:?}\n", known.so_id, known.state);
            for fact in &known.facts {
                story += &format!("  {} {:?}\n", fact.at.format("%H:%M:%S%.6f"), fact.kind);
            }
        }
        story
    }

    fn heard(&self, known: &Known, method: &str) -> bool {
        self.heard.contains(&(known.so_id.clone(), method.to_owned()))
    }

    /// The order is in the book once, or not and the state says so, or it is in doubt and somebody was told.
    fn of_the_book(&self, known: &Known) -> Vec<String> {
        let entries: Vec<&Booked> = self.book.iter().filter(|booked| booked.so_id == known.so_id).collect();
        let mut complaints = Vec::new();
        if entries.len() > 1 {
            complaints.push(format!("is {} times in the book", entries.len()));
        }
        let entry = entries.first().copied();
        let haiers = entry.map(|booked| booked.state.as_str());
        let agrees = match known.state {
            // What is to be cancelled waits for the truth about what is in doubt.
            OrderState::InDoubt | OrderState::Cancelling if known.is_in_doubt() => {
                if !is_alerted(&self.log, &known.so_id) {
                    complaints.push("is in doubt, and nobody was alerted".to_owned());
                }
                self.unanswered.contains(&known.so_id)
            }
            OrderState::Accepted | OrderState::InDoubt => false,
            // What Haier never received is not given up.
            OrderState::GivenUp => haiers.is_none() && self.received.contains_key(&known.so_id),
            OrderState::Cancelled => matches!(haiers, None | Some("cancelled")),
            OrderState::Refused => matches!(haiers, None | Some("refused")),
            OrderState::Confirmed => haiers == Some("confirmed"),
            OrderState::OutOfStock => match haiers {
                Some("out_of_stock") => true,
                Some("cancelled") => !self.heard(known, "cancel"),
                _ => false,
            },
            OrderState::Pushed => match haiers {
                Some("confirmed" | "refused") => !self.heard(known, "confirm"),
                Some("out_of_stock") => !self.heard(known, "oostock"),
                _ => false,
            },
            OrderState::Cancelling => haiers.is_some() && !self.heard(known, "cancel"),
        };
        if !agrees {
            let state = known.state.as_str();
            complaints.push(format!("is {state} here and {} in the book", haiers.unwrap_or("nothing")));
        }
        if let Some(booked) = entry {
            if known.sender.as_ref().map(|(_, seller)| seller) != Some(&booked.seller_code) {
                complaints.push(format!("is {:?}'s here and {}'s there", known.sender, booked.seller_code));
            }
            if booked.bodies != 1 {
                complaints.push(format!("was sent in {} different words", booked.bodies));
            }
            let number = known.retail_order_no.as_ref();
            if number.is_some_and(|number| *number != booked.retail_order_no) {
                complaints.push(format!("is {number:?} here and {} there", booked.retail_order_no));
            }
            if let Some(promised) = promised_time(&known.facts)
                && booked.distribution_time != Some(promised)
            {
                let theirs = booked.distribution_time;
                complaints.push(format!("was given the time {promised}, and has {theirs:?} in the book"));
            }
        }
        let begun = known.facts.iter().filter(|fact| matches!(fact.kind, FactKind::PushBegan { .. })).count();
        if begun == 0 && (entry.is_some() || self.received.contains_key(&known.so_id)) {
            complaints.push("was sent without a word about it".to_owned());
        }
        complaints
    }

    fn of_the_feed(&self, known: &Known) -> Vec<String> {
        let last = self.feed.iter().rev().find(|(_, so_id, _)| *so_id == known.so_id);
        let mut complaints = Vec::new();
        if last.map(|(.., state)| *state) != Some(known.state) {
            complaints.push(format!("is {:?}, and the feed says {last:?}", known.state));
        }
        let derived = derive(&known.facts);
        if derived.state != known.state {
            complaints.push(format!("is {:?}, and its facts say {:?}", known.state, derived.state));
        }
        if let Some(open) = derived.open {
            complaints.push(format!("has begun {open:?}, which nobody ended"));
        }
        complaints
    }
}

/// The time of delivery that Haier was last told, if it said that it has taken it.
fn promised_time(facts: &[Fact]) -> Option<i64> {
    let wanted = facts.iter().filter_map(|fact| match &fact.kind {
        FactKind::RescheduleRequested { number, distribution_time, .. } => {
            Some((*number, *distribution_time))
        }
        _ => None,
    });
    let (last, time) = wanted.max()?;
    let taken = |fact: &Fact| matches!(&fact.kind, FactKind::ChangeEnded { number, answer: ChangeAnswer::Done, .. } if *number == last);
    facts.iter().any(taken).then(|| time.map(|time| time.timestamp_millis()))?
}

/// What is known at a moment, of facts in the order in which they were learnt.
#[derive(Default)]
struct Course {
    account: Option<String>,
    /// Attempts that have begun, with the strongest answer so far.
    attempts: BTreeMap<i64, Option<(DateTime<Utc>, PushAnswer)>>,
    /// Up to which attempt an operator has said that nothing arrived.
    denied: i64,
    /// Haier has it, as far as anybody knows.
    there: bool,
}

/// Attempts of one order that may end on this side after they began: a pause, a lease or a stop met them on their way.
const MAX_UNSENT: usize = 12;

/// What waits for a cause of ours leaves no fact.
fn of_the_deferrals(known: &Known) -> Vec<String> {
    let began: BTreeSet<i64> = known
        .facts
        .iter()
        .filter_map(|fact| match fact.kind {
            FactKind::PushBegan { attempt, .. } => Some(attempt),
            _ => None,
        })
        .collect();
    let mut complaints = Vec::new();
    let mut unsent = 0;
    for fact in &known.facts {
        let FactKind::PushEnded { attempt, answer } = &fact.kind else { continue };
        if !began.contains(attempt) {
            complaints.push(format!("attempt {attempt} ended and never began"));
        }
        unsent += usize::from(matches!(answer, PushAnswer::NotSent { reached: false, .. }));
    }
    if unsent > MAX_UNSENT {
        complaints.push(format!("{unsent} attempts began and were not sent"));
    }
    complaints
}

/// Nothing is sent while something is under way, while it may still arrive, or when Haier has it; never by two accounts.
fn of_the_attempts(known: &Known, doubt_wait: TimeDelta) -> Vec<String> {
    let mut course = Course::default();
    let mut complaints = Vec::new();
    for fact in &known.facts {
        if let Some(complaint) = course.learn(fact, doubt_wait) {
            complaints.push(complaint);
        }
    }
    let bound = known.sender.as_ref().map(|(account, _)| account);
    if course.account.is_some() && course.account.as_ref() != bound {
        complaints.push(format!("was sent by {:?} and belongs to {bound:?}", course.account));
    }
    complaints
}

impl Course {
    fn learn(&mut self, fact: &Fact, doubt_wait: TimeDelta) -> Option<String> {
        match &fact.kind {
            FactKind::PushBegan { attempt, account, .. } => {
                let complaint = self.may_begin(*attempt, fact.at, account, doubt_wait);
                self.attempts.insert(*attempt, None);
                self.account.get_or_insert_with(|| account.clone());
                return complaint;
            }
            FactKind::PushEnded { attempt, answer } => {
                // Refused as repeated is a proof when an earlier attempt may have arrived.
                let may_have_arrived = |answer: &Option<(DateTime<Utc>, PushAnswer)>| {
                    !matches!(answer, Some((_, PushAnswer::NotSent { .. } | PushAnswer::Repeated { .. })))
                };
                self.there |= match answer {
                    PushAnswer::Booked { .. } => true,
                    PushAnswer::Repeated { .. } => {
                        self.attempts.range(..*attempt).any(|(_, earlier)| may_have_arrived(earlier))
                    }
                    _ => false,
                };
                let known = self.attempts.entry(*attempt).or_default();
                if known.as_ref().is_none_or(|(_, known)| rank(known) < rank(answer)) {
                    *known = Some((fact.at, answer.clone()));
                }
            }
            FactKind::Callback(callback) => {
                self.there |= callback.success || callback.method.as_str() != "hmm.scm_heorder.cancel";
            }
            FactKind::Resolved(Resolution { outcome, attempts, .. }) => match outcome {
                ResolvedOutcome::Booked => self.there = true,
                ResolvedOutcome::NotBooked => self.denied = self.denied.max(*attempts),
            },
            _ => {}
        }
        None
    }

    fn may_begin(
        &self,
        attempt: i64,
        at: DateTime<Utc>,
        account: &str,
        doubt_wait: TimeDelta,
    ) -> Option<String> {
        if self.attempts.contains_key(&attempt) {
            return Some(format!("attempt {attempt} began twice"));
        }
        if self.there {
            return Some(format!("attempt {attempt} began when Haier had it"));
        }
        if self.account.as_deref().is_some_and(|first| first != account) {
            return Some(format!(
                "attempt {attempt} began under {account}, the first under {:?}",
                self.account
            ));
        }
        for (earlier, answer) in self.attempts.range(self.denied + 1..) {
            match answer {
                None => return Some(format!("attempt {attempt} began while {earlier} was under way")),
                Some((since, PushAnswer::InDoubt { .. })) if at < *since + doubt_wait => {
                    return Some(format!("attempt {attempt} began when {earlier} might still arrive"));
                }
                Some(_) => {}
            }
        }
        None
    }
}

const fn rank(answer: &PushAnswer) -> u8 {
    match answer {
        PushAnswer::InDoubt { .. } => 0,
        PushAnswer::NotSent { .. } => 1,
        PushAnswer::Refused { .. } => 2,
        PushAnswer::Repeated { .. } => 3,
        PushAnswer::Booked { .. } => 4,
    }
}
