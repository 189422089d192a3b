//! Asking Haier now: identical calls share one flight, and what they learn is stored.

use std::sync::Arc;

use super::{App, Ctx, flights::Flights};
use crate::{
    domain::{
        balances::Balance,
        logistics::{Logistics, LogisticsQuery},
        product_changes::Origin,
        products::{CatalogueRecord, PriceRecord, ProductCode},
        stock::{CountyCode, StockRecord},
    },
    error::{Causes, Result},
    store::{
        self,
        catalogue::{self, CatalogueBatch},
        prices,
        product_changes::{self, Changes, Newcomers, Recorded},
        stock,
    },
    upstream::{self, Answer, Call, Patience},
};

/// How a flight calls: before bulk, and until the last of those who wait for it stops waiting.
fn live(patience: &Arc<Patience>) -> Call<'_> {
    Call::live(patience)
}

/// What a live call learnt.
enum Learnt {
    Catalogue(Vec<CatalogueRecord>),
    Prices(Vec<PriceRecord>),
    Stock(Vec<StockRecord>),
}

/// Live calls in the air, by what they ask for.
#[derive(Default)]
pub(super) struct Live {
    products: Flights<Vec<ProductCode>, upstream::Result<Answer<CatalogueRecord>>>,
    prices: Flights<Vec<ProductCode>, upstream::Result<Answer<PriceRecord>>>,
    stock: Flights<(ProductCode, CountyCode), upstream::Result<StockRecord>>,
    logistics: Flights<LogisticsQuery, upstream::Result<Logistics>>,
    balances: Flights<(), upstream::Result<Vec<Balance>>>,
}

impl App {
    pub(super) async fn live_products(
        self: &Arc<Self>,
        ctx: &Ctx,
        codes: Vec<ProductCode>,
    ) -> Result<Answer<CatalogueRecord>> {
        let (app, openplat, asked) = (Arc::clone(self), self.openplat()?, codes.clone());
        let flight = |patience: Arc<Patience>| async move {
            let answer = openplat.products(&asked, &live(&patience)).await?;
            let records =
                answer.iter().flatten().filter(|record| asked.contains(&record.code)).cloned().collect();
            app.learn(Learnt::Catalogue(records)).await;
            Ok(answer)
        };
        Ok(self.live.products.join(ctx, codes, flight).await??)
    }

    pub(super) async fn live_prices(
        self: &Arc<Self>,
        ctx: &Ctx,
        codes: Vec<ProductCode>,
    ) -> Result<Answer<PriceRecord>> {
        let (app, openplat, asked) = (Arc::clone(self), self.openplat()?, codes.clone());
        let flight = |patience: Arc<Patience>| async move {
            let answer = openplat.prices(&asked, &live(&patience)).await?;
            let records =
                answer.iter().flatten().filter(|record| asked.contains(&record.code)).cloned().collect();
            app.learn(Learnt::Prices(records)).await;
            Ok(answer)
        };
        Ok(self.live.prices.join(ctx, codes, flight).await??)
    }

    pub(super) async fn live_stock(
        self: &Arc<Self>,
        ctx: &Ctx,
        code: ProductCode,
        county: CountyCode,
    ) -> Result<StockRecord> {
        let (app, openplat, asked) = (Arc::clone(self), self.openplat()?, (code.clone(), county.clone()));
        let flight = |patience: Arc<Patience>| async move {
            let record = openplat.stock(&asked.0, &asked.1, &live(&patience)).await?;
            let (learner, learnt) = (Arc::clone(&app), Learnt::Stock(vec![record.clone()]));
            app.learning.begin(async move { learner.learn(learnt).await });
            Ok(record)
        };
        Ok(self.live.stock.join(ctx, (code, county), flight).await??)
    }

    pub(super) async fn live_logistics(&self, ctx: &Ctx, query: LogisticsQuery) -> Result<Logistics> {
        let (openplat, asked) = (self.openplat()?, query.clone());
        let flight =
            |patience: Arc<Patience>| async move { openplat.logistics(&asked, &live(&patience)).await };
        Ok(self.live.logistics.join(ctx, query, flight).await??)
    }

    pub(super) async fn live_balances(&self, ctx: &Ctx) -> Result<Vec<Balance>> {
        let openplat = self.openplat()?;
        let flight = |patience: Arc<Patience>| async move { openplat.balances(&live(&patience)).await };
        Ok(self.live.balances.join(ctx, (), flight).await??)
    }

    /// Stores what a live call learnt. The caller has its answer either way.
    async fn learn(&self, learnt: Learnt) {
        match self.store_learnt(learnt).await {
            Ok(recorded) => self.tell_changes(&recorded),
            Err(error) => {
                tracing::warn!(error = %Causes(&error), "what a live call learnt could not be stored")
            }
        }
        self.recent.outdate();
    }

    async fn store_learnt(&self, learnt: Learnt) -> store::Result<Recorded> {
        let now = self.clock.now();
        // Only of what is stored: a live call brings no product that was not there.
        let mut changes = Changes::new(Origin { sync_log_id: None, at: now }, Newcomers::Tell);
        let mut tx = self.store.begin().await?;
        match learnt {
            Learnt::Catalogue(records) => {
                let batch = CatalogueBatch { records, assign_category: None, assign_brand: None, now };
                catalogue::upsert(&mut tx, batch, &mut changes).await.map(drop)?;
            }
            Learnt::Prices(records) => prices::upsert(&mut tx, records, &mut changes).await.map(drop)?,
            Learnt::Stock(records) => stock::upsert(&mut tx, records, &mut changes).await?,
        }
        let recorded = product_changes::record(&mut tx, changes, &[]).await?;
        tx.commit().await?;
        Ok(recorded)
    }
}
