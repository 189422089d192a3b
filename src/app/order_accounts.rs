//! Which accounts orders are bound to. An order belongs to the place and customer of its first attempt, whatever leads there by
//! name later: `order_push` compares them at every send, `callbacks` at every callback. Here identities are recorded that
//! were not yet, and orders are named that nobody can send.

use chrono::{DateTime, TimeDelta, Utc};

use super::{App, Ctx};
use crate::{
    domain::{
        accounts::{Account, AccountDraft, AccountIdentity, Origin},
        audit::Change,
        clock::is_due,
        haier_configs::HaierConfig,
        orders::DisplacedOrders,
    },
    error::{Error, Result},
    store::{
        Conn, Tx, haier_configs,
        order_accounts::{self, Rebound},
    },
    upstream::account_identity,
};

/// Time between two looks for orders that nobody can send.
const LOOK_PERIOD: TimeDelta = TimeDelta::minutes(1);

/// What a worker knows of orders that nobody can send.
#[derive(Debug, Default)]
pub struct DisplacedWatch {
    look_at: Option<DateTime<Utc>>,
    /// Accounts whose orders were reported.
    reported: Vec<String>,
}

impl App {
    /// Records the identity of their account in orders that were sent before identities were recorded: as the account is now,
    /// since nothing says how it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn order_accounts_record(&self) -> Result<()> {
        let mut tx = self.store.begin().await?;
        for (name, identity) in self.account_identities(&mut tx).await? {
            let count = order_accounts::rebind(&mut tx, &name, &identity, Rebound::Unrecorded).await?;
            if count > 0 {
                tracing::info!(account = name, count, "orders are bound to their account as it is now");
            }
        }
        Ok(tx.commit().await?)
    }

    /// Looks once a minute for orders that nobody can send because their account leads elsewhere or is gone, and reports each
    /// account once for as long as that lasts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn order_accounts_watch(&self, watch: &mut DisplacedWatch) -> Result<()> {
        let now = self.clock.now();
        if watch.look_at.is_some_and(|at| !is_due(at, LOOK_PERIOD, now)) {
            return Ok(());
        }
        // A replica of the version before may still send orders without recording it.
        self.order_accounts_record().await?;
        let displaced = self.orders_displaced().await?;
        let count: i64 = displaced.iter().map(|orders| orders.count).sum();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        metrics::gauge!("haier_orders_displaced").set(count as f64);
        for orders in displaced.iter().filter(|orders| !watch.reported.contains(&orders.account)) {
            let so_ids: Vec<&str> = orders.so_ids.iter().map(|so_id| so_id.as_str()).collect();
            tracing::error!(
                account = orders.account,
                count = orders.count,
                so_ids = so_ids.join(" "),
                alert = true,
                rule = "orders_displaced",
                "orders are not sent: {}",
                orders.why()
            );
        }
        watch.reported = displaced.into_iter().map(|orders| orders.account).collect();
        watch.look_at = Some(now + LOOK_PERIOD);
        Ok(())
    }

    /// Orders with which something is to be done and that nobody can send.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orders_displaced(&self) -> Result<Vec<DisplacedOrders>> {
        let mut conn = self.store.read().await?;
        let accounts = self.account_identities(&mut conn).await?;
        Ok(order_accounts::list_displaced(&mut conn, &accounts).await?)
    }

    /// Name and identity of every account that has a part at the order system.
    async fn account_identities(&self, conn: &mut Conn) -> Result<Vec<(String, AccountIdentity)>> {
        let stored = haier_configs::all(conn).await?;
        let stored = stored.into_iter().map(|config| stored_identity(config.id, &config.name, &config.draft));
        let given = self
            .upstreams
            .given
            .account
            .iter()
            .map(|account| (account.name.clone(), account_identity(account)));
        Ok(given.chain(stored).filter_map(|(name, identity)| Some((name, identity?))).collect())
    }

    /// What a change of a stored account means for the orders that were sent under it: refused while any of them is unsettled
    /// at the place that it would leave, unless both places are said to be the same; then they are bound to the new one. How
    /// many were.
    pub(super) async fn orders_follow_account(
        &self,
        tx: &mut Tx,
        before: &HaierConfig,
        draft: &AccountDraft,
        same_place: bool,
    ) -> Result<usize> {
        let name = &before.name;
        let (_, was) = stored_identity(before.id, name, &before.draft);
        let (_, is) = stored_identity(before.id, name, draft);
        match (&was, &is) {
            (was, Some(is)) if same_place => {
                let which = match was {
                    Some(was) if was.place != is.place => Rebound::OfPlace(&was.place),
                    _ => Rebound::Others,
                };
                Ok(order_accounts::rebind(tx, name, is, which).await?)
            }
            (Some(was), is) if is.as_ref() != Some(was) => {
                if let Some((count, so_id)) = order_accounts::find_unsettled(tx, name, &was.place).await? {
                    let (name, so_id) = (name.clone(), so_id.as_str().to_owned());
                    let fields = place_fields(&before.draft, draft);
                    return Err(Error::AccountPlace { name, fields, count, so_id });
                }
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    /// Binds all orders of the account that is not stored to the place where it leads now: an admin says that it is the same as
    /// before. How many there were.
    pub(super) async fn orders_rebind_given(&self, ctx: &Ctx, account: &Account) -> Result<usize> {
        let identity = account_identity(account)
            .ok_or_else(|| Error::OrdersNotConfigured { account: account.name.clone() })?;
        let mut tx = self.store.begin().await?;
        let count = order_accounts::rebind(&mut tx, &account.name, &identity, Rebound::Others).await?;
        if let Some(change) = rebound_change(count) {
            self.audit(&mut tx, ctx, "account.update", &account.name, vec![change]).await?;
        }
        tx.commit().await?;
        self.orders_rebound(ctx, &account.name, count);
        Ok(count)
    }

    /// Says that orders were bound to where their account leads now, and looks for them among the parked callbacks.
    pub(super) fn orders_rebound(&self, ctx: &Ctx, account: &str, count: usize) {
        tracing::info!(account, count, caller = %ctx.caller, "orders are bound to where their account leads now");
        self.callbacks.rematch();
    }
}

/// What the record of changes says of orders that were bound anew.
pub(super) fn rebound_change(count: usize) -> Option<Change> {
    (count > 0).then(|| Change::to("same_place", format!("{count} order(s) bound to it")))
}

/// The fields that say where an account leads at the order system and who its customer is.
fn place_fields(before: &AccountDraft, after: &AccountDraft) -> Vec<&'static str> {
    use crate::domain::accounts::Field::{
        CustomerCode, YlhAuthUrl, YlhBaseUrl, YlhClientId, YlhServiceSuffix, YlhUsername,
    };
    let fields = [CustomerCode, YlhBaseUrl, YlhServiceSuffix, YlhAuthUrl, YlhUsername, YlhClientId];
    let differ = fields.into_iter().filter(|field| before.setting(*field) != after.setting(*field));
    differ.map(|field| field.path()).collect()
}

/// Secrets are no part of an identity, so that they need not be opened.
fn stored_identity(id: i64, name: &str, draft: &AccountDraft) -> (String, Option<AccountIdentity>) {
    let account = Account { origin: Origin::Stored(id), ..draft.account(name) };
    (name.to_owned(), account_identity(&account))
}
