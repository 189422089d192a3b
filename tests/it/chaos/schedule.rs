//! What a seed stands for: the world, what goes wrong in it, which runs are asked for and what happens to them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Dice;

/// Everything that is drawn before the play begins.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) products: u64,
    pub(super) batch_size: usize,
    pub(super) calls_in_flight: usize,
    /// Of every answer, so that a run lasts long enough to be disturbed.
    pub(super) latency: Duration,
    /// Calls a second; both sides keep to it.
    pub(super) rate: Option<u32>,
    pub(super) single_token: bool,
    pub(super) envelope: bool,
    /// Whether the catalogue is loaded before anything goes wrong. If not, the first run is the one of the first start.
    pub(super) warm: bool,
    pub(super) faults: Vec<Fault>,
    /// Whether every fault passes when Haier is asked again, so that only poison codes may fail.
    pub(super) passing: bool,
    pub(super) rounds: Vec<Round>,
}

/// A fault, whose product is still a place in the catalogue.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: &'static str,
    endpoint: Option<&'static str>,
    chance: Chance,
    delay_ms: Option<u64>,
}

#[derive(Debug)]
enum Chance {
    Of(f64),
    Times(u64),
    Product(u64),
}

/// A run and what happens to it.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) kind: Kind,
    /// Another run by codes goes on beside it.
    pub(super) beside: bool,
    /// What failed is tried again afterwards.
    pub(super) retry: bool,
    pub(super) disturbances: Vec<Disturbance>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Full { prices: bool },
    Codes { count: u64, prices: bool },
    Prices,
    Stock { count: u64 },
}

impl Kind {
    /// Whether such a run asks an endpoint for codes. A listing names none.
    pub(super) fn asks(self, endpoint: &str) -> bool {
        match self {
            Self::Full { prices } => prices && endpoint == "H2",
            Self::Codes { prices, .. } => endpoint == "H1" || prices && endpoint == "H2",
            Self::Prices => endpoint == "H2",
            Self::Stock { .. } => endpoint == "H3",
        }
    }
}

/// Something that happens once so many codes are decided, or the run has ended before.
#[derive(Debug)]
pub(super) struct Disturbance {
    pub(super) after: i64,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// The service is stopped in good order and started again.
    Restart,
    /// The service is gone from one moment to the next; another one finds its lease run out.
    Crash,
    /// The run is taken over under a worker that does not know it yet: from now on two work on it, and one must notice.
    Steal,
    /// Prices move, a product goes, one comes.
    Change,
    /// An operator ends the run.
    Cancel,
}

impl Schedule {
    pub(super) fn draw(seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let products = dice.between(20, 80);
        let rounds = if dice.one_in(3) { 2 } else { 1 };
        let passing = dice.one_in(3);
        // So large that a batch is split several times before a code stands alone, and fails if it is struck once more.
        let smallest = if passing { 9 } else { 2 };
        let faults = (0..dice.between(1, 6))
            .map(|_| if passing { Fault::draw_passing(dice, products) } else { Fault::draw(dice, products) });
        let faults = faults.collect();
        Self {
            products,
            batch_size: dice.between(smallest, 13) as usize,
            calls_in_flight: dice.between(1, 5) as usize,
            latency: Duration::from_millis(dice.between(3, 11)),
            rate: dice.one_in(4).then(|| dice.between(100, 300) as u32),
            single_token: dice.one_in(4),
            envelope: dice.one_in(4),
            warm: dice.one_in(2),
            faults,
            passing,
            rounds: (0..rounds).map(|_| Round::draw(dice, products)).collect(),
        }
    }
}

impl Round {
    fn draw(dice: &mut Dice, products: u64) -> Self {
        let kind = match dice.between(0, 10) {
            0..=3 => Kind::Full { prices: true },
            4 => Kind::Full { prices: false },
            5 | 6 => Kind::Codes { count: dice.between(1, products), prices: dice.one_in(2) },
            7 | 8 => Kind::Prices,
            _ => Kind::Stock { count: dice.between(1, 30) },
        };
        let disturbances = (0..dice.between(0, 4)).map(|_| Disturbance {
            after: dice.between(0, products * 2 / 3) as i64,
            what: dice.pick(&[
                What::Restart,
                What::Crash,
                What::Crash,
                What::Steal,
                What::Change,
                What::Cancel,
            ]),
        });
        let mut disturbances: Vec<_> = disturbances.collect();
        disturbances.sort_by_key(|disturbance| disturbance.after);
        Self { kind, beside: dice.one_in(4), retry: dice.one_in(2), disturbances }
    }
}

impl Fault {
    /// One that passes when Haier is asked again, and breaks off no listing; or a poison code.
    fn draw_passing(dice: &mut Dice, products: u64) -> Self {
        let (kind, endpoint) = dice.pick(&[
            ("server_error", None),
            ("unavailable", None),
            ("bad_gateway", Some("H2")),
            ("throttled_without_retry_after", None),
            ("html", Some("H2")),
            ("error_body", Some("H1")),
            ("truncated_json", Some("H2")),
            ("reset_before", None),
            ("reset_after", Some("H2")),
            ("lost_answer", None),
            ("hang", None),
            ("latency", None),
            ("bom", None),
            ("poison", Some("H2")),
            // One code answered with 500 for ever.
            ("server_error", Some("H2")),
        ]);
        let chance = match kind {
            "poison" => Chance::Product(dice.between(0, products)),
            "server_error" if endpoint.is_some() => Chance::Product(dice.between(0, products)),
            "hang" => Chance::Times(dice.between(1, 6)),
            _ => Chance::Of(dice.between(1, 8) as f64 / 100.0),
        };
        Self { kind, endpoint, chance, delay_ms: Self::delay(kind, dice) }
    }

    fn delay(kind: &str, dice: &mut Dice) -> Option<u64> {
        match kind {
            "latency" => Some(dice.between(1, 30)),
            // Never for ever: nobody waits here for a client's time limit.
            "hang" => Some(dice.between(10, 60)),
            _ => None,
        }
    }

    fn draw(dice: &mut Dice, products: u64) -> Self {
        let any: &[&str] = &["H1", "H2", "H3"];
        let (kind, endpoints): (_, &[&str]) = dice.pick(&[
            ("server_error", any),
            ("unavailable", any),
            ("bad_gateway", any),
            ("throttled_without_retry_after", any),
            ("html", any),
            ("error_body", any),
            ("truncated_json", any),
            ("reset_before", any),
            ("reset_after", any),
            ("lost_answer", any),
            ("hang", any),
            ("latency", any),
            ("unauthorized", any),
            ("forbidden", &["H2", "H3"]),
            ("cut_listing", &["H1"]),
            ("poison", &["H1", "H2", "H3"]),
            ("poison", &["H2"]),
            ("wrong_type", &["H1", "H2"]),
            ("missing_products", &["H2"]),
            ("duplicate_rows", &["H1", "H2"]),
            ("unknown_field", any),
            ("null_fields", &["H1", "H2"]),
            ("empty", &["H1", "H2"]),
            ("bom", any),
            ("deep", any),
            ("huge_string", &["H1"]),
            ("negative", &["H2"]),
            ("tiny_records", &["H2"]),
        ]);
        let named = matches!(kind, "poison" | "wrong_type" | "missing_products" | "negative");
        let chance = match dice.between(0, 3) {
            _ if kind == "poison" => Chance::Product(dice.between(0, products)),
            0 if named => Chance::Product(dice.between(0, products)),
            // What costs a time limit or a whole run strikes seldom, so that something is left to see.
            _ if matches!(kind, "hang" | "unauthorized" | "cut_listing") => Chance::Times(dice.between(1, 3)),
            1 => Chance::Times(dice.between(1, 6)),
            _ => Chance::Of(dice.between(2, 30) as f64 / 100.0),
        };
        // The token call may be struck too, by a fault that names no endpoint.
        let everywhere = !named && endpoints.len() == 3 && dice.one_in(4);
        let endpoint = (!everywhere).then(|| dice.pick(endpoints));
        Self { kind, endpoint, chance, delay_ms: Self::delay(kind, dice) }
    }

    /// The code that Haier always refuses or fails for, and the endpoint that does.
    pub(super) fn poison<'a>(&self, codes: &'a [String]) -> Option<(&'static str, &'a str)> {
        match self.chance {
            Chance::Product(at) if matches!(self.kind, "poison" | "server_error") => {
                Some((self.endpoint?, codes[at as usize].as_str()))
            }
            _ => None,
        }
    }

    /// As the stand-in takes it.
    pub(super) fn body(&self, codes: &[String]) -> Value {
        let mut body = json!({ "kind": self.kind });
        if let Some(endpoint) = self.endpoint {
            body["endpoint"] = json!(endpoint);
        }
        if let Some(delay) = self.delay_ms {
            body["delay_ms"] = json!(delay);
        }
        match self.chance {
            Chance::Of(probability) => body["probability"] = json!(probability),
            Chance::Times(count) => body["count"] = json!(count),
            Chance::Product(at) => body["product_code"] = json!(codes[at as usize]),
        }
        body
    }
}
