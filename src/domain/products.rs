//! Products: the stored copy, and what Haier's answers carry of one.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{decimal::Money, printable::is_invisible, stock::StockLevel};

/// Longest product code in characters.
const MAX_CODE_CHARS: usize = 64;

/// Haier's natural key of a product: 1 to 64 characters, trimmed, without control and invisible characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductCode(String);

impl ProductCode {
    /// Checks and trims a code.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the field's name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("must not be blank");
        }
        if text.chars().count() > MAX_CODE_CHARS {
            return Err("must have at most 64 characters");
        }
        if text.contains(is_invisible) {
            return Err("must not contain control or invisible characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A code read back from the store, where only checked ones are.
    #[must_use]
    pub const fn from_stored(code: String) -> Self {
        Self(code)
    }

    /// The code as owned text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for ProductCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one record of Haier's catalogue carries. `None`: the answer did not say, so what is stored stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueRecord {
    /// The natural key.
    pub code: ProductCode,
    /// Model.
    pub model: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Haier's product group.
    pub group: Option<String>,
    /// Haier's brand.
    pub brand: Option<String>,
    /// Main picture's address, checked.
    pub image_url: Option<String>,
    /// Detail pictures' addresses, checked.
    pub page_urls: Option<Vec<String>>,
    /// Purchasable or not.
    pub is_sales: Option<bool>,
    /// Why not, at most 200 characters.
    pub no_sales_reason: Option<String>,
    /// Picture addresses that were left out because they are none.
    pub bad_pictures: u32,
    /// When the request was sent: an older answer never overwrites a newer one.
    pub asked_at: DateTime<Utc>,
}

/// What one record of Haier's price answer carries. `None`: the answer did not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRecord {
    /// The natural key.
    pub code: ProductCode,
    /// Ordinary supply price.
    pub supply_price: Option<Money>,
    /// Invoice price.
    pub invoice_price: Option<Money>,
    /// Market price.
    pub market_price: Option<Money>,
    /// Direct discount, canonical decimal text.
    pub stock_rebate: Option<String>,
    /// Kind of rebate.
    pub rebate_policy: Option<String>,
    /// Rebate per unit.
    pub rebate_money: Option<Money>,
    /// Purchasable or not, in the price system's view.
    pub is_sales: Option<bool>,
    /// Why there is no price.
    pub reason: Option<String>,
    /// When the request was sent: an older answer never overwrites a newer one.
    pub asked_at: DateTime<Utc>,
}

impl PriceRecord {
    /// Whether the answer says that no price is in force: a reason and none of the three prices.
    #[must_use]
    pub fn withdraws_prices(&self) -> bool {
        let has_price =
            [self.supply_price, self.invoice_price, self.market_price].iter().any(Option::is_some);
        !has_price && self.reason.as_deref().is_some_and(|reason| !reason.is_empty())
    }
}

/// A product of the shop's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The natural key.
    pub code: ProductCode,
    /// Model, if Haier ever named one.
    pub model: Option<String>,
    /// Name, if Haier ever gave one; see [`Product::display_name`].
    pub name: Option<String>,
    /// Haier's product group.
    pub group: Option<String>,
    /// Category in the shop.
    pub category: Option<String>,
    /// Brand in the shop.
    pub brand: Option<String>,
    /// Main picture.
    pub image_url: Option<String>,
    /// Detail pictures.
    pub page_urls: Vec<String>,
    /// Ordinary supply price.
    pub supply_price: Option<Money>,
    /// Invoice price.
    pub invoice_price: Option<Money>,
    /// Market price.
    pub market_price: Option<Money>,
    /// Direct discount, canonical decimal text.
    pub stock_rebate: Option<String>,
    /// Kind of rebate.
    pub rebate_policy: Option<String>,
    /// Rebate per unit.
    pub rebate_money: Option<Money>,
    /// Purchasable, in the catalogue's view.
    pub is_sales: bool,
    /// Why not.
    pub no_sales_reason: Option<String>,
    /// Always `haier`.
    pub source: String,
    /// When the catalogue was asked for what is stored.
    pub catalogue_at: Option<DateTime<Utc>>,
    /// When the prices were.
    pub price_at: Option<DateTime<Utc>>,
    /// When stock was, in whichever county.
    pub stock_at: Option<DateTime<Utc>>,
    /// Stock in the default county, once asked for.
    pub stock: Option<StockLevel>,
    /// Since when the catalogue no longer holds it.
    pub delisted_at: Option<DateTime<Utc>>,
}

impl Product {
    /// Bytes of its texts, or nearly.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let texts = [&self.model, &self.name, &self.group, &self.category, &self.brand, &self.image_url];
        let texts = texts.into_iter().chain([&self.no_sales_reason]).flatten().chain(&self.page_urls);
        texts.map(String::len).sum()
    }

    /// When Haier was last asked about it and answered.
    #[must_use]
    pub fn last_sync_at(&self) -> Option<DateTime<Utc>> {
        self.catalogue_at.max(self.price_at).max(self.stock_at)
    }

    /// Whether catalogue or prices were asked for before `oldest`, or never.
    #[must_use]
    pub fn is_older_than(&self, oldest: DateTime<Utc>) -> bool {
        [self.catalogue_at, self.price_at].iter().any(|at| at.is_none_or(|at| at < oldest))
    }

    /// The name, else the model, else the code.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let given = self.name.as_deref().filter(|name| !name.is_empty());
        given.or(self.model.as_deref().filter(|model| !model.is_empty())).unwrap_or(self.code.as_str())
    }

    /// What to show: supply price, else invoice price, else market price; zero counts as absent.
    #[must_use]
    pub fn display_price(&self) -> Option<Money> {
        [self.supply_price, self.invoice_price, self.market_price]
            .into_iter()
            .flatten()
            .find(|price| !price.is_zero())
    }
}

/// Which stored products to list; `None` and empty match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductFilter {
    /// Exact brand.
    pub brand: Option<String>,
    /// Exact category.
    pub category: Option<String>,
    /// Purchasable or not.
    pub is_sales: Option<bool>,
    /// Part of code, model or name, case ignored.
    pub query: Option<String>,
}
