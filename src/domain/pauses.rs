//! Pauses: a person holds back calls to a system until a given time, or until somebody resumes them.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use super::words::words;

words! {
    /// What may be paused.
    pub enum PauseTarget {
        /// Everything sent to Haier's open platform.
        OpenPlatform = "open-platform";
        /// Everything sent to the order system.
        OrderSystem = "order-system";
        /// New orders alone.
        OrderPush = "order-push";
    }
}

impl PauseTarget {
    const fn what(self) -> &'static str {
        match self {
            Self::OpenPlatform => "calls to Haier's open platform",
            Self::OrderSystem => "calls to Haier's order system",
            Self::OrderPush => "new orders to Haier",
        }
    }
}

/// A pause. `Display` tells a caller who is refused what holds him up and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// What is paused.
    pub target: PauseTarget,
    /// The operator's words; may be empty.
    pub reason: String,
    /// When it ends by itself. `None`: when somebody resumes.
    pub until: Option<DateTime<Utc>>,
    /// Who paused, as far as it is known.
    pub paused_by: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl Pause {
    /// Whether it still holds.
    #[must_use]
    pub fn is_on(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} are paused by an operator", self.target.what())?;
        if let Some(until) = self.until {
            write!(f, " until {}", until.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        write!(f, "; ResumeUpstream ends it (`haier-integration status resume {}`)", self.target.as_str())
    }
}
