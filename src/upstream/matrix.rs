//! The error matrix: what each way in which a send can end means, whether it is worth another send, and what it says
//! about Haier's health.

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

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) reason: Reason,
    pub(super) again: Again,
    pub(super) health: Health,
    /// Whether a person must look: nothing that this program does will mend it.
    pub(super) alert: bool,
}

const fn line(reason: Reason, again: Again, health: Health) -> Line {
    Line { reason, again, health, alert: false }
}

/// By status; the first line that covers it counts.
#[rustfmt::skip]
const STATUSES: [(u16, u16, Line); 8] = [
    (400, 400, line(Reason::ValidationError, Again::Never,      Health::Up)),
    (401, 401, line(Reason::AuthFailed,      Again::FreshToken, Health::Up)),
    // No right, our address is not on the allow list, or no such interface.
    (403, 404, Line { reason: Reason::Forbidden, again: Again::Never, health: Health::Up, alert: true }),
    (408, 408, line(Reason::RequestTimeout,  Again::Backoff,    Health::Down)),
    (429, 429, line(Reason::RateLimited,     Again::Backoff,    Health::Unclear)),
    (402, 499, line(Reason::ValidationError, Again::Never,      Health::Up)),
    (500, 599, line(Reason::ServerError,     Again::Backoff,    Health::Down)),
    // Redirects are not followed; nothing else is a status.
    (100, 999, line(Reason::MalformedAnswer, Again::Never,      Health::Up)),
];

/// No connection, or one that broke.
pub(super) const CONNECTION_FAULT: Line = line(Reason::RequestTimeout, Again::Backoff, Health::Down);
/// No answer within the limit of one send.
pub(super) const TIMED_OUT: Line = line(Reason::RequestTimeout, Again::Backoff, Health::Down);
/// Whoever asked stopped waiting soon: Haier may well have answered later.
pub(super) const GIVEN_UP: Line = line(Reason::RequestTimeout, Again::Never, Health::Unclear);
/// An answer that is no JSON, or breaks off: a page of some proxy, say. Reads may be repeated freely.
pub(super) const UNREADABLE: Line = line(Reason::MalformedAnswer, Again::Backoff, Health::Unclear);
/// A listing that broke off before its first record.
pub(super) const LISTING_CUT: Line = line(Reason::ListingCut, Again::Backoff, Health::Unclear);

/// What an HTTP status other than a success means.
pub(super) fn of_status(status: u16) -> Line {
    let found = STATUSES.iter().find(|(low, high, _)| (*low..=*high).contains(&status));
    found.map_or(line(Reason::MalformedAnswer, Again::Never, Health::Up), |(_, _, line)| *line)
}

/// What the code in a 200 that refuses means. Some of Haier's services put their own numbers there, and 500 for a bad
/// parameter, so that it says nothing to the breaker.
pub(super) fn of_refusal(code: &str) -> Line {
    let known = match code.parse().unwrap_or(0) {
        status @ (400 | 401 | 403 | 408 | 429 | 500..=599) => of_status(status),
        _ => line(Reason::ServerError, Again::Never, Health::Unclear),
    };
    Line { health: Health::Unclear, ..known }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the interface description, with what follows from it.
    #[test]
    fn every_status_means_what_the_description_says() {
        use {Again::*, Health::*, Reason::*};
        for (status, reason, again, health, alert) in [
            (400, ValidationError, Never, Up, false),
            (401, AuthFailed, FreshToken, Up, false),
            (403, Forbidden, Never, Up, true),
            (404, Forbidden, Never, Up, true),
            (408, RequestTimeout, Backoff, Down, false),
            (422, ValidationError, Never, Up, false),
            (429, RateLimited, Backoff, Unclear, false),
            (500, ServerError, Backoff, Down, false),
            (502, ServerError, Backoff, Down, false),
            (503, ServerError, Backoff, Down, false),
            (504, ServerError, Backoff, Down, false),
            (302, MalformedAnswer, Never, Up, false),
        ] {
            assert_eq!(of_status(status), Line { reason, again, health, alert }, "{status}");
        }
    }

    #[test]
    fn a_200_that_refuses_is_repeated_only_if_its_code_says_so() {
        for (code, reason, again) in [
            ("500", Reason::ServerError, Again::Backoff),
            ("503", Reason::ServerError, Again::Backoff),
            ("429", Reason::RateLimited, Again::Backoff),
            ("400", Reason::ValidationError, Again::Never),
            ("401", Reason::AuthFailed, Again::FreshToken),
            ("B0001", Reason::ServerError, Again::Never),
            ("", Reason::ServerError, Again::Never),
        ] {
            let line = of_refusal(code);
            assert_eq!((line.reason, line.again, line.health), (reason, again, Health::Unclear), "{code}");
        }
    }
}
