//! The growing list of a run's failures, read from where the last reading ended.

use std::collections::HashSet;

use tonic::Status;

use crate::{
    cli::client::{Client, unary},
    proto::{ListSyncFailuresRequest, SyncFailure},
};

const PAGE_SIZE: i32 = 1000;

/// How far the list was read. The page that was last is read again until it is followed by another one.
#[derive(Debug, Default)]
pub(in crate::cli) struct Tail {
    page_token: String,
    seen_on_page: usize,
    count: i64,
    failed: HashSet<String>,
}

/// What a reading brought.
pub(in crate::cli) struct Page {
    /// Failures not returned before.
    pub(in crate::cli) failures: Vec<SyncFailure>,
    /// Whether the list ends here, for now.
    pub(in crate::cli) is_last: bool,
}

impl Tail {
    /// Reads one page. After an error nothing has moved, and the same page is read the next time.
    pub(in crate::cli) async fn read(
        &mut self,
        client: &mut Client,
        sync_log_id: i64,
    ) -> Result<Page, Status> {
        let page_token = self.page_token.clone();
        let request = ListSyncFailuresRequest { sync_log_id, page_size: PAGE_SIZE, page_token };
        let response = client.list_sync_failures(unary(request)).await?.into_inner();
        let on_page = response.failures.len();
        let failures: Vec<_> = response.failures.into_iter().skip(self.seen_on_page).collect();
        let is_last = response.next_page_token.is_empty();
        if is_last {
            self.seen_on_page = self.seen_on_page.max(on_page);
        } else {
            self.page_token = response.next_page_token;
            self.seen_on_page = 0;
        }
        for failure in &failures {
            self.count += 1;
            self.failed.insert(failure.product_code.clone());
        }
        Ok(Page { failures, is_last })
    }

    /// Failures returned so far.
    pub(in crate::cli) fn count(&self) -> i64 {
        self.count
    }

    /// Codes of those.
    pub(in crate::cli) fn failed(&self) -> &HashSet<String> {
        &self.failed
    }
}
