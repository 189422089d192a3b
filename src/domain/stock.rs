//! Stock of a product in a county, summed over Haier's warehouses.

use std::fmt;

use chrono::{DateTime, Utc};

use super::products::ProductCode;

/// A national county code: six digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountyCode(String);

/// The county asked for when nobody says which: Dongcheng, Beijing.
const DEFAULT_COUNTY: &str = "110101";

impl CountyCode {
    /// Checks a code; blank gives the default.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the field's name.
    pub fn parse_or_default(text: &str) -> Result<Self, &'static str> {
        match text.trim() {
            "" => Ok(Self::default()),
            code if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Self(code.to_owned()))
            }
            _ => Err("must be a national county code of six digits, e.g. 110101"),
        }
    }

    /// A code read back from the store, where only checked ones are.
    #[must_use]
    pub const fn from_stored(code: String) -> Self {
        Self(code)
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CountyCode {
    fn default() -> Self {
        Self(DEFAULT_COUNTY.to_owned())
    }
}

impl fmt::Display for CountyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When an order would arrive, in Haier's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeliness {
    /// Order cut-off.
    pub cut_time: Option<String>,
    /// Expected arrival.
    pub achieve_user_order_cut: Option<String>,
    /// Hours to delivery.
    pub hour: Option<String>,
    /// Whether goods are transshipped.
    pub is_transfer: Option<bool>,
}

/// Stock of one warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warehouse {
    /// Location.
    pub code: Option<String>,
    /// `0` own, `1` upper-level.
    pub grade: Option<String>,
    /// Units.
    pub stock: i64,
    /// Delivery from here.
    pub timeliness: Option<Timeliness>,
}

/// What Haier answers about one product in one county.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRecord {
    /// The product.
    pub code: ProductCode,
    /// The county.
    pub county: CountyCode,
    /// Its warehouses, the fullest first.
    pub warehouses: Vec<Warehouse>,
    /// When the request was sent: an older answer never overwrites a newer one.
    pub asked_at: DateTime<Utc>,
}

impl StockRecord {
    /// Units: the sum over the warehouses; none is 0.
    #[must_use]
    pub fn stock(&self) -> i64 {
        self.warehouses.iter().fold(0_i64, |sum, warehouse| sum.saturating_add(warehouse.stock))
    }

    /// The fullest warehouse.
    #[must_use]
    pub fn fullest(&self) -> Option<&Warehouse> {
        self.warehouses.first()
    }
}

/// A stored stock figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    /// Units.
    pub stock: i64,
    /// Location of the fullest warehouse.
    pub warehouse_code: Option<String>,
    /// Its grade.
    pub warehouse_grade: Option<String>,
    /// When it was asked for.
    pub as_of: DateTime<Utc>,
}
