//! Faults that a test switches on: which kinds there are, which calls they hit, and the dice that decide.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::callback_note::Wishes;
use super::dice::Dice;
use super::endpoint::Endpoint;
use super::fault_kinds::{Kind, Stage};

const SALT: u64 = 3;

/// A fault as switched on.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fault {
    #[serde(serialize_with = "endpoint_name", skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<Endpoint>,
    #[serde(serialize_with = "kind_name")]
    pub(super) kind: Kind,
    pub(super) probability: f64,
    /// How many calls it still hits; without: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) product_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) so_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delay_ms: Option<u64>,
    /// Strikes only a token that has served so many calls: a client that was just given a new one gets on with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_calls: Option<u64>,
    /// How many calls it has hit.
    pub(super) hits: u64,
}

/// What a call asks for, as far as faults care.
pub(super) struct Asked<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) product_codes: &'a [String],
    /// The order it is about.
    pub(super) so_id: Option<&'a str>,
    /// The whole catalogue is asked for.
    pub(super) listing: bool,
    /// How many calls its token has served before.
    pub(super) token_calls: u64,
}

/// What is going to happen to one call.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) delay: Duration,
    /// How long a hang lasts; without: for ever.
    pub(super) hang: Option<Duration>,
    /// Happens instead of an answer.
    pub(super) instead: Option<Kind>,
    /// The product that the fault which stands instead of the answer is limited to.
    pub(super) product_code: Option<String>,
    /// Happens to the answer on its way out.
    pub(super) sending: Option<Kind>,
    pub(super) damages: Vec<Damage>,
    /// Whether a byte order mark stands before the answer.
    pub(super) bom: bool,
    /// When a push that is cut off is booked all the same.
    pub(super) late: Option<Duration>,
    /// What becomes of an order and of its callback.
    pub(super) wishes: Wishes,
}

/// Something wrong with the records of an answer; with a code: with that one.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    pub(super) kind: Kind,
    pub(super) product_code: Option<String>,
}

/// The faults switched on.
pub(super) struct Faults {
    seed: u64,
    state: Mutex<State>,
}

struct State {
    faults: Vec<Fault>,
    dice: Dice,
}

impl Faults {
    pub(super) fn new(seed: u64, faults: Vec<Fault>) -> Self {
        let state = State { faults, dice: Dice::new(seed, SALT, 0) };
        Self { seed, state: Mutex::new(state) }
    }

    pub(super) fn append(&self, faults: Vec<Fault>) -> Vec<Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.faults.extend(faults);
        state.faults.clone()
    }

    pub(super) fn list(&self) -> Vec<Fault> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).faults.clone()
    }

    /// Switches all off; the dice start anew, so that the next run repeats this one.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.faults.clear();
        state.dice = Dice::new(self.seed, SALT, 0);
    }

    /// Decides about one call. What cannot happen any more costs no count: behind a fault that stands instead of the
    /// answer nothing else is drawn.
    pub(super) fn draw(&self, asked: &Asked<'_>) -> Plan {
        let mut plan = Plan::default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { faults, dice } = &mut *state;
        for fault in faults {
            let stage = fault.kind.row().stage;
            let taken = stage == Stage::Sending && plan.sending.is_some();
            if taken || !fault.hits_call(asked) || !dice.chance(fault.probability) {
                continue;
            }
            fault.hits += 1;
            fault.count = fault.count.map(|count| count - 1);
            let given = fault.delay_ms.map(Duration::from_millis);
            match fault.kind {
                Kind::Hang | Kind::BookedThenHang => plan.hang = given,
                Kind::BookedLate => plan.late = Some(given.unwrap_or(Duration::from_secs(5))),
                _ if stage == Stage::Callback => plan.wishes.add(fault.kind, fault.delay_ms),
                Kind::Latency => plan.delay += given.unwrap_or(Duration::from_secs(1)),
                _ => plan.delay += given.unwrap_or_default(),
            }
            match stage {
                Stage::Delay | Stage::Callback => {}
                Stage::Instead => {
                    plan.instead = Some(fault.kind);
                    plan.product_code.clone_from(&fault.product_code);
                    break;
                }
                Stage::Sending => plan.sending = Some(fault.kind),
                Stage::Front => plan.bom = true,
                Stage::Records => {
                    plan.damages.push(Damage { kind: fault.kind, product_code: fault.product_code.clone() });
                }
            }
        }
        plan
    }
}

impl Fault {
    /// A fault that strikes every call it can strike.
    pub(super) fn always(kind: Kind) -> Self {
        Self {
            endpoint: None,
            kind,
            probability: 1.0,
            count: None,
            product_code: None,
            so_id: None,
            delay_ms: None,
            after_calls: None,
            hits: 0,
        }
    }

    fn hits_call(&self, asked: &Asked<'_>) -> bool {
        let row = self.kind.row();
        let endpoint = match self.endpoint {
            Some(endpoint) => endpoint == asked.endpoint,
            // Unasked, a token call is never answered 401: a test that means "in mid-run" would get "at the start".
            None => {
                row.endpoints.contains(&asked.endpoint)
                    && !(self.kind == Kind::Unauthorized && asked.endpoint.is_token())
            }
        };
        let product = self.product_code.as_ref().is_none_or(|code| {
            asked.product_codes.contains(code) || (asked.listing && row.stage == Stage::Records)
        });
        let order = self.so_id.as_deref().is_none_or(|so_id| asked.so_id == Some(so_id));
        let listing = !matches!(self.kind, Kind::CutListing | Kind::JunkListing) || asked.listing;
        let worn = self.after_calls.is_none_or(|calls| asked.token_calls >= calls);
        endpoint && product && order && listing && worn && self.count != Some(0)
    }
}

fn endpoint_name<S: serde::Serializer>(
    endpoint: &Option<Endpoint>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    endpoint.map(Endpoint::name).serialize(serializer)
}

fn kind_name<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    kind.row().name.serialize(serializer)
}
