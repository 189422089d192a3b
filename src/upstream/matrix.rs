//! The error matrix: what each way in which a send can end means, whether it is worth another send, what it says about
//! Haier's health, and whether the call can have been carried out.
//!
//! That last column decides over the calls that change the world (Y1 to Y3). What was provably not carried out is repeated
//! like a read; anything else ends *in doubt* and is not repeated here:
//!
//! | outcome of a send of Y1 to Y3 | what becomes of it |
//! |---|---|
//! | no byte went out: no connection, or none in time | as for a read: repeated with backoff |
//! | 401, also as the code of a refusal in a 200 | once more with a fresh token, then `AUTH_FAILED` |
//! | 429, also in a 200 | repeated, when Haier is willing again |
//! | 403, also in a 200; 404 | `FORBIDDEN` and an alert: the account is at fault, not the order |
//! | 400 and all other 4xx; a refusal in a 200 with any other code | refused, repeated or in doubt, by what it says: `domain/order_evidence.rs` |
//! | 408, 5xx, also as the code in a 200; another status | in doubt |
//! | no answer in time, a connection that broke, an answer that cannot be read | in doubt |
//!
//! A pause, an open breaker and an empty budget come before the send and say nothing about it.

use crate::domain::reasons::Reason;

/// Whether another send may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// No: the answer would be the same.
    Never,
    /// Once, with a fresh token; not counted as a try.
    FreshToken,
    /// Yes, after a wait.
    Backoff,
}

/// What an outcome says to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Haier answers, whatever it says.
    Up,
    /// An outage.
    Down,
    /// Nothing.
    Unclear,
}

/// Whether Haier can have done what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Executed {
    /// No: it said so.
    No,
    /// Nobody knows.
    Maybe,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) reason: Reason,
    pub(super) again: Again,
    pub(super) health: Health,
    pub(super) executed: Executed,
    /// Whether a person must look: nothing that this program does will mend it.
    pub(super) alert: bool,
}

const fn line(reason: Reason, again: Again, health: Health, executed: Executed) -> Line {
    Line { reason, again, health, executed, alert: false }
}

/// By status; the first line that covers it counts.
#[rustfmt::skip]
const STATUSES: [(u16, u16, Line); 8] = [
    (400, 400, line(Reason::ValidationError, Again::Never,      Health::Up,      Executed::No)),
    (401, 401, line(Reason::AuthFailed,      Again::FreshToken, Health::Up,      Executed::No)),
    // No right, our address is not on the allow list, or no such interface.
    (403, 404, Line { alert: true, ..line(Reason::Forbidden, Again::Never, Health::Up, Executed::No) }),
    (408, 408, line(Reason::RequestTimeout,  Again::Backoff,    Health::Down,    Executed::Maybe)),
    (429, 429, line(Reason::RateLimited,     Again::Backoff,    Health::Unclear, Executed::No)),
    (402, 499, line(Reason::ValidationError, Again::Never,      Health::Up,      Executed::No)),
    (500, 599, line(Reason::ServerError,     Again::Backoff,    Health::Down,    Executed::Maybe)),
    // Redirects are not followed; nothing else is a status.
    (100, 999, OTHER_STATUS),
];

const OTHER_STATUS: Line = line(Reason::MalformedAnswer, Again::Never, Health::Up, Executed::Maybe);

/// No connection, or one that broke.
pub(super) const CONNECTION_FAULT: Line =
    line(Reason::ConnectionFailed, Again::Backoff, Health::Down, Executed::Maybe);
/// No answer within the limit of one send.
pub(super) const TIMED_OUT: Line =
    line(Reason::RequestTimeout, Again::Backoff, Health::Down, Executed::Maybe);
/// Whoever asked stopped waiting soon: Haier may well have answered later.
pub(super) const GIVEN_UP: Line =
    line(Reason::RequestTimeout, Again::Never, Health::Unclear, Executed::Maybe);
/// An answer that is no JSON, or breaks off: a page of some proxy, say. Reads may be repeated freely.
pub(super) const UNREADABLE: Line =
    line(Reason::MalformedAnswer, Again::Backoff, Health::Unclear, Executed::Maybe);
/// A listing that broke off before its first record.
pub(super) const LISTING_CUT: Line =
    line(Reason::ListingCut, Again::Backoff, Health::Unclear, Executed::Maybe);

/// What an HTTP status other than a success means.
pub(super) fn of_status(status: u16) -> Line {
    let found = STATUSES.iter().find(|(low, high, _)| (*low..=*high).contains(&status));
    found.map_or(OTHER_STATUS, |(_, _, line)| *line)
}

/// What the code in a 200 that refuses means. Some of Haier's services put their own numbers there, and 500 for a bad
/// parameter, so that it says nothing to the breaker.
pub(super) fn of_refusal(code: &str) -> Line {
    let known = match code.parse().unwrap_or(0) {
        status @ (400 | 401 | 403 | 408 | 429 | 500..=599) => of_status(status),
        _ => line(Reason::ServerError, Again::Never, Health::Unclear, Executed::No),
    };
    Line { health: Health::Unclear, ..known }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the interface description, with what follows from it.
    #[test]
    fn every_status_means_what_the_description_says() {
        use {Again::*, Executed::*, Health::*, Reason::*};
        for (status, reason, again, health, executed, alert) in [
            (400, ValidationError, Never, Up, No, false),
            (401, AuthFailed, FreshToken, Up, No, false),
            (403, Forbidden, Never, Up, No, true),
            (404, Forbidden, Never, Up, No, true),
            (408, RequestTimeout, Backoff, Down, Maybe, false),
            (422, ValidationError, Never, Up, No, false),
            (429, RateLimited, Backoff, Unclear, No, false),
            (500, ServerError, Backoff, Down, Maybe, false),
            (502, ServerError, Backoff, Down, Maybe, false),
            (503, ServerError, Backoff, Down, Maybe, false),
            (504, ServerError, Backoff, Down, Maybe, false),
            (302, MalformedAnswer, Never, Up, Maybe, false),
        ] {
            assert_eq!(of_status(status), Line { reason, again, health, executed, alert }, "{status}");
        }
    }

    #[test]
    fn a_200_that_refuses_is_repeated_only_if_its_code_says_so() {
        use {Again::*, Executed::*, Reason::*};
        for (code, reason, again, executed) in [
            ("500", ServerError, Backoff, Maybe),
            ("503", ServerError, Backoff, Maybe),
            ("429", RateLimited, Backoff, No),
            ("400", ValidationError, Never, No),
            ("401", AuthFailed, FreshToken, No),
            ("404", ServerError, Never, No),
            ("B0001", ServerError, Never, No),
            ("", ServerError, Never, No),
        ] {
            let line = of_refusal(code);
            assert_eq!((line.reason, line.again, line.executed), (reason, again, executed), "{code}");
            assert_eq!(line.health, Health::Unclear, "{code}");
        }
    }
}
