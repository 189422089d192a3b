//! Asking Haier within a run: one of its calls in flight, an outage waited out, and a batch that is refused whole split
//! until the codes that spoil it stand alone.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    End, Fetcher,
    batches::{Sorted, sort},
};
use crate::{
    domain::{
        products::{CatalogueRecord, PriceRecord, ProductCode},
        reasons::Reason,
        stock::{CountyCode, StockRecord},
        sync_logs::Stage,
    },
    store::sync_failures::NewFailure,
    upstream::{self, Answer, Call, Listing, Openplat},
};

/// How soon a run asks again when a breaker or a pause does not say how long it will last.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(1);
/// The shortest wait of which it is said how long it is.
const WORTH_TELLING: TimeDelta = TimeDelta::seconds(5);
/// How soon a run asks for a listing again that did not even begin.
const LISTING_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// What a run asks.
pub(super) trait Question {
    type Answer;
    fn put(
        &self,
        openplat: &Openplat,
        call: &Call<'_>,
    ) -> impl Future<Output = upstream::Result<Self::Answer>> + Send;
}

/// A question about up to 20 codes.
pub(super) trait BatchQuestion: Question<Answer = Answer<Self::Record>> + Sync {
    type Record;
    const STAGE: Stage;
    fn of(codes: Vec<ProductCode>) -> Self;
    fn into_codes(self) -> Vec<ProductCode>;
    fn code_of(record: &Self::Record) -> &ProductCode;
}

/// The catalogue records of some codes.
pub(super) struct Catalogue(Vec<ProductCode>);

/// The prices of some codes.
pub(super) struct Prices(Vec<ProductCode>);

/// The stock of a code in a county.
pub(super) struct Stock<'a>(pub(super) &'a ProductCode, pub(super) &'a CountyCode);

/// The whole catalogue.
pub(super) struct WholeCatalogue;

impl Question for Catalogue {
    type Answer = Answer<CatalogueRecord>;

    async fn put(&self, openplat: &Openplat, call: &Call<'_>) -> upstream::Result<Self::Answer> {
        openplat.products(&self.0, call).await
    }
}

impl BatchQuestion for Catalogue {
    type Record = CatalogueRecord;
    const STAGE: Stage = Stage::Catalogue;

    fn of(codes: Vec<ProductCode>) -> Self {
        Self(codes)
    }

    fn into_codes(self) -> Vec<ProductCode> {
        self.0
    }

    fn code_of(record: &CatalogueRecord) -> &ProductCode {
        &record.code
    }
}

impl Question for Prices {
    type Answer = Answer<PriceRecord>;

    async fn put(&self, openplat: &Openplat, call: &Call<'_>) -> upstream::Result<Self::Answer> {
        openplat.prices(&self.0, call).await
    }
}

impl BatchQuestion for Prices {
    type Record = PriceRecord;
    const STAGE: Stage = Stage::Prices;

    fn of(codes: Vec<ProductCode>) -> Self {
        Self(codes)
    }

    fn into_codes(self) -> Vec<ProductCode> {
        self.0
    }

    fn code_of(record: &PriceRecord) -> &ProductCode {
        &record.code
    }
}

impl Question for Stock<'_> {
    type Answer = StockRecord;

    async fn put(&self, openplat: &Openplat, call: &Call<'_>) -> upstream::Result<StockRecord> {
        openplat.stock(self.0, self.1, call).await
    }
}

impl Question for WholeCatalogue {
    type Answer = Listing;

    async fn put(&self, openplat: &Openplat, call: &Call<'_>) -> upstream::Result<Listing> {
        openplat.listing(call).await
    }
}

impl Fetcher<'_> {
    /// An answer, once one of the run's calls in flight is over. While calls are held back, the run waits rather than
    /// burn its codes; for a Haier that is down it does so only so long.
    pub(super) async fn ask<Q: Question>(&self, question: &Q) -> Result<upstream::Result<Q::Answer>, End> {
        let mut outage = Outage::default();
        loop {
            match self.ask_once(question).await {
                Err(error) if is_held_back(&error) => self.sit_out(&mut outage, &error, LOOK_AGAIN).await?,
                answer => return Ok(answer),
            }
        }
    }

    /// One call, which may be held back.
    async fn ask_once<Q: Question>(&self, question: &Q) -> upstream::Result<Q::Answer> {
        // Never closed, so this only waits.
        let _permit = self.calls.acquire().await;
        question.put(self.openplat, &Call::of_run(self.waits)).await
    }

    /// The whole catalogue, from its first record. A listing that does not begin is asked for again like any outage.
    pub(super) async fn ask_listing(&self) -> Result<Listing, End> {
        let mut outage = Outage::default();
        loop {
            match self.ask(&WholeCatalogue).await? {
                Ok(listing) => return Ok(listing),
                Err(error) if is_transient(&error) => {
                    self.sit_out(&mut outage, &error, LISTING_AGAIN).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Answers to a batch, by code. A batch that is refused whole, or for which Haier fails, is asked for again in halves.
    /// One of which nothing came waits until Haier answers for something: then it is the codes.
    pub(super) async fn ask_batch<Q: BatchQuestion>(
        &self,
        codes: Vec<ProductCode>,
    ) -> Result<Sorted<Q::Record>, End> {
        let (mut outage, alone) = (Outage::default(), codes.len() == 1);
        loop {
            let mut sorted = Sorted::default();
            let failed = self.ask_pieces::<Q>(codes.clone(), &mut sorted).await?;
            let nothing_came = sorted.records.is_empty() && sorted.failures.is_empty();
            let is_outage = !alone && nothing_came && failed.iter().all(|(_, error)| is_transient(error));
            if let (true, Some((_, error))) = (is_outage, failed.first())
                && !self.answers_for_another::<Q>().await?
            {
                self.sit_out(&mut outage, error, LISTING_AGAIN).await?;
                continue;
            }
            for (code, error) in failed {
                if may_be_one_code(&error) {
                    sorted.poison.push((code.clone(), Q::STAGE));
                }
                sort(vec![code], Q::STAGE, Err(error), Q::code_of, &mut sorted)?;
            }
            // Where no neighbour came through, it was Haier and not the codes: asking for each of them apart would cost the
            // next run twenty times the calls.
            match sorted.records.last().map(Q::code_of) {
                Some(good) => self.note_good(Q::STAGE, good),
                None => sorted.poison.clear(),
            }
            self.name_bad_codes(&sorted);
            return Ok(sorted);
        }
    }

    /// Asks for a batch, and again for halves of what fails; returns the codes for which Haier failed one by one.
    ///
    /// While the breaker is open, two things find out whether it is Haier or these codes: each probe that fails halves its
    /// batch, and a code that Haier has answered for is asked for besides.
    async fn ask_pieces<Q: BatchQuestion>(
        &self,
        codes: Vec<ProductCode>,
        sorted: &mut Sorted<Q::Record>,
    ) -> Result<Vec<(ProductCode, upstream::Error)>, End> {
        let (mut left, mut failed, mut outage) = (vec![codes], Vec::new(), Outage::default());
        while let Some(codes) = left.pop() {
            let question = Q::of(codes);
            let mut answer = self.ask_once(&question).await;
            let codes = question.into_codes();
            let is_known_bad = codes.len() == 1 && self.is_poison::<Q>(&codes[0]);
            if let (true, Err(upstream::Error { after: Some(failure), .. })) = (is_known_bad, &answer) {
                // It has been bad before: one more failure is enough.
                answer = Err((**failure).clone());
            }
            match answer {
                // It says nothing about the codes, and halves would be more calls.
                Err(error) if error.reason == Reason::RateLimited && codes.len() > 1 => {
                    self.sit_out(&mut outage, &error, LISTING_AGAIN).await?;
                    left.push(codes);
                    continue;
                }
                Err(error) if is_held_back(&error) => {
                    self.sit_out(&mut outage, &error, LOOK_AGAIN).await?;
                    // What failed before was the outage that has just been waited out, for all one knows.
                    left.extend(failed.drain(..).map(|(code, _)| vec![code]));
                    // One that failed goes behind all others: failing again, it would keep them from being probes.
                    if error.after.is_some() {
                        drop(left.splice(..0, halves(codes)))
                    } else {
                        left.push(codes)
                    }
                    if let Some(good) = self.good::<Q>() {
                        drop(self.ask_once(&Q::of(vec![good])).await);
                    }
                    continue;
                }
                Err(error) if may_be_one_code(&error) || is_transient(&error) => {
                    match <[_; 1]>::try_from(codes) {
                        Ok([code]) => failed.push((code, error)),
                        Err(codes) => left.extend(halves(codes)),
                    }
                }
                answer => {
                    if is_known_bad && answer.is_ok() {
                        sorted.cured.push((codes[0].clone(), Q::STAGE));
                    }
                    sort(codes, Q::STAGE, answer, Q::code_of, sorted)?;
                }
            }
            outage = Outage::default();
        }
        Ok(failed)
    }

    fn is_poison<Q: BatchQuestion>(&self, code: &ProductCode) -> bool {
        self.poison.contains(&(code.clone(), Q::STAGE))
    }

    /// A code for which Haier has answered in this run.
    fn good<Q: BatchQuestion>(&self) -> Option<ProductCode> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner).get(&Q::STAGE).cloned()
    }

    /// Whether Haier answers for another code: then a batch of which nothing comes is at fault, and Haier is not down.
    async fn answers_for_another<Q: BatchQuestion>(&self) -> Result<bool, End> {
        let Some(good) = self.good::<Q>() else { return Ok(false) };
        Ok(self.ask(&Q::of(vec![good])).await?.is_ok())
    }

    fn note_good(&self, stage: Stage, code: &ProductCode) {
        self.good.lock().unwrap_or_else(PoisonError::into_inner).insert(stage, code.clone());
    }

    /// Logs which codes Haier fails for, once until it answers for them again.
    fn name_bad_codes<T>(&self, sorted: &Sorted<T>) {
        for code in sorted.poison.iter().filter(|code| !self.poison.contains(code)) {
            let failure = sorted.failures.iter().find(|failure| failure.product_code == code.0.as_str());
            let Some(NewFailure { product_code, stage, reason, detail, .. }) = failure else { continue };
            let (sync_log_id, stage) = (self.run.log_id, stage.as_str());
            tracing::warn!(
                sync_log_id, product_code, stage, %reason, detail,
                "Haier fails for this product alone and answers for its neighbours; it is asked for apart from now on"
            );
        }
    }

    /// Waits until calls may be let through again; ends the run when Haier has been down for too long.
    async fn sit_out(
        &self,
        outage: &mut Outage,
        error: &upstream::Error,
        otherwise: TimeDelta,
    ) -> Result<(), End> {
        let now = self.app.clock.now();
        // A pause is somebody's will, however long it lasts.
        let since = if error.reason == Reason::Paused { now } else { outage.since.unwrap_or(now) };
        outage.since = Some(since);
        let longest = self.app.runs.outage_wait;
        if now - since >= longest {
            let minutes = longest.num_minutes();
            let detail =
                format!("Haier has been down for {minutes} min, as long as a run waits; {}", error.detail);
            return Err(End::Ended { reason: Reason::UpstreamDown, detail });
        }
        let wait = error.retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or(otherwise);
        let until = (now + wait.max(MIN_WAIT)).min(since + longest);
        // A look again in a moment is no end in sight.
        let shown = (wait >= WORTH_TELLING).then_some(until);
        let _waiting = self.waits.begin(error.reason, &error.detail, shown);
        self.app.clock.sleep_until(until).await;
        Ok(())
    }
}

/// A breaker's last millisecond must not become a busy loop.
const MIN_WAIT: TimeDelta = TimeDelta::milliseconds(10);

/// Since when a question has not been let through.
#[derive(Default)]
struct Outage {
    since: Option<DateTime<Utc>>,
}

/// Not sent, or not again: a breaker is open, or an operator holds calls back.
fn is_held_back(error: &upstream::Error) -> bool {
    matches!(error.reason, Reason::BreakerOpen | Reason::Paused)
}

/// The front last, which is what is asked for first: codes stay in their order.
fn halves(mut codes: Vec<ProductCode>) -> impl Iterator<Item = Vec<ProductCode>> {
    let tail = codes.split_off(codes.len().div_ceil(2));
    [tail, codes].into_iter().filter(|half| !half.is_empty())
}

/// A fault of the moment, after every try that the call policy allows.
fn is_transient(error: &upstream::Error) -> bool {
    matches!(
        error.reason,
        Reason::RequestTimeout | Reason::ConnectionFailed | Reason::ServerError | Reason::RateLimited
    )
}

/// An answer that one code in the batch may have spoilt.
fn may_be_one_code(error: &upstream::Error) -> bool {
    matches!(
        error.reason,
        Reason::ValidationError
            | Reason::ServerError
            | Reason::MalformedAnswer
            | Reason::RequestTimeout
            | Reason::ConnectionFailed
    )
}
