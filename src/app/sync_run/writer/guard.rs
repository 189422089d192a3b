//! What a run sets aside instead of writing it, and what becomes of that at the run's end.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Writer;
use crate::{
    domain::{
        clock::latest_believable,
        guard::{Extent, Limits, Share, far_move},
        held_runs::{FindingKind, HeldFinding},
        products::{PriceRecord, ProductCode},
        reasons::Reason,
        sync_logs::Stage,
    },
    error::Result,
    store::{
        Conn,
        delistings::{self, WholeListing},
        held_findings, prices,
        product_changes::{self, Changes},
        products,
        sync_failures::{self, NewFailure},
        sync_runs,
    },
};

/// Findings that one transaction writes at most.
const AT_ONCE: i64 = 2_000;

/// Takes the records out that move a price too far to be written right away, each product once.
pub(in super::super) async fn set_aside(
    conn: &mut Conn,
    records: &mut Vec<PriceRecord>,
    limits: Limits,
    now: DateTime<Utc>,
) -> Result<Vec<HeldFinding>> {
    let stored = prices::differing(conn, records, latest_believable(now)).await?;
    if stored.is_empty() {
        return Ok(Vec::new());
    }
    let mut aside = BTreeMap::new();
    records.retain(|record| {
        let Some((at, prices)) = stored.get(&record.code) else { return true };
        let changes = far_move(prices, record, limits.far);
        // An answer older than what is stored is none.
        if changes.is_empty() || at.is_some_and(|at| at >= record.asked_at) {
            return true;
        }
        let (code, asked_at) = (record.code.clone(), record.asked_at);
        aside.insert(code.clone(), HeldFinding { code, asked_at, answer: Some(record.clone()), changes });
        false
    });
    Ok(aside.into_values().collect())
}

/// How much of what is stored a whole listing lacks.
pub(super) enum Gone {
    Nothing,
    Few,
    TooMany,
}

impl Writer {
    /// What the run may do by itself. `None`: all of it.
    pub(super) fn limits(&self) -> Option<Limits> {
        (!self.exempt && !self.checkpoint.loading).then_some(self.app.runs.guard)
    }

    /// How much of what is stored a whole listing lacks.
    pub(super) async fn look_for_gone(&self, listing: &WholeListing) -> Result<Gone> {
        let (mut gone, mut after) = (self.checkpoint.delisted, Some(0));
        // What is listed is counted only when something is gone: in most runs nothing is.
        let mut listed = None;
        while let Some(from) = after {
            let mut conn = self.app.store.read().await?;
            let page =
                delistings::find(&mut conn, listing, from, AT_ONCE, latest_believable(self.app.clock.now()))
                    .await?;
            after = page.next;
            if page.gone.is_empty() {
                continue;
            }
            gone += i64::try_from(page.gone.len()).unwrap_or(i64::MAX);
            let Some(limits) = self.limits() else { return Ok(Gone::Few) };
            let of = match listed {
                Some(of) => of,
                // What a worker before has marked counts too.
                None => products::count_before(&mut conn, self.run.log_id).await? + self.checkpoint.delisted,
            };
            listed = Some(of);
            if (Share { part: gone, of }).passes(limits.delisted) {
                return Ok(Gone::TooMany);
            }
        }
        Ok(if listed.is_some() { Gone::Few } else { Gone::Nothing })
    }

    /// Sets all that is gone aside, page by page.
    pub(super) async fn hold_delistings(&mut self, listing: &WholeListing) -> Result<()> {
        let mut after = Some(0);
        while let Some(from) = after {
            let mut tx = self.app.store.begin().await?;
            sync_runs::checkpoint(&mut tx, &self.run, &self.checkpoint, true, self.app.lease_end()).await?;
            let page =
                delistings::find(&mut tx, listing, from, AT_ONCE, latest_believable(self.app.clock.now()))
                    .await?;
            let asked_at = listing.asked_at;
            let findings = page.gone.into_iter().map(|(_, code)| HeldFinding {
                code,
                asked_at,
                answer: None,
                changes: Vec::new(),
            });
            held_findings::insert(&mut tx, self.run.log_id, &findings.collect::<Vec<_>>()).await?;
            tx.commit().await?;
            after = page.next;
        }
        Ok(())
    }

    /// Forgets what a worker before found gone: the listing is another one now.
    pub(super) async fn forget_held_delistings(&self) -> Result<()> {
        let mut tx = self.app.store.begin().await?;
        sync_runs::checkpoint(&mut tx, &self.run, &self.checkpoint, true, self.app.lease_end()).await?;
        held_findings::clear(&mut tx, self.run.log_id, Some(FindingKind::Delisted)).await?;
        Ok(tx.commit().await?)
    }

    /// At the end of a run: applies what was set aside, or finds that it is too much. What a person has approved is applied.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if self.run.request.approved {
            return self.apply(None).await;
        }
        let extent = self.judge().await?;
        if extent.is_none_or(|extent| extent.prices.part == 0) {
            self.apply(Some(FindingKind::Price)).await?;
        }
        self.held = extent;
        Ok(())
    }

    /// How far what is too much reaches. `None`: nothing is.
    async fn judge(&self) -> Result<Option<Extent>> {
        let mut conn = self.app.store.read().await?;
        let delisted = held_findings::count(&mut conn, self.run.log_id, FindingKind::Delisted).await?;
        let moved = held_findings::count(&mut conn, self.run.log_id, FindingKind::Price).await?;
        if delisted == 0 && moved == 0 {
            return Ok(None);
        }
        // Newcomers are left out: a foreign catalogue must not make what it takes away look small.
        let listed = products::count_before(&mut conn, self.run.log_id).await?;
        let priced = prices::count_before(&mut conn, self.run.log_id).await?;
        drop(conn);
        let delisted = Share { part: delisted, of: listed + self.checkpoint.delisted };
        let mut prices = Share { part: moved, of: priced };
        if !self.limits().is_some_and(|limits| prices.passes(limits.moved)) {
            prices.part = 0;
        }
        let extent = Extent { delisted, prices };
        Ok((delisted.part > 0 || prices.part > 0).then_some(extent))
    }

    /// Applies what was set aside, page by page, each in a transaction of its own; `kind`: only that.
    async fn apply(&mut self, kind: Option<FindingKind>) -> Result<()> {
        loop {
            if self.app.stopping.is_cancelled() {
                self.settled = false;
                return Ok(());
            }
            let mut tx = self.app.store.begin().await?;
            // Without the lease nothing may be written; with it, the count is written last.
            sync_runs::checkpoint(&mut tx, &self.run, &self.checkpoint, true, self.app.lease_end()).await?;
            let findings = held_findings::list(&mut tx, self.run.log_id, kind, None, AT_ONCE).await?;
            if findings.is_empty() {
                return Ok(tx.commit().await?);
            }
            let now = self.app.clock.now();
            let mut changes = self.changes(now);
            let overtaken = self.apply_page(&mut tx, &findings, &mut changes).await?;
            held_findings::delete(&mut tx, self.run.log_id, &findings).await?;
            if self.run.request.approved {
                self.counts.success += i64::try_from(findings.len() - overtaken.len()).unwrap_or(i64::MAX);
                let (id, attempt) = (self.run.log_id, self.run.request.tried + 1);
                let so_far = self.counts.failed;
                self.counts.failed +=
                    sync_failures::append(&mut tx, id, attempt, so_far, overtaken, now).await?;
                self.counts.total = self.planned.unwrap_or(self.counts.success + self.counts.failed);
                sync_runs::record_counts(&mut tx, &self.run, self.counts, self.planned).await?;
            }
            sync_runs::checkpoint(&mut tx, &self.run, &self.checkpoint, true, self.app.lease_end()).await?;
            let recorded = product_changes::record(&mut tx, changes, &[]).await?;
            tx.commit().await?;
            self.app.tell_changes(&recorded);
            self.app.announce_commit();
        }
    }

    /// Applies findings, each unless a later answer of Haier's says something else; returns those that were left.
    async fn apply_page(
        &mut self,
        conn: &mut Conn,
        findings: &[HeldFinding],
        changes: &mut Changes,
    ) -> Result<Vec<NewFailure>> {
        let mut overtaken = Vec::new();
        // What is gone before prices, as every other writer locks them.
        let mut gone: BTreeMap<_, Vec<ProductCode>> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| finding.kind() == FindingKind::Delisted) {
            gone.entry(finding.asked_at).or_default().push(finding.code.clone());
        }
        for (asked_at, codes) in gone {
            let named = delistings::mark_codes(conn, asked_at, &codes, changes).await?;
            self.checkpoint.delisted += i64::try_from(codes.len() - named.len()).unwrap_or(i64::MAX);
            overtaken.extend(named.into_iter().map(|code| left(code, Stage::Listing)));
        }
        let records: Vec<PriceRecord> =
            findings.iter().filter_map(|finding| finding.answer.clone()).collect();
        if !records.is_empty() {
            let stored = prices::differing(conn, &records, latest_believable(self.app.clock.now())).await?;
            let is_older = |record: &&PriceRecord| {
                stored.get(&record.code).is_some_and(|(at, _)| at.is_some_and(|at| at >= record.asked_at))
            };
            let older = records.iter().filter(is_older);
            overtaken.extend(older.map(|record| left(record.code.clone(), Stage::Prices)));
            prices::upsert(conn, records, changes).await?;
        }
        Ok(overtaken)
    }
}

fn left(code: ProductCode, stage: Stage) -> NewFailure {
    NewFailure {
        product_code: code.into_string(),
        stage,
        reason: Reason::Overtaken,
        detail: "Haier has answered otherwise since; what is stored stays".to_owned(),
        county: None,
    }
}
