//! What this process knows of its calls to one system, for a person to look at. Never a secret.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One system, as one replica sees it. Fields that another version does not know are passed over, or are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemStatus {
    /// Which system: "open-platform", "order-system".
    pub system: String,
    /// Name of the account it is called under.
    pub account: String,
    /// Whether the account is not the one in use (any more), and something still runs under it.
    pub former: bool,
    /// Its budget of calls.
    pub budget: BudgetStatus,
    /// A breaker an operation.
    pub breakers: Vec<BreakerStatus>,
    /// The token in use, if there is one.
    pub token: Option<TokenStatus>,
}

/// A budget and how it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BudgetStatus {
    /// Calls a second that are allowed to all replicas together; 0: no limit.
    pub limit: u32,
    /// Calls this replica let out in the last whole second.
    pub last_second: u32,
    /// Calls this replica let out in the last minute.
    pub last_minute: u32,
    /// Live calls that wait for a slot.
    pub waiting_live: u32,
    /// Calls of runs that wait for a slot.
    pub waiting_bulk: u32,
}

/// A breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerStatus {
    /// The operation's number in Haier's description: "H1".
    pub operation: String,
    /// How it stands.
    pub state: BreakerState,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Failures in a row, each about something else.
    pub failures: u32,
    /// When an open one admits its first probe.
    pub probe_at: Option<DateTime<Utc>>,
}

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// A few probes pass.
    HalfOpen,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatus {
    /// When it was asked for.
    pub issued_at: DateTime<Utc>,
    /// When it is replaced.
    pub refresh_at: DateTime<Utc>,
}
