//! Ready-made sets of faults, to rehearse an outage with. They hold only faults that a client can outlast by asking again:
//! nothing that spoils a record or refuses a code for good, so that a catalogue synced under them must come out whole.

use std::fmt;
use std::str::FromStr;

use super::endpoint::Endpoint;
use super::fault_kinds::Kind;
use super::faults::Fault;

/// A set of faults by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Nothing goes wrong.
    #[default]
    None,
    /// About one call in sixty: a slow answer, 5xx, 429, a reset connection, an order that is booked though nobody was told.
    Mild,
    /// About one call in six, in every way that asking again heals.
    Harsh,
}

/// A limited hang: well below the 30 s a client should wait, above what anybody mistakes for a slow answer.
const HANG_MS: u64 = 2_000;

/// A push that was cut off is booked so much later.
const BOOKED_MS: u64 = 2_000;

/// A callback that is late is so late.
const CALLBACK_MS: u64 = 5_000;

/// A new token serves so many calls before it can be voided again. A client gives up on a call that is refused twice in
/// a row, and may have dozens in flight.
const TOKEN_CALLS: u64 = 100;

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Mild, Self::Harsh];

    /// The name on the command line and in the controls.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mild => "mild",
            Self::Harsh => "harsh",
        }
    }

    pub(super) fn faults(self) -> Vec<Fault> {
        let chance = |kind, probability| Fault { probability, ..Fault::always(kind) };
        let slow =
            |kind, probability, delay_ms| Fault { delay_ms: Some(delay_ms), ..chance(kind, probability) };
        // Not for the listing: one that breaks off is never asked for again, so that asking again cannot heal it.
        let broken = |kind, probability| {
            let others = Endpoint::ALL.into_iter().filter(|endpoint| *endpoint != Endpoint::Products);
            others.map(move |endpoint| Fault { endpoint: Some(endpoint), ..chance(kind, probability) })
        };
        match self {
            Self::None => Vec::new(),
            Self::Mild => [
                slow(Kind::Latency, 0.005, 500),
                chance(Kind::ServerError, 0.003),
                chance(Kind::Unavailable, 0.002),
                chance(Kind::Throttled, 0.002),
                chance(Kind::ThrottledWithoutRetryAfter, 0.002),
                chance(Kind::ResetBefore, 0.002),
                chance(Kind::BookedThenError, 0.002),
                slow(Kind::BookedLate, 0.001, BOOKED_MS),
                chance(Kind::Duplicate, 0.005),
                slow(Kind::Late, 0.005, CALLBACK_MS),
            ]
            .into_iter()
            .chain(broken(Kind::ResetAfter, 0.001))
            .collect(),
            Self::Harsh => [
                slow(Kind::Latency, 0.02, 300),
                chance(Kind::ServerError, 0.02),
                chance(Kind::BadGateway, 0.01),
                chance(Kind::Unavailable, 0.02),
                chance(Kind::GatewayTimeout, 0.01),
                chance(Kind::Throttled, 0.01),
                chance(Kind::ThrottledWithoutRetryAfter, 0.01),
                chance(Kind::ResetBefore, 0.015),
                slow(Kind::Hang, 0.005, HANG_MS),
                chance(Kind::Html, 0.01),
                chance(Kind::ErrorBody, 0.01),
                Fault { after_calls: Some(TOKEN_CALLS), ..chance(Kind::Unauthorized, 0.01) },
                chance(Kind::LostAnswer, 0.005),
                chance(Kind::Bom, 0.01),
                chance(Kind::BookedThenError, 0.02),
                slow(Kind::BookedThenHang, 0.005, HANG_MS),
                slow(Kind::BookedLate, 0.01, BOOKED_MS),
                chance(Kind::HastyRefusal, 0.01),
                chance(Kind::SystemRefusal, 0.005),
                chance(Kind::WordlessRefusal, 0.005),
                chance(Kind::BareConflict, 0.005),
                chance(Kind::WeakRepetition, 0.005),
                chance(Kind::EmptySuccess, 0.005),
                chance(Kind::BookedWithoutData, 0.005),
                chance(Kind::BookedAndRefused, 0.005),
                chance(Kind::Duplicate, 0.04),
                chance(Kind::Reversed, 0.02),
                slow(Kind::Late, 0.02, CALLBACK_MS),
                chance(Kind::Early, 0.02),
            ]
            .into_iter()
            .chain(broken(Kind::TruncatedJson, 0.01))
            .chain(broken(Kind::ResetAfter, 0.01))
            .collect(),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| format!("faults {text:?} are unknown, allowed are none, mild and harsh"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault_kinds::Stage;
    use super::*;

    #[test]
    fn a_preset_holds_nothing_that_lasts() {
        for preset in Preset::ALL {
            for fault in preset.faults() {
                assert_ne!(fault.kind.row().stage, Stage::Records, "{preset}: {:?}", fault.kind);
                assert!(!matches!(
                    fault.kind,
                    Kind::Poison | Kind::Forbidden | Kind::NotFound | Kind::CutListing
                ));
                assert!(!matches!(
                    fault.kind,
                    Kind::Lost | Kind::Refuse | Kind::OutOfStock | Kind::RefuseCancel
                ));
                let row = fault.kind.row();
                let breaks = row.stage == Stage::Sending && fault.kind != Kind::LostAnswer;
                let listing =
                    fault.endpoint.map_or(row.endpoints.contains(&Endpoint::Products), |endpoint| {
                        endpoint == Endpoint::Products
                    });
                assert!(!breaks || !listing);
                assert!(fault.probability < 0.05 && fault.product_code.is_none());
                assert!(fault.kind != Kind::Hang || fault.delay_ms.is_some_and(|time| time < 5_000));
            }
        }
    }

    #[test]
    fn as_much_goes_wrong_as_is_said() {
        let wrong = |preset: Preset| {
            let faults = preset.faults().into_iter();
            let of_prices = faults.filter(|fault| {
                let at = fault.endpoint.as_ref().map_or(fault.kind.row().endpoints, std::slice::from_ref);
                at.contains(&Endpoint::Prices)
            });
            let right: f64 = of_prices.map(|fault| 1.0 - fault.probability).product();
            1.0 - right
        };
        assert!((0.01..0.02).contains(&wrong(Preset::Mild)), "{}", wrong(Preset::Mild));
        assert!((1.0 / 7.0..1.0 / 5.0).contains(&wrong(Preset::Harsh)), "{}", wrong(Preset::Harsh));
    }
}
