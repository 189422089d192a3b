//! Waits between sends: exponential with full jitter, unless Haier says how long.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Longest wait that Haier may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// How often and how fast a call is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    /// Sends of one call in all, at least 1; the one after a 401 is not counted.
    pub tries: u32,
    /// Longest wait before the second send; it doubles with each further one.
    pub base: Duration,
    /// Longest wait before any send.
    pub max: Duration,
    /// What the jitter is drawn from.
    pub seed: u64,
}

/// The waits of one client.
#[derive(Debug)]
pub(super) struct Backoff {
    settings: RetrySettings,
    dice: Mutex<StdRng>,
}

impl Backoff {
    pub(super) fn new(settings: RetrySettings) -> Self {
        let dice = Mutex::new(StdRng::seed_from_u64(settings.seed));
        Self { settings, dice }
    }

    /// The wait after so many sends, which is at least 1; nothing when there is none left.
    pub(super) fn wait(&self, sends: u32, asked: Option<Duration>) -> Option<Duration> {
        if sends >= self.settings.tries {
            return None;
        }
        let RetrySettings { base, max, .. } = self.settings;
        // What Haier asks for is kept; the jitter on top keeps those whom it asked together from coming back together.
        Some(match asked {
            Some(asked) => asked.min(LONGEST_ASKED) + self.up_to(base.min(max)),
            None => self.up_to(base.saturating_mul(1_u32 << (sends - 1).min(20)).min(max)),
        })
    }

    fn up_to(&self, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_nanos(dice.random_range(0..=longest))
    }
}

/// The header `Retry-After`: seconds, or a date.
pub(super) fn parse_retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(wait.min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn backoff(tries: u32, seed: u64) -> Backoff {
        Backoff::new(RetrySettings { tries, base: millis(200), max: millis(1_000), seed })
    }

    #[test]
    fn waits_lie_anywhere_below_a_ceiling_that_doubles_up_to_the_longest() {
        let backoff = backoff(10, 1);
        for (sends, ceiling) in [(1, 200), (2, 400), (3, 800), (4, 1_000), (9, 1_000)] {
            let waits: Vec<_> = (0..500).map(|_| backoff.wait(sends, None).unwrap()).collect();
            assert!(waits.iter().all(|wait| *wait <= millis(ceiling)), "{sends}");
            // Full jitter: the lowest tenth is as likely as the highest.
            assert!(waits.iter().any(|wait| *wait < millis(ceiling / 10)), "{sends}");
            assert!(waits.iter().any(|wait| *wait > millis(ceiling * 9 / 10)), "{sends}");
        }
    }

    #[test]
    fn the_same_seed_waits_alike_and_the_last_try_waits_for_nothing() {
        let waits = |seed| (1..3).map(|sends| backoff(3, seed).wait(sends, None)).collect::<Vec<_>>();
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
        assert_eq!(backoff(3, 7).wait(3, None), None);
        assert_eq!(backoff(1, 7).wait(1, Some(millis(1))), None);
    }

    #[test]
    fn what_haier_asks_for_is_kept_and_clamped() {
        let wait = |asked| backoff(3, 7).wait(1, Some(Duration::from_secs(asked))).unwrap();
        assert!((Duration::from_secs(5)..=millis(5_200)).contains(&wait(5)));
        assert!((LONGEST_ASKED..=millis(60_200)).contains(&wait(3_600)));
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("86400", Some(60)),
            ("soon", None),
            ("-1", None),
            ("18446744073709551615", Some(60)),
            ("99999999999999999999999", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(60)),
        ] {
            assert_eq!(parse_retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
