//! Batches of up to 20 codes: asked for in parallel and stored as they come. A slow batch, such as one that is split down to a
//! code for which Haier fails, does not keep the others from being stored; the codes are *decided* in their order all the
//! same, so that the checkpoint of a run is one code.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};

use super::{
    End, Fetcher,
    ask::{Catalogue, Prices, Stock},
    listing::hash,
    writer::{Found, Step},
};
use crate::{
    domain::{products::ProductCode, reasons::Reason, stock::CountyCode, sync_logs::Stage},
    store::{poison_codes::PoisonCode, sync_failures::NewFailure},
    upstream::{self, Answer, BadRecord},
};

/// Batches that may be stored ahead of a slow one: a resumed run asks for them again.
const MAX_AHEAD: usize = 1_024;

/// What a batch asks for.
#[derive(Clone, Copy)]
enum Ask<'a> {
    /// The catalogue, then what else the run wants.
    Catalogue,
    /// What else the run wants, stock of these: the catalogue part is stored already.
    Rest(StockOf<'a>),
}

/// Of which products a run that wants stock asks it.
#[derive(Clone, Copy)]
pub(super) enum StockOf<'a> {
    /// Of all.
    All,
    /// Of those that are none of these, by the hashes of their codes; where there are none of these, of none.
    Newer(&'a HashSet<u128>),
}

impl StockOf<'_> {
    fn holds(self, code: &ProductCode) -> bool {
        match self {
            Self::All => true,
            Self::Newer(known) => !known.is_empty() && !known.contains(&hash(code)),
        }
    }
}

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
    pub(super) async fn rest_of(&self, codes: &[ProductCode], stock: StockOf<'_>) -> End {
        if let Err(end) = self.hand_over(Step::Enter(self.rest_stage())).await {
            return end;
        }
        self.in_batches(codes, Ask::Rest(stock)).await
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
    async fn in_batches(&self, codes: &[ProductCode], ask: Ask<'_>) -> End {
        let mut batches = self.cut(codes).enumerate();
        let (mut asked, mut decisions) = (FuturesUnordered::new(), Decisions::default());
        loop {
            while asked.len() < self.app.runs.calls_in_flight
                && decisions.ahead.len() < MAX_AHEAD
                && let Some((place, batch)) = batches.next()
            {
                asked.push(async move { (place, self.batch(batch, ask).await) });
            }
            let answered = tokio::select! {
                () = self.stop.cancelled() => return End::Stopped,
                answered = asked.next() => answered,
            };
            let (found, end) = match answered {
                None => return End::completed(),
                Some((place, Ok(found))) => (decisions.take(place, found), None),
                // It goes on nowhere: what is stored counts, although batches before it are undecided.
                Some((_, Err(end @ End::Ended { .. }))) => (decisions.rest(), Some(end)),
                Some((_, Err(end))) => return end,
            };
            if let (Err(end), _) | (Ok(()), Some(end)) = (self.hand_over(Step::Store(found)).await, end) {
                return end;
            }
        }
    }

    /// Codes in their order, cut into batches; a code that is known to spoil its batch stands alone.
    fn cut<'a>(&self, codes: &'a [ProductCode]) -> impl Iterator<Item = Vec<ProductCode>> + use<'a> {
        let size = self.app.runs.batch_size;
        let apart: HashSet<_> = self.poison.iter().map(|(code, _)| code.clone()).collect();
        let mut left = codes;
        std::iter::from_fn(move || {
            let first = left.first()?;
            let length = if apart.contains(first) {
                1
            } else {
                left.iter().take(size).position(|code| apart.contains(code)).unwrap_or(size.min(left.len()))
            };
            let (batch, rest) = left.split_at(length);
            left = rest;
            Some(batch.to_vec())
        })
    }

    /// One batch through every stage asked for; a code goes on to the next stage only if it passed the one before.
    async fn batch(&self, codes: Vec<ProductCode>, ask: Ask<'_>) -> Result<Found, End> {
        let mut found = Found { after: codes.last().cloned(), ..Found::default() };
        let mut passed = codes;
        if matches!(ask, Ask::Catalogue) {
            let sorted = self.ask_batch::<Catalogue>(passed).await?;
            passed = sorted.records.iter().map(|record| record.code.clone()).collect();
            found.catalogue = found.absorb_sorted(sorted);
        }
        if self.run.request.prices && !passed.is_empty() {
            let sorted = self.ask_batch::<Prices>(passed).await?;
            passed = sorted.records.iter().map(|record| record.code.clone()).collect();
            found.prices = found.absorb_sorted(sorted);
        }
        if let Some(county) = &self.run.request.stock {
            let of = if let Ask::Rest(of) = ask { of } else { StockOf::All };
            let (asked, mut spared): (Vec<_>, Vec<_>) = passed.into_iter().partition(|code| of.holds(code));
            spared.extend(self.stock_of(asked, county, &mut found).await?);
            passed = spared;
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
        let questions: Vec<_> = codes.iter().map(|code| Stock(code, county)).collect();
        let answers = join_all(questions.iter().map(|question| self.ask(question))).await;
        let mut passed = Vec::with_capacity(codes.len());
        for (code, answer) in codes.iter().zip(answers) {
            match answer? {
                Ok(record) => {
                    found.stock.push(record);
                    passed.push(code.clone());
                }
                Err(error) if error.reason == Reason::AuthFailed => return Err(error.into()),
                Err(error) => found.failures.push(NewFailure {
                    product_code: code.as_str().to_owned(),
                    stage: Stage::Stock,
                    reason: error.reason,
                    detail: error.detail,
                    county: Some(county.clone()),
                }),
            }
        }
        Ok(passed)
    }
}

/// What batches have decided about their codes, until all batches before them have, too.
#[derive(Default)]
struct Decisions {
    /// The place of the first batch that has decided nothing yet.
    next: usize,
    ahead: BTreeMap<usize, Found>,
}

impl Decisions {
    /// What is to be stored of a batch now, with the decisions that were waiting for it.
    fn take(&mut self, place: usize, mut found: Found) -> Found {
        if place > self.next {
            self.ahead.insert(place, found.split_decision());
            return found;
        }
        self.next = place + 1;
        while let Some(decision) = self.ahead.remove(&self.next) {
            found.absorb(decision);
            self.next += 1;
        }
        found
    }

    /// Everything that waits.
    fn rest(&mut self) -> Found {
        let mut rest = Found::default();
        for (_, decision) in std::mem::take(&mut self.ahead) {
            rest.absorb(decision);
        }
        rest
    }
}

/// Answers by code: every code asked for is in one of the first two, once.
pub(super) struct Sorted<T> {
    pub(super) records: Vec<T>,
    pub(super) failures: Vec<NewFailure>,
    /// Codes that spoil any batch they are in.
    pub(super) poison: Vec<PoisonCode>,
    /// Codes that do so no longer.
    pub(super) cured: Vec<PoisonCode>,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self { records: Vec::new(), failures: Vec::new(), poison: Vec::new(), cured: Vec::new() }
    }
}

impl Found {
    /// Takes out what decides codes, and leaves what may be stored at any time.
    fn split_decision(&mut self) -> Self {
        Self {
            failures: std::mem::take(&mut self.failures),
            success: std::mem::take(&mut self.success),
            known: std::mem::take(&mut self.known),
            after: self.after.take(),
            ..Self::default()
        }
    }

    /// Takes everything but the records, which it returns.
    fn absorb_sorted<T>(&mut self, sorted: Sorted<T>) -> Vec<T> {
        self.failures.extend(sorted.failures);
        self.poison.extend(sorted.poison);
        self.cured.extend(sorted.cured);
        sorted.records
    }
}

/// Sorts an answer by the codes asked for. Refused credentials end the run; any other failure is the codes'.
pub(super) fn sort<T>(
    codes: Vec<ProductCode>,
    stage: Stage,
    answer: upstream::Result<Answer<T>>,
    code_of: impl Fn(&T) -> &ProductCode,
    sorted: &mut Sorted<T>,
) -> Result<(), End> {
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
            sorted.failures.extend(codes.into_iter().map(failed));
            return Ok(());
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
    for code in codes {
        if let Some(record) = good.remove(&code) {
            sorted.records.push(record);
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
        sorted.failures.push(failure(code, reason, detail));
    }
    Ok(())
}
