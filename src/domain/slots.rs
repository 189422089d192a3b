//! The timeline of slots that a budget of calls is made of: one call a slot, so that no second ever holds more calls than
//! are allowed. Instants are microseconds of the ledger's own clock, since whenever; whoever keeps a ledger knows it.

use std::time::Duration;

/// Slots are this much wider than the rate asks for, so that the jitter of firing them stays below the limit.
const SLACK: f64 = 0.97;
/// Bulk takes a slot only when it is due this soon, so that a live call finds the next one free.
const BULK_HORIZON: i64 = 5_000;
/// Bulk gets at least every so-manieth slot, however many live calls there are.
const BULK_SHARE: i64 = 9;
/// Longest time that Haier may keep everybody from calling.
const LONGEST_HOLD: i64 = 60_000_000;
/// Whoever hears of his slots later than this is too slow to use them.
const LONGEST_LEAD: i64 = 200_000;
const SECOND: i64 = 1_000_000;

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A caller waits for it.
    Live,
    /// Part of a run.
    Bulk,
}

/// What is asked of a ledger: who waits here, and for how long at most (`None`: for ever).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// A live call waits.
    pub live: bool,
    /// A bulk call waits.
    pub bulk: bool,
    /// A slot due later than this is of no use to anybody here, and is not reserved.
    pub patience: Option<Duration>,
    /// A slot due sooner than this would have passed by the time the answer is read, so that none such is reserved.
    pub lead: Duration,
}

/// What a ledger answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A slot is reserved.
    Reserved(Slot),
    /// Nothing is reserved.
    AskAgain {
        /// Ask again after this wait.
        after: Duration,
        /// The next slot is due after this one.
        due: Duration,
    },
    /// Haier throttles the account: nobody calls before this wait is over.
    Held(Duration),
}

/// A reserved slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The ledger's time when it was reserved.
    pub now: i64,
    /// The ledger's time when it is due; not before `now`.
    pub due: i64,
    /// Whose it is. One that is bulk's while live calls wait is bulk's share.
    pub priority: Priority,
}

/// The distances of one timeline, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Between two slots.
    pub spacing: i64,
    /// Bulk takes a slot due within this.
    pub horizon: i64,
    /// Bulk takes any slot this far after its last one.
    pub share: i64,
    /// No slot further ahead than this is reserved.
    pub ahead: i64,
    /// A next slot further ahead than this was never reserved: the ledger's clock was set back.
    pub step: i64,
    /// Longest lead that counts.
    pub longest_lead: i64,
    /// Longest hold.
    pub longest_hold: i64,
}

impl Rules {
    /// At most `per_second` slots in any second; at least 1.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most about a million")]
        let spacing = (1e6 / (f64::from(per_second.max(1)) * SLACK)).ceil() as i64;
        let ahead = SECOND + 2 * spacing;
        Self {
            spacing,
            horizon: BULK_HORIZON,
            share: BULK_SHARE * spacing,
            ahead,
            step: 2 * ahead,
            longest_lead: LONGEST_LEAD,
            longest_hold: LONGEST_HOLD,
        }
    }

    /// Between two slots.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        duration(self.spacing)
    }

    /// How long after a slot it is of no use to ask for the next one for bulk.
    #[must_use]
    pub fn lull(&self) -> Duration {
        duration(self.spacing - self.horizon)
    }
}

/// Where a timeline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeline {
    /// The first slot that is free.
    pub next_slot: i64,
    /// The last one that bulk took.
    pub bulk_last: i64,
    /// Nobody calls before.
    pub held_until: i64,
}

impl Timeline {
    /// Reserves the next slot, or says when to ask again. The statement in the store does the same in the database.
    pub fn reserve(&mut self, now: i64, rules: &Rules, wish: &Wish) -> Turn {
        let held = self.held_until - now;
        if 0 < held && held <= rules.longest_hold {
            return Turn::Held(duration(held));
        }
        // A second of silence, since nobody knows when the slots before a step of the clock were due.
        let stepped = self.next_slot - now > rules.step;
        let lead = i64::try_from(wish.lead.as_micros()).unwrap_or(0).min(rules.longest_lead);
        let due = if stepped { now + SECOND } else { self.next_slot.max(now + lead) };
        let wait = due - now;
        let since_bulk = due - self.bulk_last;
        let share = wish.bulk && (since_bulk >= rules.share || since_bulk < 0);
        let soon = wish.live || share || wait - lead <= rules.horizon;
        if soon && wait <= rules.ahead && wish.patience.is_none_or(|patience| duration(wait) <= patience) {
            let priority = if share || !wish.live { Priority::Bulk } else { Priority::Live };
            if priority == Priority::Bulk {
                self.bulk_last = due;
            }
            self.next_slot = due + rules.spacing;
            return Turn::Reserved(Slot { now, due, priority });
        }
        Turn::AskAgain { after: rules.ask_again(wait - lead, since_bulk), due: duration(wait) }
    }

    /// Keeps everybody from calling for so long.
    pub fn hold(&mut self, now: i64, rules: &Rules, wait: Duration) {
        let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX).min(rules.longest_hold);
        let stepped = self.held_until - now > rules.longest_hold;
        self.held_until = if stepped { now + wait } else { self.held_until.max(now + wait) };
    }
}

impl Rules {
    /// When a slot that is due after `wait`, the lead not counted, and so long after bulk's last, may have come close
    /// enough.
    #[must_use]
    pub fn ask_again(&self, wait: i64, since_bulk: i64) -> Duration {
        let share_due = if since_bulk < self.share { self.share - since_bulk } else { i64::MAX };
        duration((wait - self.horizon).min(share_due).max(1_000))
    }
}

/// Microseconds that are not negative.
#[must_use]
pub fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: Wish = Wish { live: true, bulk: false, patience: None, lead: Duration::ZERO };
    const BULK: Wish = Wish { live: false, bulk: true, patience: None, lead: Duration::ZERO };
    const BOTH: Wish = Wish { live: true, bulk: true, patience: None, lead: Duration::ZERO };

    fn reserved(turn: Turn) -> Option<Slot> {
        match turn {
            Turn::Reserved(slot) => Some(slot),
            Turn::AskAgain { .. } | Turn::Held(_) => None,
        }
    }

    /// Slots that are taken as fast as they are given, by somebody who waits for each.
    fn taken(rate: u32, wish: &Wish, slots: usize) -> Vec<Slot> {
        let (rules, mut timeline, mut now, mut all) =
            (Rules::new(rate), Timeline::default(), 1_000_000_000, vec![]);
        while all.len() < slots {
            match timeline.reserve(now, &rules, wish) {
                Turn::Reserved(slot) => {
                    all.push(slot);
                    now = slot.due;
                }
                Turn::AskAgain { after, .. } | Turn::Held(after) => now += after.as_micros() as i64,
            }
        }
        all
    }

    #[test]
    fn no_second_holds_more_slots_than_its_rate_and_few_are_left_out() {
        for (rate, most) in [(1, 1), (10, 10), (100, 98), (1_000, 971)] {
            for wish in [LIVE, BULK, BOTH] {
                let slots = taken(rate, &wish, rate as usize * 5);
                for (index, first) in slots.iter().enumerate() {
                    let within =
                        slots[index..].iter().take_while(|slot| slot.due - first.due < SECOND).count();
                    assert!(within <= most, "{within} slots of {rate} in a second");
                }
                let whole = (slots[slots.len() - 1].due - slots[0].due) as f64 / 1e6;
                assert!(slots.len() as f64 / whole > 0.96 * f64::from(rate), "{rate}: {whole} s");
            }
        }
    }

    #[test]
    fn bulk_has_its_share_beside_any_number_of_live_calls() {
        for rate in [2, 100, 1_000] {
            let slots = taken(rate, &BOTH, 900);
            let bulk = slots.iter().filter(|slot| slot.priority == Priority::Bulk).count();
            assert!((100..=101).contains(&bulk), "{bulk} of 900 at {rate}");
        }
        assert!(taken(100, &BOTH, 108).iter().filter(|slot| slot.priority == Priority::Bulk).count() >= 10);
    }

    #[test]
    fn bulk_leaves_slots_that_are_not_due_yet_to_live_calls() {
        let (rules, mut timeline, now) = (Rules::new(100), Timeline::default(), 1_000_000_000);
        assert_eq!(reserved(timeline.reserve(now, &rules, &BULK)).map(|slot| slot.due), Some(now));
        let Turn::AskAgain { after, due } = timeline.reserve(now, &rules, &BULK) else { panic!("too soon") };
        assert_eq!(due, rules.spacing());
        assert_eq!(after, rules.spacing() - duration(BULK_HORIZON));
        let live = reserved(timeline.reserve(now, &rules, &LIVE)).map(|slot| slot.due);
        assert_eq!(live, Some(now + rules.spacing));
    }

    #[test]
    fn one_who_hears_late_of_his_slots_gets_none_that_have_passed() {
        let (rules, mut timeline, now) = (Rules::new(100), Timeline::default(), 1_000_000_000);
        let lead = Duration::from_millis(40);
        let slot = reserved(timeline.reserve(now, &rules, &Wish { lead, ..BULK })).unwrap();
        assert_eq!(slot.due, now + 40_000);
        let Turn::AskAgain { after, .. } = timeline.reserve(now, &rules, &Wish { lead, ..BULK }) else {
            panic!("too soon")
        };
        assert_eq!(after, rules.lull(), "early enough to hear in time");
    }

    #[test]
    fn a_slot_that_comes_too_late_for_everybody_is_not_reserved() {
        let (rules, mut timeline, now) = (Rules::new(1), Timeline::default(), 1_000_000_000);
        let hasty = Wish { patience: Some(Duration::from_millis(500)), ..LIVE };
        assert!(reserved(timeline.reserve(now, &rules, &hasty)).is_some());
        let before = timeline;
        let Turn::AskAgain { due, .. } = timeline.reserve(now, &rules, &hasty) else { panic!("too late") };
        assert_eq!((due, timeline), (rules.spacing(), before));
    }

    #[test]
    fn a_clock_that_is_set_back_costs_a_second_and_no_more() {
        let (rules, mut timeline, now) = (Rules::new(100), Timeline::default(), 1_000_000_000);
        reserved(timeline.reserve(now, &rules, &BULK)).unwrap();
        timeline.hold(now, &rules, Duration::from_secs(1));
        let hour = 3_600 * SECOND;
        // The hold was made by the clock that went before, too.
        let slot = reserved(timeline.reserve(now - hour, &rules, &LIVE)).unwrap();
        assert_eq!(slot.due, now - hour + SECOND);
        let slot = reserved(timeline.reserve(now - hour, &rules, &LIVE)).unwrap();
        assert_eq!(slot.due, now - hour + SECOND + rules.spacing);
        let slot = reserved(timeline.reserve(now + hour, &rules, &BULK)).unwrap();
        assert_eq!(slot.due, now + hour);
    }

    #[test]
    fn a_hold_keeps_everybody_for_a_minute_at_most() {
        let (rules, mut timeline, now) = (Rules::new(100), Timeline::default(), 1_000_000_000);
        timeline.hold(now, &rules, Duration::from_secs(30));
        timeline.hold(now, &rules, Duration::from_secs(10));
        assert_eq!(timeline.reserve(now, &rules, &LIVE), Turn::Held(Duration::from_secs(30)));
        let slot = reserved(timeline.reserve(now + 30 * SECOND, &rules, &LIVE)).unwrap();
        assert_eq!(slot.due, now + 30 * SECOND);
        timeline.hold(now, &rules, Duration::from_secs(3_600));
        assert_eq!(timeline.reserve(now, &rules, &BULK), Turn::Held(Duration::from_secs(60)));
    }
}
