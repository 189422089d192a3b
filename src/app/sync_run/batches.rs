//! Batches of up to 20 codes: asked for in parallel, handed over in the order of the codes.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;

use super::{
    End, Fetcher,
    writer::{Found, Step},
};
use crate::{
    domain::{
        products::{CatalogueRecord, PriceRecord, ProductCode},
        reasons::Reason,
        sync_logs::Stage,
    },
    store::sync_failures::NewFailure,
    upstream::{self, Answer, BadRecord, Call, Priority},
};

/// Batches that may be finished ahead of a slow one, per call in flight.
const AHEAD: usize = 4;

/// What a batch asks for.
#[derive(Clone, Copy)]
enum Ask {
    /// The catalogue, and prices if the run wants them.
    Catalogue,
    /// Prices only: the listing brought the rest.
    Prices,
}

/// A call of a run.
pub(super) const BULK: Call = Call { priority: Priority::Bulk, deadline: None };

impl Fetcher<'_> {
    /// A run over given codes.
    pub(super) async fn by_codes(&self) -> End {
        let codes = &self.run.request.codes;
        let done = self.run.checkpoint.as_ref().and_then(|checkpoint| checkpoint.after.as_ref());
        let left: Vec<ProductCode> =
            codes.iter().filter(|code| done.is_none_or(|done| *code > done)).cloned().collect();
        let begun = async {
            self.hand_over(Step::Enter(Stage::Catalogue)).await?;
            self.hand_over(Step::Left(left.len())).await
        };
        if let Err(end) = begun.await {
            return end;
        }
        self.in_batches(&left, Ask::Catalogue).await
    }

    /// Prices of codes that a listing brought, in their order.
    pub(super) async fn prices_of(&self, codes: &[ProductCode]) -> End {
        self.in_batches(codes, Ask::Prices).await
    }

    /// Runs batches, several at a time; the first one that ends the run ends it.
    async fn in_batches(&self, codes: &[ProductCode], ask: Ask) -> End {
        let in_flight = self.app.runs.calls_in_flight;
        let permits = Semaphore::new(in_flight);
        let permits = &permits;
        let batches = codes.chunks(self.app.runs.batch_size).map(<[ProductCode]>::to_vec);
        let answers = stream::iter(batches).map(|batch| async move {
            // Never closed, so this only waits.
            let _permit = permits.acquire().await;
            match ask {
                Ask::Catalogue => self.catalogue_and_prices(batch).await,
                Ask::Prices => self.prices_of_batch(batch).await,
            }
        });
        // In order, so that the checkpoint is one code; finished batches wait for a slow one, within bounds.
        let mut answers = std::pin::pin!(answers.buffered(in_flight * AHEAD));
        loop {
            let found = tokio::select! {
                () = self.stop.cancelled() => return End::Stopped,
                found = answers.next() => found,
            };
            let handed = match found {
                None => return End::completed(),
                Some(Ok(found)) => self.hand_over(Step::Store(found)).await,
                Some(Err(end)) => Err(end),
            };
            if let Err(end) = handed {
                return end;
            }
        }
    }

    async fn catalogue_and_prices(&self, codes: Vec<ProductCode>) -> Result<Found, End> {
        let after = codes.last().cloned();
        let answer = self.openplat.products(&codes, &BULK).await;
        let sorted = sort(codes, Stage::Catalogue, answer, |record: &CatalogueRecord| &record.code)?;
        let mut found =
            Found { catalogue: sorted.records, failures: sorted.failures, after, ..Found::default() };
        if self.run.request.prices && !found.catalogue.is_empty() {
            let codes = found.catalogue.iter().map(|record| record.code.clone()).collect();
            let priced = self.prices_of_batch(codes).await?;
            found.prices = priced.prices;
            found.failures.extend(priced.failures);
            found.success = priced.success;
        } else {
            found.success = count(found.catalogue.len());
        }
        Ok(found)
    }

    async fn prices_of_batch(&self, codes: Vec<ProductCode>) -> Result<Found, End> {
        let after = codes.last().cloned();
        let answer = self.openplat.prices(&codes, &BULK).await;
        let sorted = sort(codes, Stage::Prices, answer, |record: &PriceRecord| &record.code)?;
        let success = count(sorted.records.len());
        Ok(Found { prices: sorted.records, failures: sorted.failures, success, after, ..Found::default() })
    }
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// An answer by code: every code asked for is in one of the two, once.
struct Sorted<T> {
    records: Vec<T>,
    failures: Vec<NewFailure>,
}

/// Sorts an answer by the codes asked for. Refused credentials end the run; any other failure is the codes'.
fn sort<T>(
    codes: Vec<ProductCode>,
    stage: Stage,
    answer: upstream::Result<Answer<T>>,
    code_of: impl Fn(&T) -> &ProductCode,
) -> Result<Sorted<T>, End> {
    let failure = |code: ProductCode, reason: Reason, detail: String| NewFailure {
        product_code: code.into_string(),
        stage,
        reason,
        detail,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.reason == Reason::AuthFailed => return Err(error.into()),
        Err(error) => {
            let failed = |code| failure(code, error.reason, error.detail.clone());
            return Ok(Sorted { records: Vec::new(), failures: codes.into_iter().map(failed).collect() });
        }
    };
    let empty = answer.is_empty();
    let (mut good, mut bad, mut nameless) = (HashMap::new(), HashMap::new(), None);
    for record in answer {
        match record {
            Ok(record) => drop(good.insert(code_of(&record).clone(), record)),
            Err(BadRecord { code: Some(code), reason, detail }) => drop(bad.insert(code, (reason, detail))),
            Err(BadRecord { code: None, reason, detail }) => nameless = Some((reason, detail)),
        }
    }
    let (mut records, mut failures) = (Vec::new(), Vec::new());
    for code in codes {
        if let Some(record) = good.remove(&code) {
            records.push(record);
            continue;
        }
        let (reason, detail) = match (bad.remove(&code), &nameless) {
            (Some(bad), _) => bad,
            (None, Some(nameless)) => nameless.clone(),
            (None, None) if empty => {
                (Reason::EmptyAnswer, "Haier answered nothing for the whole batch".to_owned())
            }
            (None, None) => (Reason::UnknownCode, "Haier's answer leaves this code out".to_owned()),
        };
        failures.push(failure(code, reason, detail));
    }
    Ok(Sorted { records, failures })
}
