//! Where an order's parcels are.

use chrono::{DateTime, Utc};

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogisticsQuery {
    /// Haier's order code.
    pub order_code: String,
    /// One delivery of it.
    pub delivery_record_code: Option<String>,
    /// Haier's member id.
    pub member_id: Option<i64>,
}

/// Haier's three records of one order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logistics {
    /// The central warehouse's.
    pub central_warehouse: Vec<Shipment>,
    /// Zhihuibao's.
    pub zhihuibao: Vec<Shipment>,
    /// Those of Zhihuibao's couriers.
    pub third_party: Vec<Shipment>,
}

/// One parcel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shipment {
    /// Courier.
    pub logistics_company: Option<String>,
    /// Courier's number.
    pub logistics_no: Option<String>,
    /// Where it stands.
    pub status: Option<String>,
    /// How it got there.
    pub traces: Vec<ShipmentTrace>,
    /// What else Haier sent, each value as JSON text.
    pub extra: Vec<(String, String)>,
}

/// One step of a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShipmentTrace {
    /// When, if Haier's text can be read.
    pub time: Option<DateTime<Utc>>,
    /// Haier's text for it.
    pub time_text: String,
    /// What happened.
    pub status: String,
}
