//! The record of a run: its type, states, counts, and the codes that failed.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    callers::{Caller, Role},
    messages::EndMessage,
    reasons::Reason,
    waits::Wait,
    words::words,
};

words! {
    /// What a run is about.
    pub enum SyncType {
        /// Catalogue records, and what is asked for beside them.
        Products = "products", "商品同步", "product sync";
        /// Prices of what is stored.
        Prices = "prices", "价格同步", "price sync";
        /// Stock of what is stored.
        Stock = "stock", "库存同步", "stock sync";
        /// One order's way to Haier.
        Order = "order", "订单推送", "order push";
        /// One look at an order's logistics.
        Logistics = "logistics", "物流查询", "logistics query";
        /// A repair by hand, or maintenance.
        Manual = "manual", "手动操作", "manual operation";
    }
}

words! {
    /// Where a run stands. It only moves down this list, and the last three are ends.
    pub enum SyncStatus {
        /// Nobody works on it yet.
        Pending = "pending", "待处理", "pending";
        /// A replica works on it.
        Processing = "processing", "处理中", "processing";
        /// Everything succeeded.
        Success = "success", "成功", "success";
        /// Nothing succeeded.
        Failed = "failed", "失败", "failed";
        /// Some succeeded.
        Partial = "partial", "部分成功", "partly successful";
    }
}

words! {
    /// What set a run off.
    pub enum Trigger {
        /// Somebody asked for it.
        Caller = "CALLER", "调用方", "a caller";
        /// The catalogue was empty when the service started.
        FirstStart = "FIRST_START", "首次启动", "first start";
        /// Codes that failed before are tried again.
        Retry = "RETRY", "重试", "a retry";
        /// A schedule was due.
        Schedule = "SCHEDULE", "计划", "a schedule";
        /// Another account is in use.
        AccountSwitch = "ACCOUNT_SWITCH", "账户切换", "a switch of accounts";
        /// A person approved what another run had set aside.
        Approval = "APPROVAL", "审批", "an approval";
        /// A comparison found differences, and a person wants them repaired.
        Repair = "REPAIR", "修复", "a repair";
    }
}

words! {
    /// The step of a run at which it stands, or at which a code failed.
    pub enum Stage {
        /// Haier's listing.
        Listing = "LISTING", "目录", "listing";
        /// Catalogue records.
        Catalogue = "CATALOGUE", "商品", "catalogue";
        /// Prices.
        Prices = "PRICES", "价格", "prices";
        /// Stock.
        Stock = "STOCK", "库存", "stock";
    }
}

impl SyncStatus {
    /// Whether a run in this state is over.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Partial)
    }

    /// The state in which a run ends. The database holds runs to the same rule.
    #[must_use]
    pub const fn at_end(reason: Reason, counts: Counts) -> Self {
        match (reason, counts.success, counts.failed) {
            (Reason::Completed, _, 0) => Self::Success,
            (_, 0, _) => Self::Failed,
            (_, _, _) => Self::Partial,
        }
    }
}

/// The counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Codes known of; at the end success + failed.
    pub total: i64,
    /// Codes for which everything asked for succeeded.
    pub success: i64,
    /// Codes that failed.
    pub failed: i64,
}

/// The record of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncLog {
    /// Time-ordered id.
    pub id: i64,
    /// What it is about.
    pub sync_type: SyncType,
    /// Where it stands.
    pub status: SyncStatus,
    /// How it ended; `None` before.
    pub end: Option<EndMessage>,
    /// Its counts.
    pub counts: Counts,
    /// Codes planned, once known.
    pub planned_count: Option<i64>,
    /// First claim.
    pub started_at: Option<DateTime<Utc>>,
    /// End.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// What set it off.
    pub trigger: Trigger,
    /// Who asked; empty for the service itself.
    pub requested_by: String,
    /// The run it repeats or follows.
    pub parent_id: Option<i64>,
    /// Account it ran under.
    pub account: String,
    /// For how long it was kept waiting: by a pause, an open breaker, a throttle or the budget.
    pub waited: TimeDelta,
    /// What keeps it waiting now.
    pub wait: Option<Wait>,
}

impl SyncLog {
    /// Whether he may see it: an admin every log, others those of runs that they or the service itself asked for.
    #[must_use]
    pub fn is_shown_to(&self, caller: &Caller) -> bool {
        caller.role == Role::Admin || [caller.name.as_str(), ""].contains(&self.requested_by.as_str())
    }
}

/// Which logs to list; `None` matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncLogFilter {
    /// Exact type.
    pub sync_type: Option<SyncType>,
    /// Exact status.
    pub status: Option<SyncStatus>,
    /// Created then or later.
    pub created_after: Option<DateTime<Utc>>,
    /// Created before.
    pub created_before: Option<DateTime<Utc>>,
    /// Part of the message, case ignored.
    pub query: Option<String>,
    /// Asked for by him, or by the service itself.
    pub shown_to: Option<String>,
}

/// One code that a run could not sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncFailure {
    /// Place in the run's failures, from 1.
    pub seq: i64,
    /// The code, or `#N` for the N-th record of a listing when it carried none.
    pub product_code: String,
    /// Where it failed.
    pub stage: Stage,
    /// Why.
    pub reason: Reason,
    /// Haier's words, or what exactly was wrong.
    pub detail: String,
    /// Which try of the code, from 1.
    pub attempt: i64,
    /// County asked for; empty except for stock.
    pub county_code: String,
    /// The product's category, if stored.
    pub category: String,
    /// The product's brand, if stored.
    pub brand: String,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
}
