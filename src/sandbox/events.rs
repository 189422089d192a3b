//! What happened, as the state file keeps it: enough to be where it was after a restart. No name, phone number or address
//! is among it.

use serde::{Deserialize, Serialize};

use super::callback_note::Note;
use super::catalogue_change::Wanted;
use super::order::{Late, Order, Times};

/// One line of the state file. What is decided and the callback about it stand in one line, so that neither is without
/// the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// The catalogue was changed by hand.
    Catalogue(Wanted),
    /// A push arrived, whatever became of it.
    Received {
        so_id: String,
        /// A hash of the whole body.
        body: u64,
    },
    /// A push was cut off, to be booked later.
    CutOff(Late),
    /// An order was booked.
    Booked { order: Order, note: Option<Note> },
    /// A cancellation was decided.
    Cancelled { so_id: String, accepted: bool, note: Option<Note> },
    /// An order has other times.
    Rescheduled { so_id: String, times: Times },
    /// A callback was heard, or given up.
    CallbackEnded { id: u64 },
}
