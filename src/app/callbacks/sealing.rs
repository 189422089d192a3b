//! Haier's words may name people, and whom is not known before the order is found: until then `Data` is kept sealed, and
//! what is stored beside it names nobody.

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    App,
    wire::{Data, says_more},
};
use crate::{
    domain::{
        callbacks::{ReceivedCallback, place},
        mobiles::strike_mobiles,
        orders::Order,
    },
    error::{Causes, Result},
};

impl App {
    /// Seals what a callback says beside numbers and a state before it is stored. Without a key that is not kept: the
    /// callback must not be lost for it.
    pub(super) fn callback_seal(&self, received: &mut ReceivedCallback) {
        if !says_more(&received.data) {
            return;
        }
        let sealed = self.key_ring().and_then(|ring| Ok(ring.seal(place(received.id), &received.data)?));
        received.sealed = sealed
            .inspect_err(|error| {
                let order = received.platform_order_no.as_str();
                tracing::error!(order, error = %Causes(&error), "what Haier says in words cannot be sealed, and is not kept");
            })
            .ok();
        received.words.clear();
        received.data = without_words(received);
    }

    /// The callback with the words that were sealed.
    ///
    /// # Errors
    /// When they do not open.
    pub(super) fn callback_open(&self, mut received: ReceivedCallback) -> Result<ReceivedCallback> {
        if let Some(sealed) = &received.sealed {
            received.data = self.key_ring()?.open(place(received.id), sealed)?.expose_secret().to_owned();
            received.words = Data::parse(&received.data).map(|data| words(&data)).unwrap_or_default();
            received.sealed = None;
        }
        Ok(received)
    }

    /// The callback as it is kept once it is known whom it is about: with Haier's words, and without his people. Words that
    /// do not open stay sealed: what the callback says beside them is not held up.
    pub(super) fn callback_redacted(&self, received: ReceivedCallback, order: &Order) -> ReceivedCallback {
        match self.callback_open(received.clone()) {
            Ok(opened) => ReceivedCallback {
                words: order.redact(&opened.words),
                data: order.redact(&opened.data),
                ..opened
            },
            Err(error) => {
                let so_id = order.so_id.as_str();
                tracing::error!(so_id, error = %Causes(&error), "what Haier says in words does not open, and stays sealed");
                received
            }
        }
    }
}

/// Haier's words without mobile numbers.
pub(super) fn words(data: &Data) -> String {
    strike_mobiles(&data.words, &[])
}

/// `Data` as it would be had Haier said nothing but numbers and a state.
fn without_words(received: &ReceivedCallback) -> String {
    let (ours, haiers) = (&received.platform_order_no, &received.haier_order_no);
    json!({ "ExtOrderNo": haiers, "PlatformOrderNo": ours, "State": u8::from(received.success) }).to_string()
}
