//! The whole catalogue as a stream: the body is decoded element by element, never held.

use std::{fmt, io, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use reqwest::Response;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{
    Settings,
    envelope::Envelope,
    error::{Error, Result},
    matrix::{LISTING_CUT, UNREADABLE},
    record::BadRecord,
    transport::{Reading, Sending},
    wire,
};
use crate::domain::{products::CatalogueRecord, reasons::Reason};

/// Records handed over at a time.
const CHUNK: usize = 50;
/// Chunks that wait for a slow reader.
const CHUNKS_AHEAD: usize = 4;

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
    /// The first event, taken already to know that there is one.
    first: Option<ListingEvent>,
    events: mpsc::Receiver<Result<ListingEvent>>,
}

impl Listing {
    /// The next event.
    ///
    /// # Errors
    /// `LISTING_CUT` when the body ended before its end, `MALFORMED_ANSWER` when it is no listing, and what the
    /// envelope refuses with.
    pub async fn next(&mut self) -> Result<ListingEvent> {
        match self.first.take() {
            Some(event) => Ok(event),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Result<ListingEvent> {
        let closed = || Err(Error::new(Reason::Internal, "the reader of the listing is gone"));
        self.events.recv().await.unwrap_or_else(closed)
    }
}

/// Reads a body as it comes. Up to its first record the call may be repeated; what fails later is the reader's to hear.
pub(super) struct Streamed<'a>(pub(super) &'a Settings);

impl Reading for Streamed<'_> {
    type Out = Listing;

    async fn read(&self, response: Response, sending: &Sending<'_>) -> Result<Listing> {
        let mut listing = read(response, sending, self.0);
        listing.first = Some(listing.receive().await?);
        Ok(listing)
    }
}

/// Starts to read a body. It stops by itself when the [`Listing`] is dropped.
fn read(response: Response, sending: &Sending<'_>, settings: &Settings) -> Listing {
    let (sender, events) = mpsc::channel(CHUNKS_AHEAD);
    let (stall, whole) = (settings.request_timeout, settings.listing_timeout);
    let (redactor, asked_at) = (sending.redactor.clone(), sending.asked_at);
    let body = response.bytes_stream().map_err(io::Error::other).timeout(stall);
    let body = body.map(move |chunk| chunk.unwrap_or_else(|_| Err(stalled(stall))));
    let reader = SyncIoBridge::new(StreamReader::new(Box::pin(body)));
    let reading = tokio::task::spawn_blocking({
        let sender = sender.clone();
        move || {
            let last = parse(reader, asked_at, &sender)
                .map_err(|error| Error { detail: redactor.words(&error.detail, None), ..error });
            // Nobody left to tell is fine.
            let _ = sender.blocking_send(last);
        }
    });
    tokio::spawn(async move {
        if tokio::time::timeout(whole, reading).await.is_err() {
            let detail = format!("the listing took longer than {} s", whole.as_secs());
            let _ = sender.send(Err(Error::new(Reason::ListingCut, detail))).await;
        }
    });
    Listing { first: None, events }
}

fn stalled(stall: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {} s", stall.as_secs()))
}

fn parse(
    reader: impl io::Read,
    asked_at: DateTime<Utc>,
    sender: &mpsc::Sender<Result<ListingEvent>>,
) -> Result<ListingEvent> {
    let mut chunks = Chunks { sender, asked_at, pending: Vec::with_capacity(CHUNK), seen: 0 };
    let mut decoder = serde_json::Deserializer::from_reader(io::BufReader::with_capacity(1 << 16, reader));
    let parsed = decoder.deserialize_any(Outer { chunks: &mut chunks });
    let seen = chunks.seen;
    chunks.flush();
    match parsed {
        Ok(Some(refusal)) => Err(refusal),
        Ok(None) => Ok(ListingEvent::End),
        // serde_json calls a body that breaks off in mid-read io, one that just ends eof.
        Err(error) if error.is_io() || error.is_eof() => {
            Err(Error::of(LISTING_CUT, format!("the listing broke off after {seen} records: {error}")))
        }
        Err(error) => {
            let what = if seen == 0 { "the answer is no listing" } else { "the listing cannot be read" };
            Err(Error::of(UNREADABLE, format!("{what} after {seen} records: {error}")))
        }
    }
}

/// Gathers records and hands them over.
struct Chunks<'a> {
    sender: &'a mpsc::Sender<Result<ListingEvent>>,
    asked_at: DateTime<Utc>,
    pending: Vec<std::result::Result<CatalogueRecord, BadRecord>>,
    seen: usize,
}

impl Chunks<'_> {
    /// Whether somebody still listens.
    fn push(&mut self, raw: &RawValue) -> bool {
        self.seen += 1;
        self.pending.push(wire::catalogue_record(raw, self.asked_at));
        self.pending.len() < CHUNK || self.flush()
    }

    fn flush(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        let records = std::mem::replace(&mut self.pending, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(ListingEvent::Records(records))).is_ok()
    }
}

/// The whole body: the array, or an envelope with it in `data`. Yields the envelope's refusal.
struct Outer<'a, 'b> {
    chunks: &'a mut Chunks<'b>,
}

impl<'de> Visitor<'de> for Outer<'_, '_> {
    type Value = Option<Error>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of products")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Self::Value, A::Error> {
        while let Some(raw) = seq.next_element::<Box<RawValue>>()? {
            if !self.chunks.push(&raw) {
                break;
            }
        }
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        let mut has_data = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "data" => has_data = map.next_value_seed(Data { chunks: self.chunks })?,
                "success" => envelope.success = Some(map.next_value()?),
                "code" => envelope.code = Some(map.next_value()?),
                "message" | "msg" => envelope.message = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let refusal = envelope.refusal(has_data);
        let is_envelope = has_data || envelope.success.is_some() || envelope.code.is_some();
        if refusal.is_none() && !is_envelope {
            return Err(serde::de::Error::custom("an object without data"));
        }
        Ok(refusal)
    }
}

/// The envelope's `data`: the array, or null. Yields whether there was one.
struct Data<'a, 'b> {
    chunks: &'a mut Chunks<'b>,
}

impl<'de> DeserializeSeed<'de> for Data<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Data<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of products")
    }

    fn visit_unit<E>(self) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> std::result::Result<bool, A::Error> {
        Outer { chunks: self.chunks }.visit_seq(seq).map(|_| true)
    }
}
