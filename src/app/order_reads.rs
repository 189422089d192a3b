//! What Haier knows of an order's delivery: photos, and the couriers' numbers.

use std::{collections::HashMap, sync::Arc};

use super::{App, Ctx, orders::not_found};
use crate::{
    domain::{
        order_calls::{CourierNumbers, DeliveryPhoto},
        orders::{SoId, StoredOrder},
    },
    error::{Error, Result},
    upstream::{Call, Patience, Ylh, account_identity},
};

/// Couriers' numbers of some orders.
#[derive(Debug, Default)]
pub struct FoundCouriers {
    /// Deliveries, each with the order it is of.
    pub deliveries: Vec<(SoId, CourierNumbers)>,
    /// Orders that are not stored, or whose number at Haier is not known.
    pub unknown: Vec<SoId>,
}

impl App {
    /// Photos of an order's delivery and installation.
    ///
    /// # Errors
    /// When there is no such order, Haier's number of it is unknown, or the call fails.
    pub async fn order_photos(&self, ctx: &Ctx, so_id: &SoId) -> Result<Vec<DeliveryPhoto>> {
        let order = self.order_find(so_id).await?.ok_or_else(|| not_found(so_id))?;
        let Some(number) = order.summary.retail_order_no.clone() else {
            return Err(Error::OrderState {
                so_id: so_id.as_str().to_owned(),
                state: order.summary.state.as_str(),
                why: "Haier's number of it is not known yet",
            });
        };
        let ylh = self.order_client(&order).await?;
        let (patience, _seat) = Patience::new(ctx.deadline);
        let call = Call::live(&patience).about(&order.order);
        Ok(ylh.delivery_photos(&number, &call).await?)
    }

    /// Couriers' numbers of orders, by the numbers under which Haier delivers them.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn order_couriers(&self, ctx: &Ctx, so_ids: Vec<SoId>) -> Result<FoundCouriers> {
        let mut found = FoundCouriers::default();
        let answer = self.orders_get(ctx, so_ids).await?;
        found.unknown = answer.missing;
        // Each seller asks for its own.
        let mut by_account: HashMap<_, Vec<StoredOrder>> = HashMap::new();
        for order in answer.orders {
            match (&order.sender, &order.summary.haier_order_no) {
                (Some(sender), Some(_)) => {
                    let account = (sender.account.clone(), sender.identity.clone());
                    by_account.entry(account).or_default().push(order);
                }
                _ => found.unknown.push(order.order.so_id),
            }
        }
        let (patience, _seat) = Patience::new(ctx.deadline);
        let call = Call::live(&patience);
        for orders in by_account.into_values() {
            let Some(first) = orders.first() else { continue };
            let ylh = self.order_client(first).await?;
            let by_number: HashMap<String, SoId> = orders
                .into_iter()
                .filter_map(|order| Some((order.summary.haier_order_no?, order.order.so_id)))
                .collect();
            let numbers: Vec<String> = by_number.keys().cloned().collect();
            for delivery in ylh.courier_numbers(&numbers, &call).await? {
                if let Some(so_id) = by_number.get(&delivery.order_code) {
                    found.deliveries.push((so_id.clone(), delivery));
                }
            }
        }
        Ok(found)
    }

    /// The order system under the account of an order.
    async fn order_client(&self, order: &StoredOrder) -> Result<Arc<Ylh>> {
        let Some(sender) = &order.sender else { return self.ylh() };
        let haier = self.upstream_of(&sender.account).await?.ok_or(Error::NotConfigured)?;
        let account = sender.account.clone();
        if sender.identity.is_some() && sender.identity != account_identity(haier.openplat.account()) {
            return Err(Error::OrderPlace { so_id: order.order.so_id.as_str().to_owned(), account });
        }
        haier.ylh.ok_or(Error::OrdersNotConfigured { account })
    }
}
