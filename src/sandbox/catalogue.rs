//! The catalogue: every product follows from seed and index and is made when asked for, with the changes laid over it.

use std::sync::Arc;

use super::changes::{Changes, PriceField};
use super::codes::{Code, MAX_PRODUCTS, index_of};
use super::dice::Dice;
use super::groups::{BRANDS, GROUPS, Group, UNSOLD_REASONS};
use super::prices::Price;

const SALT: u64 = 1;

/// The catalogue as it stands at one moment.
#[derive(Clone)]
pub(super) struct Catalogue {
    pub(super) seed: u64,
    pub(super) products: u64,
    pub(super) changes: Arc<Changes>,
}

/// What does not change about a product.
pub(super) struct Product {
    pub(super) index: u64,
    pub(super) code: Code,
    pub(super) group: &'static Group,
    /// Why it cannot be bought, as long as nobody says otherwise.
    pub(super) unsold: Option<&'static str>,
    /// Whether flags are sent as numbers rather than as text.
    pub(super) flags_as_numbers: bool,
    brand: &'static str,
    series: &'static str,
    size: u64,
    variant: u64,
    named: bool,
    pages: Option<u64>,
}

impl Catalogue {
    /// How many indices there are, withdrawn ones included.
    pub(super) fn total(&self) -> u64 {
        self.products.saturating_add(self.changes.added).min(MAX_PRODUCTS)
    }

    /// How many products a listing has.
    pub(super) fn listed(&self) -> u64 {
        let codes = self.changes.withdrawn.iter();
        let withdrawn = codes.filter(|code| self.find_any(code).is_some()).count() as u64;
        self.total() - withdrawn
    }

    /// The product at an index, whether withdrawn or not.
    pub(super) fn product(&self, index: u64) -> Product {
        let mut dice = Dice::new(self.seed, SALT, index);
        let group = &GROUPS[dice.below(GROUPS.len() as u64) as usize];
        Product {
            index,
            code: Code::new(self.seed, index, *group.prefix),
            group,
            unsold: dice.one_in(20).then(|| dice.pick(UNSOLD_REASONS)),
            flags_as_numbers: dice.one_in(4),
            brand: dice.pick(BRANDS),
            series: dice.pick(group.series),
            size: 20 + dice.below(980),
            variant: dice.below(100),
            named: dice.below(5) < 2,
            pages: (!dice.one_in(4)).then(|| 1 + dice.below(3)),
        }
    }

    /// The product behind a code, unless it is withdrawn or never was.
    pub(super) fn find(&self, code: &str) -> Option<Product> {
        self.find_any(code).filter(|product| !self.is_withdrawn(product))
    }

    /// As `find`, withdrawn ones included.
    pub(super) fn find_any(&self, code: &str) -> Option<Product> {
        let index = index_of(self.seed, code).filter(|index| *index < self.total())?;
        Some(self.product(index)).filter(|product| product.code.as_str() == code)
    }

    pub(super) fn is_withdrawn(&self, product: &Product) -> bool {
        !self.changes.withdrawn.is_empty() && self.changes.withdrawn.contains(product.code.as_str())
    }

    /// The index of the last product of a listing.
    pub(super) fn last(&self) -> Option<u64> {
        (0..self.total()).rev().find(|index| !self.is_withdrawn(&self.product(*index)))
    }

    /// Appends the product as H1 answers it.
    pub(super) fn write_product(&self, product: &Product, out: &mut Vec<u8>) {
        let change = if self.changes.prices.is_empty() {
            None
        } else {
            self.changes.prices.get(product.code.as_str())
        };
        let on_sale = change
            .and_then(|change| change.text(PriceField::IsSales))
            .map_or(product.unsold.is_none(), |flag| flag == "1");
        product.write(out);
        out.extend_from_slice(br#","isSales":"#);
        write_flag(on_sale, product.flags_as_numbers, out);
        if !on_sale {
            let reason = change.and_then(|change| change.text(PriceField::Reason));
            out.extend_from_slice(br#","noSalesReason":"#);
            write_text(reason.or(product.unsold).unwrap_or(UNSOLD_REASONS[0]), out);
        }
        out.push(b'}');
    }

    /// Appends the product's price as H2 answers it.
    pub(super) fn write_price(&self, product: &Product, out: &mut Vec<u8>) {
        Price::new(self.seed, product, self.changes.prices.get(product.code.as_str())).write(product, out);
    }
}

impl Product {
    // By hand, since a listing of a million must not be bound by a serializer; every text here is free of quotes.
    fn write(&self, out: &mut Vec<u8>) {
        let code = self.code.as_bytes();
        let put = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
        put(out, r#"{"productCode":""#);
        out.extend_from_slice(code);
        put(out, r#"","productModel":""#);
        self.write_model(out);
        if self.named {
            put(out, r#"","productName":""#);
            put(out, self.brand);
            put(out, self.group.name);
            self.write_model(out);
        }
        put(out, r#"","productGroupNamd":""#);
        put(out, self.group.name);
        put(out, r#"","productBrandName":""#);
        put(out, self.brand);
        put(out, r#"","productImageUrl":"https://img.haier.example/p/"#);
        out.extend_from_slice(code);
        put(out, "/main.jpg\"");
        // Left out rather than null: the client known to run stores what it is given, and takes no null.
        let Some(pages) = self.pages else { return };
        put(out, r#","productLageUrls":"#);
        for page in 0..pages {
            put(out, if page == 0 { "[" } else { "," });
            put(out, r#""https://img.haier.example/p/"#);
            out.extend_from_slice(code);
            put(out, "/page");
            out.push(b'1' + page as u8);
            put(out, ".jpg\"");
        }
        out.push(b']');
    }

    fn write_model(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.series.as_bytes());
        let digit = |value: u64| b'0' + (value % 10) as u8;
        out.extend_from_slice(&[digit(self.size / 100), digit(self.size / 10), digit(self.size)]);
        out.extend_from_slice(&[digit(self.variant / 10), b'-', b'A' + (self.index % 26) as u8, b'T']);
        out.push(digit(self.variant));
    }
}

pub(super) fn write_flag(flag: bool, as_number: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(match (flag, as_number) {
        (true, true) => b"1",
        (false, true) => b"0",
        (true, false) => br#""1""#,
        (false, false) => br#""0""#,
    });
}

/// Appends a text as a JSON string.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}
