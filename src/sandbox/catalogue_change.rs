//! A change of the catalogue by hand: checked as a whole, then applied in full or not at all.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalogue::Catalogue;
use super::changes::{Changes, PriceChange, PriceField};
use super::decimal;
use super::world::World;

const MAX_ADDED_AT_ONCE: u64 = 1_000_000;
/// How many of the new codes are named in the answer.
const MAX_NAMED: u64 = 1_000;

/// The body of `POST catalogue`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    prices: BTreeMap<String, PriceChange>,
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
    /// Answers how many products are listed now and which codes are new.
    pub(super) async fn apply(self, world: &World) -> Result<Value, ChangeFailure> {
        let add = self.add;
        let catalogue = world.catalogue();
        let from = world.changes.update(|changes| self.change(&catalogue, changes)).await?;
        let catalogue = world.catalogue();
        let named = from..(from + add.min(MAX_NAMED)).min(catalogue.total());
        let added: Vec<_> = named.map(|index| catalogue.product(index).code.as_str().to_owned()).collect();
        Ok(json!({ "products": catalogue.listed(), "added": added }))
    }

    /// Returns the index of the first new product.
    fn change(self, catalogue: &Catalogue, changes: &mut Changes) -> Result<u64, ChangeFailure> {
        let problems = self.problems(catalogue);
        if !problems.is_empty() {
            return Err(ChangeFailure::Refused(problems.join("; ")));
        }
        for (code, change) in self.prices {
            changes.prices.entry(code).or_default().0.extend(change.0);
        }
        changes.withdrawn.extend(self.withdraw);
        for code in self.restore {
            changes.withdrawn.remove(&code);
        }
        // Counted here and not before: another change may have added some meanwhile.
        let from = catalogue.products.saturating_add(changes.added);
        changes.added = changes.added.saturating_add(self.add);
        Ok(from)
    }

    fn problems(&self, catalogue: &Catalogue) -> Vec<String> {
        let codes = self.prices.keys().chain(&self.withdraw).chain(&self.restore);
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
