//! Where an order's parcels are now. The one live read that leaves a log.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{App, Ctx, process_numbers::DRAWS, to_its_end};
use crate::{
    domain::{
        logistics::{Logistics, LogisticsQuery},
        messages::EndMessage,
        reasons::Reason,
        sync_logs::{Counts, SyncLog, SyncStatus, SyncType, Trigger},
    },
    error::{Causes, Result},
    store::{self, sync_logs},
};

impl App {
    /// Asks Haier where an order's parcels are, and logs the query.
    ///
    /// # Errors
    /// Without an account, and when the call fails.
    pub async fn logistics_fetch(self: &Arc<Self>, ctx: &Ctx, query: LogisticsQuery) -> Result<Logistics> {
        let openplat = self.openplat()?;
        let asked_at = self.clock.now();
        let order_code = query.order_code.clone();
        let answer = self.live_logistics(ctx, query).await;
        let (reason, counts, detail) = match &answer {
            Ok(_) => (Reason::Completed, Counts { total: 1, success: 1, failed: 0 }, order_code),
            Err(error) => {
                (error.reason(), Counts { total: 1, success: 0, failed: 1 }, format!("{order_code}: {error}"))
            }
        };
        let end = EndMessage {
            reason,
            success: counts.success,
            failed: counts.failed,
            failures: Vec::new(),
            detail,
            bad_pictures: 0,
            delisted: 0,
            held: None,
            waited: TimeDelta::zero(),
        };
        let ended_at = self.clock.now();
        let mut log = SyncLog {
            id: 0,
            sync_type: SyncType::Logistics,
            status: SyncStatus::Processing,
            end: None,
            counts,
            planned_count: Some(1),
            started_at: Some(asked_at),
            completed_at: None,
            created_at: asked_at,
            trigger: Trigger::Caller,
            requested_by: ctx.caller.name.clone(),
            parent_id: None,
            account: openplat.account().name.clone(),
            waited: TimeDelta::zero(),
            wait: None,
        };
        let app = Arc::clone(self);
        let logged = to_its_end(async move {
            let mut tx = app.store.begin().await?;
            log.id = app.next_id(asked_at)?;
            let mut draws = 1;
            while let Err(error) = sync_logs::insert_begun(&tx.pipeline(), &log).await {
                if !matches!(error, store::Error::IdTaken) || draws == DRAWS {
                    return Err(error.into());
                }
                (log.id, draws) = (app.next_id(asked_at)?, draws + 1);
            }
            sync_logs::end_begun(&tx.pipeline(), log.id, &end, ended_at).await?;
            Ok(tx.commit().await?)
        });
        if let Err(error) = logged.await {
            tracing::warn!(error = %Causes(&error), "a logistics query could not be logged");
        }
        answer
    }
}
