//! Haier's catalogue as it changes from day to day, and what must be told and stored of that.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use haier_integration::{
    domain::clock::Clock as _,
    proto::{Product, ProductChange, ProductChangeKind},
};
use serde_json::{Map, json};

use crate::support::{Dice, World, equals};

/// By then every schedule has come by, and has seen a change.
pub(super) const NOTICED: TimeDelta = TimeDelta::hours(19);

/// Products whose price, and others whose stock changes, and others that come and go.
const PRICED: usize = 60;
const STOCKED: usize = 50;
const PASSING: usize = 10;
/// What is told of a product: of one of these fields, or of the product as a whole.
const FIELDS: [&str; 2] = ["supply_price", "stock"];
const WHOLE: &str = "";

/// What changes about a product, over and over; never twice before the first change was noticed.
struct Line {
    code: String,
    field: &'static str,
    /// What it was at first, where that is stock.
    first: String,
    /// What it was made, one after the other.
    values: Vec<String>,
    free_at: DateTime<Utc>,
}

pub(super) struct Market {
    dice: Dice,
    lines: Vec<Line>,
    added: Vec<String>,
}

impl Market {
    pub(super) async fn open(world: &World) -> Self {
        let free_at = world.clock().now();
        let on_sale = |product: &Product| product.is_sales && product.supply_price.is_some();
        let (mut without, mut with): (Vec<_>, Vec<_>) =
            world.products().await.into_iter().filter(on_sale).partition(|product| product.stock == Some(0));
        let mut line = |field| {
            // What is withdrawn has no stock, which a run may see before a listing says that it is gone.
            let product = if field == WHOLE { without.pop() } else { with.pop() }.unwrap();
            let first = product.stock.unwrap().to_string();
            Line { code: product.product_code, field, first, values: Vec::new(), free_at }
        };
        let kinds = [(FIELDS[0], PRICED), (FIELDS[1], STOCKED), (WHOLE, PASSING)];
        let lines = kinds.iter().flat_map(|(field, count)| std::iter::repeat_n(*field, *count));
        let lines = lines.map(&mut line).collect();
        Self { dice: Dice::new(7), lines, added: Vec::new() }
    }

    /// Some prices and stock change; now and then a product goes, comes back, or is new.
    pub(super) async fn change(&mut self, world: &World) {
        let now = world.clock().now();
        let (mut prices, mut stock) = (Map::new(), Map::new());
        // Fewer at a time than a run is held for.
        for _ in 0..self.dice.between(0, 9) {
            let value = format!("{}.{:02}", self.dice.between(1_000, 9_000), self.dice.between(0, 100));
            if let Some(line) = self.changed(FIELDS[0], now, value) {
                prices.insert(line.code.clone(), json!({ "supplyPrice": line.values.last() }));
            }
        }
        for _ in 0..self.dice.between(0, 24) {
            let many = self.dice.one_in(2);
            let units = self.dice.between(0, if many { 500 } else { 5 });
            if let Some(line) = self.changed(FIELDS[1], now, units.to_string()) {
                stock.insert(line.code.clone(), json!(units));
            }
        }
        let (mut withdraw, mut restore, mut add) = (Vec::new(), Vec::new(), 0);
        if self.dice.one_in(2)
            && let Some(line) = self.changed(WHOLE, now, String::new())
        {
            let gone = line.values.len() % 2 == 1;
            let kind = if gone { ProductChangeKind::Delisted } else { ProductChangeKind::Returned };
            kind.as_str_name().clone_into(line.values.last_mut().unwrap());
            if gone { withdraw.push(line.code.clone()) } else { restore.push(line.code.clone()) }
        }
        if self.dice.one_in(8) {
            add = 1;
        }
        let change = json!({
            "prices": prices, "stock": stock, "withdraw": withdraw, "restore": restore, "add": add,
        });
        let answer = world.haier.change(change).await;
        self.added
            .extend(answer["added"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()));
    }

    /// Gives a product of a kind another value, if one has been left alone for long enough.
    fn changed(&mut self, field: &str, now: DateTime<Utc>, value: String) -> Option<&mut Line> {
        let same = |line: &Line| *line.values.last().unwrap_or(&line.first) == value;
        let free: Vec<usize> = (0..self.lines.len())
            .filter(|index| {
                let line = &self.lines[*index];
                line.field == field && line.free_at <= now && !same(line)
            })
            .collect();
        if free.is_empty() {
            return None;
        }
        let line = &mut self.lines[self.dice.pick(&free)];
        line.values.push(value);
        line.free_at = now + NOTICED;
        Some(line)
    }

    /// Codes that a listing brought, for the first time or again.
    pub(super) fn arrivals(&self) -> i64 {
        let back = self.lines.iter().filter(|line| line.field == WHOLE).map(|line| line.values.len() / 2);
        i64::try_from(back.sum::<usize>() + self.added.len()).unwrap()
    }

    /// Codes of what comes and goes.
    pub(super) fn passing(&self) -> BTreeSet<&str> {
        let passing = self.lines.iter().filter(|line| line.field == WHOLE);
        passing.map(|line| line.code.as_str()).collect()
    }

    /// Every change is told once, in its order, and nothing else is.
    pub(super) fn is_told(&self, entries: &[ProductChange]) {
        let mut told: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for entry in entries {
            let code = entry.product_code.as_str();
            if entry.kind() != ProductChangeKind::Changed {
                told.entry((code, WHOLE)).or_default().push(entry.kind().as_str_name());
                continue;
            }
            let about: Vec<_> =
                entry.changes.iter().filter(|change| FIELDS.contains(&&*change.field)).collect();
            assert_eq!(about.len(), 1, "{entry:?}");
            told.entry((code, &about[0].field)).or_default().push(about[0].new.as_deref().unwrap());
        }
        let mut made: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| !line.values.is_empty()) {
            made.insert((&line.code, line.field), line.values.iter().map(String::as_str).collect());
        }
        for code in &self.added {
            made.insert((code, WHOLE), vec![ProductChangeKind::New.as_str_name()]);
        }
        for key in made.keys().chain(told.keys()) {
            assert_eq!(told.get(key), made.get(key), "told and made of {key:?}");
        }
        let made: usize = made.values().map(Vec::len).sum();
        assert!(made > 400 && !self.added.is_empty(), "{made} changes are too few to say much");
    }

    /// What is stored is what Haier serves.
    pub(super) async fn is_stored(&self, world: &World) {
        let served = world.haier.served().await;
        let stored = world.products().await;
        let listed = stored.iter().filter(|product| product.delisted_at.is_none());
        let listed: BTreeMap<_, _> = listed.map(|product| (product.product_code.as_str(), product)).collect();
        let codes = |codes: &mut dyn Iterator<Item = &str>| codes.map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(codes(&mut listed.keys().copied()), codes(&mut served.keys().map(String::as_str)));
        for (code, shown) in &served {
            equals(listed[code.as_str()], shown, true).unwrap_or_else(|why| panic!("{code}: {why}"));
        }
        for line in self.lines.iter().filter(|line| line.field == FIELDS[1]) {
            if let Some(units) = line.values.last() {
                assert_eq!(
                    listed[line.code.as_str()].stock.map(|stock| stock.to_string()).as_ref(),
                    Some(units)
                );
            }
        }
    }
}
