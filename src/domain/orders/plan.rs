//! When an order's next step is due: at once, then on a schedule that grows slow, and never sooner than is safe.

use chrono::{DateTime, TimeDelta, Utc};

use super::standing::{Standing, Step};

/// After so many failed tries an order is tried once a day.
const MANY_TRIES: usize = 100;

/// How orders are sent. All of it is settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRules {
    /// Waits after the first failed try, the second, and so on; the last one repeats. Never empty.
    pub schedule: Vec<TimeDelta>,
    /// How long an attempt whose outcome is unknown may still arrive: no other one before.
    pub doubt_wait: TimeDelta,
    /// How long an order that was provably not booked is sent again.
    pub deadline: TimeDelta,
}

impl PushRules {
    /// The wait after so many failed tries.
    #[must_use]
    pub fn wait_after(&self, tries: usize) -> TimeDelta {
        let index = tries.saturating_sub(1).min(self.schedule.len().saturating_sub(1));
        let wait = self.schedule.get(index).copied().unwrap_or(self.doubt_wait);
        // The story of one order stays short however long its doubt lasts.
        if tries > MANY_TRIES { wait.max(TimeDelta::days(1)) } else { wait }
    }

    /// When the next step is due. `None`: there is nothing to do. The last try before the deadline is at the deadline.
    #[must_use]
    pub fn next_attempt_at(
        &self,
        standing: &Standing,
        created_at: DateTime<Utc>,
        deadline_at: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        if standing.step == Step::Nothing {
            return None;
        }
        let tried = &standing.tried;
        let Some(last_try_at) = tried.last_try_at else {
            return Some(self.not_in_doubt(standing, created_at));
        };
        let scheduled = last_try_at + self.wait_after(tried.tries);
        let scheduled = tried.not_before.map_or(scheduled, |not_before| scheduled.max(not_before));
        let due = tried.held_until.unwrap_or(scheduled);
        let is_last_chance = standing.step == Step::Push
            && standing.doubt.is_none()
            && last_try_at < deadline_at
            && due > deadline_at;
        let due = if is_last_chance { deadline_at } else { due };
        let wanted = standing.wanted_at.filter(|wanted_at| *wanted_at >= last_try_at);
        Some(self.not_in_doubt(standing, wanted.unwrap_or(due)))
    }

    fn not_in_doubt(&self, standing: &Standing, due: DateTime<Utc>) -> DateTime<Utc> {
        match (standing.step, standing.doubt) {
            (Step::Push, Some(doubt)) => due.max(doubt.at + self.doubt_wait),
            // Other times that went astray must not arrive after these.
            (Step::Change(_), _) => {
                standing.change_doubt_at.map_or(due, |doubt_at| due.max(doubt_at + self.doubt_wait))
            }
            _ => due,
        }
    }
}
