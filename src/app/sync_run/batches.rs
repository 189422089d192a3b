//! Batches of up to 20 codes: asked for in parallel, handed over in the order of the codes.

use std::collections::HashMap;

use futures_util::{StreamExt as _, future::join_all, stream};

use super::{
    End, Fetcher,
    writer::{Found, Step},
};
use crate::{
    domain::{
        products::{CatalogueRecord, PriceRecord, ProductCode},
        reasons::Reason,
        stock::CountyCode,
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
    /// The catalogue, then what else the run wants.
    Catalogue,
    /// What else the run wants: the catalogue part is stored already.
    Rest,
}

/// A call of a run.
pub(super) const BULK: Call = Call { priority: Priority::Bulk, deadline: None };

impl Fetcher<'_> {
    /// A run over given codes of the catalogue.
    pub(super) async fn by_codes(&self) -> End {
        let left = self.undecided(&self.run.request.codes);
        let begun = async {
            self.hand_over(Step::Enter(Stage::Catalogue)).await?;
            self.hand_over(Step::Left(left.len())).await
        };
        if let Err(end) = begun.await {
            return end;
        }
        self.in_batches(&left, Ask::Catalogue).await
    }

    /// What else is asked for, of codes in their order.
    pub(super) async fn rest_of(&self, codes: &[ProductCode]) -> End {
        if let Err(end) = self.hand_over(Step::Enter(self.rest_stage())).await {
            return end;
        }
        self.in_batches(codes, Ask::Rest).await
    }

    /// The stage that what else is asked for is shown as.
    pub(super) const fn rest_stage(&self) -> Stage {
        if self.run.request.prices { Stage::Prices } else { Stage::Stock }
    }

    /// Those of a run's codes that no worker before has decided.
    pub(super) fn undecided(&self, codes: &[ProductCode]) -> Vec<ProductCode> {
        let done = self.run.checkpoint.as_ref().and_then(|checkpoint| checkpoint.after.as_ref());
        codes.iter().filter(|code| done.is_none_or(|done| *code > done)).cloned().collect()
    }

    /// Runs batches, several at a time; the first one that ends the run ends it.
    async fn in_batches(&self, codes: &[ProductCode], ask: Ask) -> End {
        let batches = codes.chunks(self.app.runs.batch_size).map(<[ProductCode]>::to_vec);
        let answers = stream::iter(batches).map(|batch| self.batch(batch, ask));
        // In order, so that the checkpoint is one code; finished batches wait for a slow one, within bounds.
        let mut answers = std::pin::pin!(answers.buffered(self.app.runs.calls_in_flight * AHEAD));
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

    /// One batch through every stage asked for; a code goes on to the next stage only if it passed the one before.
    async fn batch(&self, codes: Vec<ProductCode>, ask: Ask) -> Result<Found, End> {
        let mut found = Found { after: codes.last().cloned(), ..Found::default() };
        let mut passed = codes;
        if matches!(ask, Ask::Catalogue) {
            let answer = self.call(self.openplat.products(&passed, &BULK)).await;
            let sorted = sort(passed, Stage::Catalogue, answer, |record: &CatalogueRecord| &record.code)?;
            passed = sorted.records.iter().map(|record| record.code.clone()).collect();
            found.catalogue = sorted.records;
            found.failures.extend(sorted.failures);
        }
        if self.run.request.prices && !passed.is_empty() {
            let answer = self.call(self.openplat.prices(&passed, &BULK)).await;
            let sorted = sort(passed, Stage::Prices, answer, |record: &PriceRecord| &record.code)?;
            passed = sorted.records.iter().map(|record| record.code.clone()).collect();
            found.prices = sorted.records;
            found.failures.extend(sorted.failures);
        }
        if let Some(county) = &self.run.request.stock {
            passed = self.stock_of(passed, county, &mut found).await?;
        }
        found.success = i64::try_from(passed.len()).unwrap_or(i64::MAX);
        Ok(found)
    }

    /// Stock, one call a code; returns the codes whose stock came.
    async fn stock_of(
        &self,
        codes: Vec<ProductCode>,
        county: &CountyCode,
        found: &mut Found,
    ) -> Result<Vec<ProductCode>, End> {
        let answers =
            join_all(codes.iter().map(|code| self.call(self.openplat.stock(code, county, &BULK)))).await;
        let mut passed = Vec::with_capacity(codes.len());
        for (code, answer) in codes.into_iter().zip(answers) {
            match answer {
                Ok(record) => {
                    found.stock.push(record);
                    passed.push(code);
                }
                Err(error) if error.reason == Reason::AuthFailed => return Err(error.into()),
                Err(error) => found.failures.push(NewFailure {
                    product_code: code.into_string(),
                    stage: Stage::Stock,
                    reason: error.reason,
                    detail: error.detail,
                    county: Some(county.clone()),
                }),
            }
        }
        Ok(passed)
    }

    /// A call, once one of the run's calls in flight is over.
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        // Never closed, so this only waits.
        let _permit = self.calls.acquire().await;
        call.await
    }
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
        county: None,
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
