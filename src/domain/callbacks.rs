//! Callbacks of the order system: what of one is kept, whose orders it may touch, and why one is refused.

pub mod parameters;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

pub use parameters::Parameters;

use super::{
    accounts::AccountIdentity,
    orders::{
        Sender, SoId,
        facts::{Callback, CallbackMethod},
    },
    sealed::{Place, Sealed},
    words::words,
};

/// Shanghai is eight hours ahead all the year round.
const SHANGHAI: TimeDelta = TimeDelta::hours(8);
const TIME_STAMP: &str = "%Y%m%d%H%M%S";
const TIME_STAMP_DIGITS: usize = 14;
/// The table whose rows the sealed values are bound to.
pub const TABLE: &str = "callbacks";
/// The field that is sealed.
pub const DATA: &str = "data";
/// Stands for words that are there.
const MASKED: &str = "****";

/// The instant of a `TimeStamp`: `yyyyMMddHHmmss`, as clocks in Shanghai show it.
#[must_use]
pub fn parse_time_stamp(text: &str) -> Option<DateTime<Utc>> {
    let is_whole = text.len() == TIME_STAMP_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let local = is_whole.then(|| NaiveDateTime::parse_from_str(text, TIME_STAMP).ok())??;
    Some(local.checked_sub_signed(SHANGHAI)?.and_utc())
}

/// An instant as a `timeStamp`.
#[must_use]
pub fn time_stamp(instant: DateTime<Utc>) -> String {
    (instant.naive_utc() + SHANGHAI).format(TIME_STAMP).to_string()
}

/// Where the sealed `Data` of a callback belongs.
#[must_use]
pub const fn place(callback_id: i64) -> Place<'static> {
    Place { table: TABLE, row: callback_id, field: DATA }
}

/// An account whose secret signed a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The account's name.
    pub account: String,
    /// Its customer code.
    pub seller_code: String,
    /// Its identity at the order system. `None`: the callback was stored before identities were recorded.
    pub identity: Option<AccountIdentity>,
}

impl Signer {
    /// Whether this signer may speak of an order of that sender: at the same place, for the same customer. A shop that moves
    /// its account from variables into the database keeps its orders; an account that was made again under its name is
    /// another one. Where either side is from before identities were recorded, name and customer code must be the same.
    fn may_speak_of(&self, sender: &Sender) -> bool {
        let same_name = self.account == sender.account;
        match (&self.identity, &sender.identity) {
            (Some(own), Some(theirs)) if same_name => own == theirs,
            (Some(own), Some(theirs)) => own.place == theirs.place,
            _ => same_name && self.seller_code == sender.seller_code,
        }
    }
}

/// A callback that was found genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedCallback {
    /// Time-ordered id.
    pub id: i64,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// The `AppKey` that it carried.
    pub app_key: String,
    /// Every account whose secret signed it, at least one: accounts may share a key.
    pub signers: Vec<Signer>,
    /// What it is about.
    pub method: CallbackMethod,
    /// Its `TimeStamp` as it came.
    pub time_stamp: String,
    /// `PlatformOrderNo`: the order's `so_id`, or its `online_no`.
    pub platform_order_no: String,
    /// `ExtOrderNo`: Haier's order number, if it carried one.
    pub haier_order_no: Option<String>,
    /// Whether `State` is 1.
    pub success: bool,
    /// `FailMsg` without mobile numbers; empty if it carried none, or while it is sealed.
    pub words: String,
    /// `Data` as it came, without mobile numbers; while that is sealed, its numbers and its state.
    pub data: String,
    /// `Data` that says more than numbers and a state, until its order is found: that may name people.
    pub sealed: Option<Sealed>,
    /// SHA-256 of what was signed: the same callback again has the same.
    pub digest: Vec<u8>,
}

impl ReceivedCallback {
    /// Whether one of its signers may speak of an order of this sender.
    #[must_use]
    pub fn may_touch(&self, sender: &Sender) -> bool {
        self.signers.iter().any(|signer| signer.may_speak_of(sender))
    }
}

/// How far a stored callback has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallbackState {
    /// Its order was not looked for yet.
    New,
    /// Its order was looked for in vain.
    Parked,
    /// It was applied to its order.
    Applied,
}

/// Which stored callbacks are wanted. All that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CallbackFilter {
    /// In this state.
    pub state: Option<CallbackState>,
    /// Came then or later.
    pub after: Option<DateTime<Utc>>,
    /// Came before.
    pub before: Option<DateTime<Utc>>,
}

/// The order that a callback was applied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub so_id: SoId,
    /// When.
    pub at: DateTime<Utc>,
}

/// A stored callback, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCallback {
    /// What came.
    pub received: ReceivedCallback,
    /// When its order was looked for in vain at first.
    pub parked_at: Option<DateTime<Utc>>,
    /// Its order, once that was found.
    pub applied: Option<Applied>,
}

impl StoredCallback {
    /// How far it has come.
    #[must_use]
    pub const fn state(&self) -> CallbackState {
        match (&self.applied, self.parked_at) {
            (Some(_), _) => CallbackState::Applied,
            (None, Some(_)) => CallbackState::Parked,
            (None, None) => CallbackState::New,
        }
    }

    /// The same for eyes that need not see whom it is about: Haier's words may name him.
    #[must_use]
    pub fn masked(mut self) -> Self {
        if !self.received.words.is_empty() || self.received.sealed.is_some() {
            MASKED.clone_into(&mut self.received.words);
        }
        self
    }
}

impl From<ReceivedCallback> for Callback {
    fn from(received: ReceivedCallback) -> Self {
        Self {
            method: received.method,
            time_stamp: received.time_stamp,
            data: received.data,
            success: received.success,
            haier_order_no: received.haier_order_no,
            words: received.words,
        }
    }
}

words! {
    /// Why a callback is refused.
    pub enum Refusal {
        /// The body is neither a form nor a JSON object of single values, or names a parameter twice.
        Body = "body";
        /// No account has this `AppKey`.
        AppKey = "app_key";
        /// The signature is not that of the account.
        Signature = "signature";
        /// Its signature is none that is known, and an account is closed or the accounts were not read lately.
        Accounts = "accounts";
        /// `TimeStamp` is none, or too far from now.
        TimeStamp = "time_stamp";
        /// `Method` is none that is known.
        Method = "method";
        /// `Data` lacks what it needs.
        Data = "data";
    }
}

impl Refusal {
    /// What is wrong and what to look at, for whoever runs the service.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Body => "its body is neither a form nor a JSON object, or names a parameter twice",
            Self::AppKey => "no account has its AppKey: look at callback_app_key of the accounts",
            Self::Signature => {
                "its signature is wrong: look at callback_secret of the account with this AppKey"
            }
            Self::Accounts => {
                "its signature is none that is known, but an account cannot be opened or read: it is answered 503, so that it                  comes again; look at the keys and the database"
            }
            Self::TimeStamp => {
                "its TimeStamp is too far from now: look at the clocks, and at callback_window; if its signature is right, it                  is kept and applied all the same"
            }
            Self::Method => "its Method is unknown",
            Self::Data => "its Data is no JSON object with PlatformOrderNo and State",
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone as _, Utc};

    use super::{parse_time_stamp, time_stamp};

    #[test]
    fn time_stamps_are_those_of_clocks_in_shanghai() {
        let instant = Utc.with_ymd_and_hms(2025, 12, 31, 16, 0, 1).unwrap();
        assert_eq!(time_stamp(instant), "20260101000001");
        assert_eq!(parse_time_stamp("20260101000001"), Some(instant));
        for bad in
            ["", "2026010100000", "202601010000011", "20261301000001", "2026010100000a", "+2026010100000"]
        {
            assert_eq!(parse_time_stamp(bad), None, "{bad}");
        }
    }
}
