//! What a seed stands for: the replicas, what goes wrong at Haier, and what people and machines do, one after the other.

use serde_json::{Value, json};

use crate::support::Dice;

/// Everything that is drawn before the play begins.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) replicas: usize,
    pub(super) orders: usize,
    /// Seconds that an order which surely is not there is sent again.
    pub(super) deadline: i64,
    /// Haier's callbacks name orders by the platform's number.
    pub(super) by_online_no: bool,
    /// So long they wait before they are sent, unless they are called for.
    pub(super) callback_delay_ms: u64,
    pub(super) faults: Vec<Value>,
    /// The first order is never answered: its fault does not end.
    pub(super) lasting: bool,
    /// Outages in a row after which an operation is left alone for a while.
    pub(super) breaker_failures: u32,
    pub(super) acts: Vec<Act>,
}

/// One thing that is done. Orders and replicas are counted from 0.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// A client pushes an order, and waits for its outcome or not.
    Push {
        order: usize,
        replica: usize,
        wait: bool,
    },
    /// Two clients push it at the same instant, to two replicas if there are so many.
    PushTwice {
        order: usize,
        replica: usize,
    },
    /// One of this number that says something else.
    PushOther {
        order: usize,
        replica: usize,
    },
    /// A replica is hit while Haier has a push of it in hand.
    Hit {
        order: usize,
        replica: usize,
        fault: &'static str,
        blow: Blow,
    },
    /// A replica is hit whatever it does.
    Strike {
        replica: usize,
        blow: Blow,
    },
    /// All that were stopped go on.
    GoOn,
    Cancel {
        order: usize,
        replica: usize,
    },
    Reschedule {
        order: usize,
        replica: usize,
        days: i64,
    },
    Retry {
        order: usize,
        replica: usize,
    },
    /// An operator looks into Haier's book and tells what he has found.
    Resolve {
        order: usize,
        replica: usize,
    },
    /// Time passes.
    Turn {
        seconds: i64,
    },
    /// Until nothing can be done without time.
    Quiet,
    Pause {
        replica: usize,
    },
    Resume {
        replica: usize,
    },
    /// New orders are paused for so long, past every deadline maybe, and let go.
    Defer {
        replica: usize,
        seconds: i64,
    },
    /// The other account becomes the active one.
    Switch {
        replica: usize,
    },
    /// Each account gets the other one's name: under that of an order another place and customer is found.
    Rename,
    /// Callbacks that wait come now.
    CallBack,
    /// What was cut off arrives at Haier now.
    ArriveLate,
    /// One more thing goes wrong.
    Fault(Value),
    /// Nothing goes wrong any more, for a while.
    Heal,
}

/// What is done to a replica.
#[derive(Debug, Clone, Copy)]
pub(super) enum Blow {
    /// `kill -9`; another one starts after so many seconds.
    Kill { seconds: i64 },
    /// SIGTERM; another one starts at once.
    Drain,
    /// SIGSTOP, until [`Act::GoOn`]; the others take over.
    Stop,
}

const WAITS: [i64; 8] = [1, 2, 6, 31, 61, 61, 125, 700];

impl Schedule {
    /// With at most so many replicas.
    pub(super) fn draw(seed: u64, most: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let replicas = dice.between(1, most + 1) as usize;
        let orders = dice.between(2, 7) as usize;
        let faults = (0..dice.between(0, 5)).map(|_| fault(dice)).collect();
        let mut acts = Vec::new();
        for order in 0..orders {
            let replica = dice.between(0, replicas as u64) as usize;
            acts.push(match dice.between(0, 5) {
                0 | 1 => Act::Push { order, replica, wait: dice.one_in(2) },
                2 => Act::PushTwice { order, replica },
                _ => Act::Hit {
                    order,
                    replica,
                    fault: dice.pick(&["hang", "booked_then_hang", "booked_then_hang"]),
                    blow: Blow::draw(dice, replicas),
                },
            });
            for _ in 0..dice.between(0, 4) {
                acts.push(Act::draw(dice, order + 1, replicas));
            }
        }
        Self {
            replicas,
            orders,
            deadline: dice.pick(&[120, 3_600, 3_600]),
            by_online_no: dice.one_in(3),
            callback_delay_ms: dice.pick(&[0, 3, 600_000]),
            faults,
            lasting: dice.one_in(6),
            breaker_failures: dice.pick(&[2, 100_000, 100_000]),
            acts,
        }
    }
}

impl Blow {
    fn draw(dice: &mut Dice, replicas: usize) -> Self {
        match dice.between(0, 6) {
            0 => Self::Drain,
            // Somebody must be left to take over.
            1..=3 if replicas > 1 => Self::Stop,
            _ => Self::Kill { seconds: dice.pick(&[0, 1, 31, 100]) },
        }
    }
}

impl Act {
    fn draw(dice: &mut Dice, orders: usize, replicas: usize) -> Self {
        let order = dice.between(0, orders as u64) as usize;
        let replica = dice.between(0, replicas as u64) as usize;
        match dice.between(0, 35) {
            0 | 1 => Self::Push { order, replica, wait: false },
            2 => Self::PushOther { order, replica },
            3 | 4 => Self::Strike { replica, blow: Blow::draw(dice, replicas) },
            5 | 6 => Self::GoOn,
            7..=9 => Self::Cancel { order, replica },
            10 | 11 => Self::Reschedule { order, replica, days: dice.between(1, 20) as i64 },
            12 => Self::Retry { order, replica },
            13 | 14 => Self::Resolve { order, replica },
            15..=20 => Self::Turn { seconds: dice.pick(&WAITS) },
            21 => Self::Quiet,
            22 => Self::Pause { replica },
            23 => Self::Resume { replica },
            24 => Self::Switch { replica },
            25 | 26 => Self::Rename,
            27 | 28 => Self::CallBack,
            29 => Self::ArriveLate,
            30 => Self::Heal,
            31 | 32 => Self::Defer { replica, seconds: dice.pick(&[100, 4_000, 200_000]) },
            _ => Self::Fault(fault(dice)),
        }
    }
}

/// Something that goes wrong at the order system.
fn fault(dice: &mut Dice) -> Value {
    let push: &[&str] = &["Y1"];
    let cancel: &[&str] = &["Y2"];
    let told: &[&str] = &["Y1", "Y2"];
    let written: &[&str] = &["Y1", "Y1", "Y2", "Y3"];
    let any: &[&str] = &["Y1", "Y1", "Y0", "Y2", "Y3"];
    let (kind, endpoints) = dice.pick(&[
        ("server_error", any),
        ("bom", any),
        ("bad_gateway", any),
        ("unavailable", any),
        ("gateway_timeout", any),
        ("html", any),
        ("error_body", any),
        ("truncated_json", any),
        ("reset_before", any),
        ("reset_after", any),
        ("lost_answer", any),
        ("hang", any),
        ("unauthorized", any),
        ("forbidden", any),
        ("not_found", any),
        ("request_timeout", any),
        ("throttled_without_retry_after", any),
        ("unknown_field", written),
        ("hasty_refusal", written),
        ("system_refusal", written),
        ("wordless_refusal", written),
        ("bare_conflict", written),
        ("weak_repetition", push),
        ("empty_success", push),
        ("booked_without_data", push),
        ("booked_and_refused", push),
        ("byte_order_mark", written),
        ("booked_then_error", written),
        ("booked_then_hang", written),
        ("booked_late", push),
        ("booked_late", push),
        ("refuse", push),
        ("out_of_stock", push),
        ("refuse_cancel", cancel),
        ("duplicate", told),
        ("reversed", told),
        ("early", told),
        ("lost", told),
    ]);
    let mut fault = json!({ "kind": kind, "endpoint": dice.pick(endpoints) });
    match dice.between(0, 3) {
        0 => fault["probability"] = json!(dice.between(20, 70) as f64 / 100.0),
        _ => fault["count"] = json!(dice.between(1, 4)),
    }
    match kind {
        // Never for ever: nobody waits here for a client's time limit.
        "hang" | "booked_then_hang" => fault["delay_ms"] = json!(dice.between(5, 40)),
        // Not by the time of this machine, but when the schedule says so.
        "booked_late" => fault["delay_ms"] = json!(86_400_000),
        _ => {}
    }
    fault
}
