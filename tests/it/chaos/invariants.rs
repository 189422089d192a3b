//! What must hold whatever happened.

use std::collections::BTreeSet;

use haier_integration::proto::{
    GetSyncLogRequest, ListSyncFailuresRequest, ListSyncLogsRequest, Product, SyncFailure, SyncLog,
    SyncStatus,
};

use crate::support::{Client, Database, Shown, equals};

/// A run that has ended, with its failures.
pub(crate) struct Ended {
    pub(crate) log: SyncLog,
    pub(crate) failures: Vec<SyncFailure>,
}

impl Ended {
    pub(crate) async fn fetch(client: &mut Client, id: i64) -> Self {
        let log = client.get_sync_log(GetSyncLogRequest { id }).await.unwrap().into_inner();
        let (mut failures, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListSyncFailuresRequest { sync_log_id: id, page_size: 1_000, page_token };
            let page = client.list_sync_failures(request).await.unwrap().into_inner();
            failures.extend(page.failures);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Self { log, failures };
            }
        }
    }

    pub(crate) fn completed(&self) -> bool {
        self.log.end_reason == "COMPLETED"
    }

    pub(crate) fn failed(&self) -> BTreeSet<&str> {
        self.failures.iter().map(|failure| failure.product_code.as_str()).collect()
    }

    /// The log agrees with itself and with its failures.
    pub(crate) fn assert_adds_up(&self) {
        let Self { log, failures } = self;
        let (total, success, failed) = (log.total_count, log.success_count, log.failed_count);
        let status = match (self.completed(), success, failed) {
            (true, _, 0) => SyncStatus::Success,
            (_, 0, _) => SyncStatus::Failed,
            _ => SyncStatus::Partial,
        };
        assert_eq!(log.status(), status, "{log:?}");
        assert_eq!(total, success + failed, "{log:?}");
        assert_eq!((failures.len() as i64, self.failed().len() as i64), (failed, failed), "{log:?}");
        assert!(log.started_at.is_some() && log.completed_at.is_some(), "{log:?}");
        assert!(log.message.starts_with(&log.end_reason) && !log.end_reason.is_empty(), "{log:?}");
        if self.completed() {
            assert_eq!(log.planned_count, Some(total), "{log:?}");
        }
        for failure in failures {
            assert!(!failure.reason.is_empty() && !failure.detail.is_empty(), "{failure:?}");
        }
    }

    /// A code that Haier refuses is named, and nothing else is blamed for it: its batch is split.
    pub(crate) fn assert_names_poison(&self, poison: &BTreeSet<&str>, asked: &BTreeSet<String>) {
        if !self.completed() {
            return;
        }
        let failed = self.failed();
        for code in poison {
            assert!(!asked.contains(*code) || failed.contains(code), "{code} is poison and did not fail");
        }
        for failure in self.failures.iter().filter(|failure| failure.reason == "VALIDATION_ERROR") {
            assert!(poison.contains(failure.product_code.as_str()), "{failure:?}");
        }
    }

    /// Under faults that pass a run completes, and only what Haier refuses for good fails.
    pub(crate) fn assert_whole(&self, poison: &BTreeSet<&str>) {
        assert!(self.completed(), "{:?}", self.log);
        for failure in &self.failures {
            assert!(poison.contains(failure.product_code.as_str()), "{failure:?}");
        }
    }

    /// A retry is about exactly the codes that failed before.
    pub(crate) fn assert_retries(&self, parent: &Self) {
        assert_eq!(
            (self.log.parent_id, self.log.trigger.as_str()),
            (Some(parent.log.id), "RETRY"),
            "{:?}",
            self.log
        );
        assert!(self.failed().is_subset(&parent.failed()), "{:?}", self.failures);
        assert!(self.failures.iter().all(|failure| failure.attempt >= 2), "{:?}", self.failures);
        let codes = parent.log.failed_count;
        assert!(!self.completed() || self.log.total_count == codes, "{:?} {:?}", self.log, parent.log);
    }
}

/// A stored product is one of the versions that Haier served.
pub(crate) fn assert_served(stored: &Product, versions: &[Shown], prices: bool) {
    let differences: Vec<_> = versions.iter().map(|shown| equals(stored, shown, prices)).collect();
    assert!(differences.iter().any(Result::is_ok), "{}: {differences:?}", stored.product_code);
}

/// Nothing is left open and nothing is stored twice.
pub(crate) async fn assert_tidy(client: &mut Client, database: &Database) {
    let request = ListSyncLogsRequest { page_size: 1_000, ..Default::default() };
    for log in client.list_sync_logs(request).await.unwrap().into_inner().sync_logs {
        assert!(log.status > SyncStatus::Processing as i32, "left open: {log:?}");
    }
    for (what, sql) in [
        ("runs", "SELECT count(*) FROM sync_runs"),
        ("open logs", "SELECT count(*) FROM sync_logs WHERE status IN ('pending', 'processing')"),
        ("doubled products", "SELECT count(*) - count(DISTINCT product_code) FROM products"),
        (
            "doubled failures",
            "SELECT count(*) FROM (SELECT 1 FROM sync_failures GROUP BY sync_log_id, product_code \
             HAVING count(*) > 1) AS doubled",
        ),
        (
            "logs without their failures",
            "SELECT count(*) FROM sync_logs WHERE failed_count <> \
             (SELECT count(*) FROM sync_failures WHERE sync_log_id = sync_logs.id)",
        ),
    ] {
        assert_eq!(database.number(sql).await, 0, "{what}");
    }
}
