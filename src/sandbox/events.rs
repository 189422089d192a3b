//! What happened, as the state file keeps it: enough to be where it was after a restart. No name, phone number or address
//! is among it.

use serde::{Deserialize, Serialize};

use super::catalogue_change::Wanted;
use super::order::Order;

/// One line of the state file.
#[derive(Debug, Serialize, Deserialize)]
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
    /// An order was booked.
    Booked(Order),
}
