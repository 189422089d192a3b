//! A change of the catalogue by hand: checked as a whole, then applied in full or not at all.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::Catalogue;
use super::changes::{Changes, PriceChange, PriceField};
use super::decimal;
use super::events::Event;
use super::world::World;

const MAX_ADDED_AT_ONCE: u64 = 1_000_000;
/// How many of the new codes are named in the answer.
const MAX_NAMED: u64 = 1_000;

/// The body of `POST catalogue`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    prices: BTreeMap<String, PriceChange>,
    /// Units in one warehouse, for every county alike; with 0 no warehouse has any.
    stock: BTreeMap<String, u64>,
    withdraw: Vec<String>,
    /// Takes a withdrawal back.
    restore: Vec<String>,
    add: u64,
}

/// Why a change was not made.
pub(super) enum ChangeFailure {
    Refused(String),
    NotKept(io::Error),
}

impl From<io::Error> for ChangeFailure {
    fn from(why: io::Error) -> Self {
        Self::NotKept(why)
    }
}

impl Wanted {
    /// Answers how many products are listed now and which codes are new; on disk before it is seen.
    pub(super) async fn apply(self, world: &World) -> Result<Value, ChangeFailure> {
        let _changing = world.changes.change().await;
        let catalogue = world.catalogue();
        let problems = self.problems(&catalogue);
        if !problems.is_empty() {
            return Err(ChangeFailure::Refused(problems.join("; ")));
        }
        let from = catalogue.products.saturating_add(catalogue.changes.added);
        let add = self.add;
        let mut changes = Changes::clone(&catalogue.changes);
        self.clone().lay_over(&mut changes);
        world.journal.append(&Event::Catalogue(self)).done().await?;
        world.changes.replace(changes);
        let catalogue = world.catalogue();
        let named = from..(from + add.min(MAX_NAMED)).min(catalogue.total());
        let added: Vec<_> = named.map(|index| catalogue.product(index).code.as_str().to_owned()).collect();
        Ok(json!({ "products": catalogue.listed(), "added": added }))
    }

    /// Adds itself to what was changed before, unchecked.
    pub(super) fn lay_over(self, changes: &mut Changes) {
        for (code, change) in self.prices {
            changes.prices.entry(code).or_default().0.extend(change.0);
        }
        changes.stock.extend(self.stock);
        changes.withdrawn.extend(self.withdraw);
        for code in self.restore {
            changes.withdrawn.remove(&code);
        }
        changes.added = changes.added.saturating_add(self.add);
    }

    fn problems(&self, catalogue: &Catalogue) -> Vec<String> {
        let codes = self.prices.keys().chain(self.stock.keys()).chain(&self.withdraw).chain(&self.restore);
        let mut problems: Vec<_> = codes
            .filter(|code| catalogue.find_any(code).is_none())
            .map(|code| format!("product code {code:?} is not in the catalogue"))
            .collect();
        if self.add > MAX_ADDED_AT_ONCE {
            problems.push(format!("add is {}, at most {MAX_ADDED_AT_ONCE} are added at once", self.add));
        }
        for (code, change) in &self.prices {
            for (field, given) in &change.0 {
                let Some(text) = given.0.as_deref() else { continue };
                if field.is_money() && !decimal::is_decimal(text) {
                    problems.push(format!("{} of {code} is {text:?}, which is no decimal", field.name()));
                }
                if *field == PriceField::IsSales && !["0", "1"].contains(&text) {
                    problems.push(format!("isSales of {code} is {text:?}, allowed are \"0\" and \"1\""));
                }
            }
        }
        problems
    }
}
