//! The whole catalogue in one answer, made while it is sent: memory does not grow with the catalogue.

use std::{io, mem};

use axum::body::{Body, Bytes};

use super::answer::{BOM, Wrap};
use super::catalogue::Catalogue;
use super::damage::{Place, damaged};
use super::endpoint::Endpoint;
use super::fault_kinds::Kind;
use super::faults::Plan;

const CHUNK: usize = 64 * 1024;

/// The listing as a body, with the faults of the plan.
pub(super) fn body(catalogue: Catalogue, plan: Plan, wrap: Wrap) -> Body {
    Body::from_stream(async_stream::stream! {
        let mut writer = Writer::new(catalogue, plan, wrap);
        while !writer.done {
            writer.fill();
            yield Ok(Bytes::from(mem::replace(&mut writer.chunk, Vec::with_capacity(CHUNK + 4096))));
            // Other calls of this connection's thread get their turn, and what was yielded leaves before a break.
            tokio::task::yield_now().await;
        }
        if writer.breaks {
            yield Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
    })
}

struct Writer {
    catalogue: Catalogue,
    plan: Plan,
    after: &'static str,
    chunk: Vec<u8>,
    next: u64,
    /// Where the listing is cut in mid-record, if it is.
    cut_at: Option<u64>,
    breaks: bool,
    last: Option<u64>,
    first: bool,
    written: bool,
    done: bool,
}

impl Writer {
    fn new(catalogue: Catalogue, plan: Plan, wrap: Wrap) -> Self {
        let (before, after) = wrap.around_list();
        let total = catalogue.total();
        let cut = matches!(plan.sending, Some(Kind::TruncatedJson | Kind::CutListing | Kind::ResetAfter));
        Self {
            // Only a damaged listing needs to know its last record.
            last: (!plan.damages.is_empty()).then(|| catalogue.last()).flatten(),
            cut_at: cut.then_some(total / 2),
            breaks: cut && plan.sending != Some(Kind::TruncatedJson),
            chunk: [if plan.bom { BOM } else { "" }, before].concat().into_bytes(),
            catalogue,
            plan,
            after,
            next: 0,
            first: true,
            written: false,
            done: false,
        }
    }

    fn fill(&mut self) {
        let total = self.catalogue.total();
        while self.chunk.len() < CHUNK && !self.done {
            let start = self.chunk.len();
            if self.next < total {
                self.write(self.next);
            }
            if self.cut_at == Some(self.next) {
                // In mid-record, or, where the record is a withdrawn one or there is none, before the end of the list.
                let half = start + (self.chunk.len() - start) / 2;
                self.chunk.truncate(half);
                self.done = true;
            } else if self.next >= total {
                self.chunk.extend_from_slice(self.after.as_bytes());
                self.done = true;
            }
            self.next += 1;
        }
    }

    fn write(&mut self, index: u64) {
        let product = self.catalogue.product(index);
        if self.catalogue.is_withdrawn(&product) {
            return;
        }
        if self.plan.damages.is_empty() {
            self.separate();
            return self.catalogue.write_product(&product, &mut self.chunk);
        }
        let mut record = Vec::with_capacity(512);
        self.catalogue.write_product(&product, &mut record);
        let place = Place { code: product.code.as_str(), first: self.first, last: self.last == Some(index) };
        self.first = false;
        for record in damaged(&self.plan.damages, Endpoint::Products, place, record) {
            self.separate();
            self.chunk.extend_from_slice(&record);
        }
    }

    fn separate(&mut self) {
        if self.written {
            self.chunk.push(b',');
        }
        self.written = true;
    }
}
