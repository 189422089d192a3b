//! The whole catalogue as a stream: the body is decoded record by record, never held. Whoever reads the listing drives it:
//! dropped, it leaves neither a task nor a connection behind.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::Response;
use tokio::time::Instant;

use super::{
    Settings,
    error::{Error, Result},
    frames::Frames,
    matrix::LISTING_CUT,
    record::BadRecord,
    redact::Redactor,
    transport::{Reading, Sending},
    wire,
};
use crate::domain::{products::CatalogueRecord, reasons::Reason};

/// Records handed over at a time.
const CHUNK: usize = 50;
/// With so many bytes read there may be fewer.
const CHUNK_BYTES: usize = 1 << 20;

/// What comes out of a listing, in order; the last event is an end or an error.
#[derive(Debug)]
pub enum ListingEvent {
    /// Some records.
    Records(Vec<std::result::Result<CatalogueRecord, BadRecord>>),
    /// The listing ended as it should.
    End,
}

/// A listing that is being read.
pub struct Listing {
    response: Response,
    frames: Frames,
    /// What has come of the body and is not read yet.
    bytes: Bytes,
    /// What has been read and is not handed over yet, and how many bytes that was.
    records: Vec<std::result::Result<CatalogueRecord, BadRecord>>,
    read: usize,
    /// Events that are known already.
    ready: VecDeque<Result<ListingEvent>>,
    asked_at: DateTime<Utc>,
    redactor: Redactor,
    /// Longest wait for a piece of the body, and for the whole of it.
    stall: Duration,
    whole: Duration,
    ends_at: Instant,
}

impl Listing {
    /// The next event.
    ///
    /// # Errors
    /// `LISTING_CUT` when the body ended before its end, `MALFORMED_ANSWER` when it is no listing or too large a part of
    /// one, and what the envelope refuses with.
    pub async fn next(&mut self) -> Result<ListingEvent> {
        if let Some(event) = self.ready.pop_front() {
            return event;
        }
        let end = match self.read().await {
            Ok(true) => return Ok(self.hand_over()),
            Ok(false) => self.frames.finish().map(|()| ListingEvent::End),
            Err(error) => Err(error),
        };
        let end = end.map_err(|error| Error { detail: self.redactor.words(&error.detail, None), ..error });
        if self.records.is_empty() {
            return end;
        }
        self.ready.push_back(end);
        Ok(self.hand_over())
    }

    fn hand_over(&mut self) -> ListingEvent {
        self.read = 0;
        ListingEvent::Records(std::mem::take(&mut self.records))
    }

    /// Reads until there is enough to be handed over; `false`: the body has ended.
    async fn read(&mut self) -> Result<bool> {
        loop {
            while let Some(raw) = self.frames.next(&mut self.bytes)? {
                self.read += raw.get().len();
                self.records.push(wire::catalogue_record(&raw, self.asked_at));
                if self.records.len() == CHUNK || self.read >= CHUNK_BYTES {
                    return Ok(true);
                }
            }
            match self.receive().await? {
                Some(bytes) => self.bytes = bytes,
                None => return Ok(false),
            }
        }
    }

    /// The next piece of the body.
    async fn receive(&mut self) -> Result<Option<Bytes>> {
        let piece = tokio::time::timeout(self.stall, self.response.chunk());
        let Ok(piece) = tokio::time::timeout_at(self.ends_at, piece).await else {
            let detail = format!("the listing took longer than {} s", self.whole.as_secs());
            return Err(Error::new(Reason::ListingCut, detail));
        };
        let why = match piece {
            Ok(Ok(piece)) => return Ok(piece),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nothing came for {} s", self.stall.as_secs()),
        };
        let seen = self.frames.records();
        Err(Error::of(LISTING_CUT, format!("the listing broke off after {seen} records: {why}")))
    }
}

/// Reads a body as it comes. Up to its first record the call may be repeated; what fails later is the reader's to handle.
pub(super) struct Streamed<'a>(pub(super) &'a Settings);

impl Reading for Streamed<'_> {
    type Out = Listing;

    async fn read(&self, response: Response, sending: &Sending<'_>) -> Result<Listing> {
        let Settings { request_timeout, listing_timeout, .. } = self.0;
        let mut listing = Listing {
            response,
            frames: Frames::default(),
            bytes: Bytes::new(),
            records: Vec::new(),
            read: 0,
            ready: VecDeque::new(),
            asked_at: sending.asked_at,
            redactor: sending.redactor.clone(),
            stall: *request_timeout,
            whole: *listing_timeout,
            ends_at: Instant::now() + *listing_timeout,
        };
        let first = listing.next().await?;
        listing.ready.push_front(Ok(first));
        Ok(listing)
    }
}
