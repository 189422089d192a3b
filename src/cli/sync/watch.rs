//! Following one run to its end, over lost connections: the run is the service's, the stream only a view of it.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;
use tonic::{Status, Streaming};

use super::{failures::Tail, progress::View, successes::Successes};
use crate::{
    cli::{
        client::{Client, OutputForm},
        console::{Console, printable},
        failure::Failure,
        json,
        status::{explain, is_of_connection},
    },
    proto::{
        Product, RetrySyncRequest, SyncFailure, SyncProductsRequest, SyncProgress, SyncStatus,
        WatchSyncRequest,
    },
};

/// Waits before joining a run again; after the last one it is given up. Together longer than a restart takes.
const REJOINS: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// Failures of a run that goes on are asked for at most this often.
const FAILURES_EVERY: Duration = Duration::from_millis(500);

/// Which run.
pub(super) enum Begin {
    /// A new one.
    Start(SyncProductsRequest),
    /// A new one over what failed in another, by the id of its log.
    Retry(i64),
    /// One that is there, by the id of its log.
    Watch(i64),
}

/// A run being watched.
pub(super) struct Watch<'a> {
    client: Client,
    console: &'a mut Console,
    form: OutputForm,
    id: &'a Cell<Option<i64>>,
    view: View,
    tail: Tail,
    asked_at: Option<Instant>,
    last: Option<SyncProgress>,
    rejoins: usize,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        client: Client,
        console: &'a mut Console,
        form: OutputForm,
        id: &'a Cell<Option<i64>>,
    ) -> Self {
        let view = View::new(console.is_terminal);
        let tail = Tail::default();
        Self { client, console, form, id, view, tail, asked_at: None, last: None, rejoins: 0 }
    }

    /// Begins and follows a run; returns its last progress, every failure printed.
    pub(super) async fn follow(&mut self, begin: Begin) -> Result<SyncProgress, Failure> {
        let response = match begin {
            Begin::Start(request) => self.client.sync_products(request).await?,
            Begin::Retry(sync_log_id) => self.client.retry_sync(RetrySyncRequest { sync_log_id }).await?,
            Begin::Watch(sync_log_id) => self.client.watch_sync(WatchSyncRequest { sync_log_id }).await?,
        };
        let mut stream = response.into_inner();
        let end = loop {
            match stream.message().await {
                Ok(Some(progress)) if is_end(&progress) => break progress,
                Ok(Some(progress)) => self.step(progress).await?,
                Ok(None) => stream = self.rejoin("the stream ended before the run").await?,
                Err(status) if is_of_connection(&status) => stream = self.rejoin(status.message()).await?,
                Err(status) => return Err(status.into()),
            }
        };
        self.id.set(Some(end.sync_log_id));
        self.view.show(&end, self.console);
        self.finish_failures(&end).await?;
        self.view.finish();
        Ok(end)
    }

    async fn step(&mut self, progress: SyncProgress) -> Result<(), Failure> {
        self.id.set(Some(progress.sync_log_id));
        // Only what moves counts as a sign that the connection holds, lest one that is cut each time is joined for ever.
        if self.last.as_ref().is_some_and(|last| *last != progress) {
            self.rejoins = 0;
        }
        match self.form {
            OutputForm::Json => self.console.say_json(&json::sync_progress(&progress))?,
            OutputForm::Table => self.view.show(&progress, self.console),
        }
        let due = self.asked_at.is_none_or(|at| at.elapsed() >= FAILURES_EVERY);
        if due && progress.failed_count > self.tail.count() {
            self.asked_at = Some(Instant::now());
            match self.print_failures(progress.sync_log_id).await? {
                // The stream will tell of a lost connection; the failures wait in the service.
                Err(status) if !is_of_connection(&status) => return Err(status.into()),
                _ => {}
            }
        }
        self.last = Some(progress);
        Ok(())
    }

    async fn rejoin(&mut self, why: &str) -> Result<Streaming<SyncProgress>, Failure> {
        let mut why = printable(why);
        let Some(id) = self.id.get() else {
            let line = format!("{why}; see by `haier-integration logs` whether the run began");
            return Err(Failure::Failed(line));
        };
        loop {
            self.pause(&why, id).await?;
            match self.client.watch_sync(WatchSyncRequest { sync_log_id: id }).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) if is_of_connection(&status) => why = printable(status.message()),
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// Waits before the next try and says so; an error when there were enough of them.
    async fn pause(&mut self, why: &str, id: i64) -> Result<(), Failure> {
        let Some(wait) = REJOINS.get(self.rejoins) else {
            let line = format!(
                "gave up joining the run after {} tries: {why}; it goes on or is resumed: \
                 see `haier-integration logs show {id}`",
                self.rejoins
            );
            return Err(Failure::Failed(line));
        };
        self.rejoins += 1;
        let line = format!(
            "connection lost ({why}); joining run {id} again in {} ({} of {})",
            humantime::format_duration(*wait),
            self.rejoins,
            REJOINS.len()
        );
        self.view.beside(|| self.console.complain(&line));
        tokio::time::sleep(*wait).await;
        Ok(())
    }

    async fn finish_failures(&mut self, end: &SyncProgress) -> Result<(), Failure> {
        if end.failed_count <= self.tail.count() {
            return Ok(());
        }
        self.rejoins = 0;
        loop {
            match self.print_failures(end.sync_log_id).await? {
                Ok(()) => return Ok(()),
                Err(status) if is_of_connection(&status) => {
                    self.pause(&explain(&status), end.sync_log_id).await?;
                }
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// Prints what failed since the last time. The outer error is of the output, the inner one of the call.
    async fn print_failures(&mut self, id: i64) -> Result<Result<(), Status>, Failure> {
        loop {
            let page = match self.tail.read(&mut self.client, id).await {
                Ok(page) => page,
                Err(status) => return Ok(Err(status)),
            };
            for failure in &page.failures {
                match self.form {
                    OutputForm::Json => self.console.say_json(&json::sync_failure(failure))?,
                    OutputForm::Table => self.view.beside(|| self.console.say(&failure_line(failure)))?,
                }
            }
            if page.is_last {
                return Ok(Ok(()));
            }
        }
    }

    /// Prints what succeeded, once the run has ended.
    pub(super) async fn print_successes(
        &mut self,
        codes: &[String],
        end: &SyncProgress,
    ) -> Result<(), Failure> {
        let mut source = Successes::of(&mut self.client, codes, end, self.tail.failed()).await?;
        while let Some(products) = source.page(&mut self.client).await? {
            for product in products.iter().filter(|product| source.includes(product, self.tail.failed())) {
                match self.form {
                    OutputForm::Json => self.console.say_json(&json::product(product))?,
                    OutputForm::Table => self.console.say(&success_line(product))?,
                }
            }
        }
        Ok(())
    }
}

fn success_line(Product { product_code, name, .. }: &Product) -> String {
    format!("✓ {} {}", printable(product_code), printable(name))
}

/// One failed code as a line.
pub(in crate::cli) fn failure_line(failure: &SyncFailure) -> String {
    let SyncFailure { product_code, reason, detail, .. } = failure;
    let mut line = format!("✗ {} - {}", printable(product_code), printable(reason));
    if !detail.trim().is_empty() {
        line.push_str(": ");
        line.push_str(&printable(detail));
    }
    line
}

pub(super) fn is_end(progress: &SyncProgress) -> bool {
    matches!(progress.status(), SyncStatus::Success | SyncStatus::Failed | SyncStatus::Partial)
}
