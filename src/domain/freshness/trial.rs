//! A shop on paper: products whose stock moves, asked about within a budget in one way or another, and how long moves go
//! unseen. The same numbers give the same outcome, and every way is tried on the same moves.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Known, due_before, rest_at_a_time};
use crate::domain::{schedules::mixed, sync_runs::Front};

/// Moves of the stock a day, a product on average: a few sell all day, most hardly ever.
const MOVES_A_DAY: f64 = 1.0;
/// Of a hundred sales of a product, those that are orders of this shop.
const ORDERED_HERE: u64 = 10;
/// Of the products that sell best, one in a hundred of all, every fourth is watched.
const WATCHED_OF_BEST: (usize, u64) = (100, 4);
/// Stock at the beginning is below this, and so is what comes in when it is sold out.
const FULL: u64 = 60;

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// Products of the shop.
    pub products: usize,
    /// How long it is watched.
    pub days: u32,
    /// What all chance is drawn from.
    pub seed: u64,
    /// Calls a second, one product each.
    pub calls_per_second: f64,
    /// Time between two firings.
    pub period: TimeDelta,
    /// Stock below this is low.
    pub low_stock: i64,
    /// How long a product that was ordered counts as selling.
    pub selling_for: TimeDelta,
}

/// In which order products are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Everything in turn.
    Flat,
    /// What is in front at every firing, the rest as far as calls are left, what was asked for longest ago first.
    FrontFirst,
}

/// How long moves went unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unseen {
    /// How many there were.
    pub moves: usize,
    /// On average.
    pub mean: TimeDelta,
    /// All but one in twenty were seen so soon.
    pub p95: TimeDelta,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// All moves.
    pub all: Unseen,
    /// Those that left the stock low: there an old figure sells what is not there.
    pub low: Unseen,
}

impl Trial {
    /// How long it takes to ask for every product once.
    #[must_use]
    pub fn round(&self) -> TimeDelta {
        span(self.products as f64 / self.calls_per_second)
    }

    /// Tries a way.
    #[must_use]
    pub fn run(&self, way: Way) -> Outcome {
        let mut shop = Shop::open(self);
        let mut asking = Asking { way, next: 0, front: VecDeque::new() };
        let begin = DateTime::UNIX_EPOCH;
        let (mut now, end) = (begin, begin + TimeDelta::days(self.days.into()));
        while now < end {
            let gap = span(1.0 / self.calls_per_second);
            let mut at = now;
            for product in asking.firing(self, &shop, now) {
                shop.go_on(at);
                shop.ask(product, at);
                at += gap;
            }
            now += self.period;
            shop.go_on(now);
        }
        shop.close(now)
    }

    /// Calls of one period.
    fn quota(&self) -> usize {
        ((self.calls_per_second * self.period.as_seconds_f64()) as usize).max(1)
    }
}

/// Who is asked about next.
struct Asking {
    way: Way,
    /// The next one in turn.
    next: usize,
    /// What is left of what was in front.
    front: VecDeque<usize>,
}

impl Asking {
    /// What one firing asks for, within the calls of a period.
    fn firing(&mut self, trial: &Trial, shop: &Shop, now: DateTime<Utc>) -> Vec<usize> {
        let (quota, count) = (trial.quota(), shop.products.len());
        if self.way == Way::Flat {
            let asked = (self.next..).take(quota.min(count)).map(|place| place % count);
            let asked: Vec<usize> = asked.collect();
            self.next = (self.next + asked.len()) % count;
            return asked;
        }
        // A run that is still under way is not started a second time.
        if self.front.is_empty() {
            let front = Front { low_stock: trial.low_stock, sold_since: now - trial.selling_for };
            let held = shop.products.iter().enumerate().filter(|(_, product)| front.holds(&product.known));
            self.front = held.map(|(place, _)| place).collect();
        }
        let used = self.front.len() as f64 / trial.period.as_seconds_f64();
        let rest = rest_at_a_time(trial.calls_per_second, used, trial.period);
        let rest = usize::try_from(rest).unwrap_or(usize::MAX).min(quota);
        let mut asked: Vec<usize> = self.front.drain(..self.front.len().min(quota - rest)).collect();
        let before = due_before(now, trial.period);
        let due = |place: &usize| shop.products[*place].asked_at.is_none_or(|at| at < before);
        let mut oldest: Vec<usize> = (0..count).filter(due).collect();
        oldest.sort_by_key(|place| (shop.products[*place].asked_at, *place));
        oldest.truncate(rest);
        asked.extend(oldest);
        asked
    }
}

struct Product {
    dice: Dice,
    /// Between two moves, on average.
    between: f64,
    /// As it is.
    stock: i64,
    /// As it is known.
    known: Known,
    asked_at: Option<DateTime<Utc>>,
    /// Moves since it was asked for, and whether they left it low.
    unseen: Vec<(DateTime<Utc>, bool)>,
}

struct Shop {
    products: Vec<Product>,
    /// When each product moves next.
    moves: BinaryHeap<Reverse<(DateTime<Utc>, usize)>>,
    low_stock: i64,
    all: Vec<TimeDelta>,
    low: Vec<TimeDelta>,
}

impl Shop {
    fn open(trial: &Trial) -> Self {
        let mut dice = Dice(trial.seed);
        let count = trial.products.max(1);
        // The second sells half as well as the first, the third a third as well.
        let weights: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
        let mut ranks: Vec<usize> = (1..=count).collect();
        for last in (1..count).rev() {
            ranks.swap(last, dice.below(last as u64 + 1) as usize);
        }
        let (best, every) = WATCHED_OF_BEST;
        let opened = |rank: usize| {
            let mut dice = Dice(dice.next());
            let moves_a_day = MOVES_A_DAY * count as f64 / (rank as f64 * weights);
            let stock = dice.below(FULL).cast_signed();
            let watched = rank <= count / best && dice.below(every) == 0;
            let known = Known { stock: Some(stock), watched, ..Known::default() };
            Product {
                dice,
                between: 86_400.0 / moves_a_day,
                stock,
                known,
                asked_at: None,
                unseen: Vec::new(),
            }
        };
        let products: Vec<Product> = ranks.into_iter().map(opened).collect();
        let mut shop = Self {
            products,
            moves: BinaryHeap::new(),
            low_stock: trial.low_stock,
            all: Vec::new(),
            low: Vec::new(),
        };
        for place in 0..shop.products.len() {
            shop.plan_move(place, DateTime::UNIX_EPOCH);
        }
        shop
    }

    /// Whenever it is, the next move is as far away.
    fn plan_move(&mut self, place: usize, now: DateTime<Utc>) {
        let product = &mut self.products[place];
        let wait = span(-(1.0 - product.dice.unit()).ln() * product.between);
        self.moves.push(Reverse((now + wait, place)));
    }

    /// Lets everything move that does until then.
    fn go_on(&mut self, until: DateTime<Utc>) {
        while let Some(&Reverse((at, place))) = self.moves.peek()
            && at <= until
        {
            self.moves.pop();
            let product = &mut self.products[place];
            if product.stock == 0 {
                product.stock = 1 + product.dice.below(FULL - 1).cast_signed();
            } else {
                product.stock = (product.stock - 1 - product.dice.below(2).cast_signed()).max(0);
                if product.dice.below(100) < ORDERED_HERE {
                    product.known.sold_at = Some(at);
                }
            }
            product.unseen.push((at, product.stock < self.low_stock));
            self.plan_move(place, at);
        }
    }

    fn ask(&mut self, place: usize, at: DateTime<Utc>) {
        let product = &mut self.products[place];
        product.known.stock = Some(product.stock);
        product.asked_at = Some(at);
        for (since, is_low) in product.unseen.drain(..) {
            self.all.push(at - since);
            if is_low {
                self.low.push(at - since);
            }
        }
    }

    /// What nobody has seen by then counts as seen then.
    fn close(mut self, at: DateTime<Utc>) -> Outcome {
        for place in 0..self.products.len() {
            self.ask(place, at);
        }
        Outcome { all: unseen(self.all), low: unseen(self.low) }
    }
}

fn unseen(mut spans: Vec<TimeDelta>) -> Unseen {
    spans.sort_unstable();
    let sum: TimeDelta = spans.iter().sum();
    let count = i32::try_from(spans.len()).unwrap_or(i32::MAX);
    let p95 = spans.get(spans.len() * 95 / 100).copied().unwrap_or_default();
    Unseen { moves: spans.len(), mean: sum / count.max(1), p95 }
}

/// As long as calendars reach.
fn span(seconds: f64) -> TimeDelta {
    TimeDelta::microseconds((seconds.min(1e9) * 1e6) as i64)
}

/// Chance that is the same on every machine (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        let drawn = mixed(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        drawn
    }

    /// From 0, and below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(seed: u64) -> Trial {
        Trial {
            products: 500,
            days: 2,
            seed,
            calls_per_second: 0.25,
            period: TimeDelta::minutes(15),
            low_stock: 5,
            selling_for: TimeDelta::days(7),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_outcome_and_another_one_another() {
        let once = trial(42).run(Way::FrontFirst);
        assert_eq!(once, trial(42).run(Way::FrontFirst));
        assert_ne!(once, trial(43).run(Way::FrontFirst));
    }

    #[test]
    fn both_ways_see_the_same_moves() {
        let (flat, first) = (trial(42).run(Way::Flat), trial(42).run(Way::FrontFirst));
        assert_eq!((flat.all.moves, flat.low.moves), (first.all.moves, first.low.moves));
        assert!((700..1_300).contains(&flat.all.moves), "{flat:?}");
        // In turn, a move waits half a round on average, and a round at most.
        let round = trial(42).round();
        assert!(flat.all.p95 <= round && (flat.all.mean - round / 2).abs() < round / 6, "{flat:?}");
    }

    #[test]
    fn what_is_in_front_is_seen_sooner() {
        let (flat, first) = (trial(42).run(Way::Flat), trial(42).run(Way::FrontFirst));
        assert!(first.low.mean < flat.low.mean * 3 / 4, "{first:?} against {flat:?}");
        assert!(first.all.mean < flat.all.mean, "{first:?} against {flat:?}");
    }
}
