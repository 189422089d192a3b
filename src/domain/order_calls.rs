//! What the order system is asked about one order, and what it says to that.

use std::fmt;

use chrono::{DateTime, Utc};

/// Haier's refusal, in its own words without secrets. They may name the customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderRefusal {
    /// The code in Haier's answer. May be empty.
    pub code: String,
    /// Haier's words. May be empty.
    pub message: String,
    /// Haier's number of the order, where the refusal names one: of an order that Haier has already, say.
    pub retail_order_no: Option<String>,
}

impl fmt::Display for OrderRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = if self.message.trim().is_empty() { "no words at all" } else { &self.message };
        if self.code.is_empty() {
            return write!(f, "Haier refused: {message}");
        }
        write!(f, "Haier refused with code {:?}: {message}", self.code)
    }
}

/// Answer to a new order. An outcome that nobody knows is none of these but an error that is in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushAnswer {
    /// Haier has booked it.
    Booked {
        /// Haier's number of it.
        retail_order_no: String,
        /// The sub-order number that the answer names.
        so_id: Option<String>,
    },
    /// Haier knows this sub-order number already.
    Repeated(OrderRefusal),
    /// Haier does not take it, and would not the next time.
    Refused(OrderRefusal),
}

/// Answer to a change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeAnswer {
    /// Haier has taken it.
    Accepted,
    /// Haier does not take it, and would not the next time.
    Refused(OrderRefusal),
    /// Haier does not take a cancellation because the order is cancelled.
    CancelledAlready(OrderRefusal),
}

/// A cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The sub-order number.
    pub so_id: String,
    /// When it was asked for.
    pub cancelled_at: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// The agreed name under which the order was sent.
    pub source_system: String,
}

/// New times of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescheduling {
    /// Haier's number of the order.
    pub retail_order_no: String,
    /// The end of the day of delivery; `None` leaves it.
    pub distribution_time: Option<DateTime<Utc>>,
    /// The end of the day of installation; `None` leaves it.
    pub install_time: Option<DateTime<Utc>>,
}

/// A photo of a delivery or an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPhoto {
    /// Haier's word for what it shows.
    pub image_type: String,
    /// Where it is.
    pub image_url: String,
    /// When it was taken up. `None`: it could not be read.
    pub uploaded_at: Option<DateTime<Utc>>,
}

/// Parcels of one delivery of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourierNumbers {
    /// Haier's number of the order.
    pub order_code: String,
    /// Haier's number of the delivery. May be empty.
    pub delivery_record_code: String,
    /// Its parcels.
    pub parcels: Vec<CourierParcel>,
}

/// One parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourierParcel {
    /// Who carries it. May be empty.
    pub logistics_company: String,
    /// Its number there. May be empty.
    pub logistics_no: String,
    /// The machine's serial number. May be empty.
    pub sn_code: String,
}
