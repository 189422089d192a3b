//! Which fields an update changes.

use prost_types::FieldMask;

use crate::{
    app::NewHaierConfig,
    domain::{accounts::Field, haier_configs::HaierConfigChange, violations::Violations},
};

/// Everything.
const ALL: &str = "*";
/// The part at the order system as a whole.
const YLH: &str = "ylh";

/// The change that a mask makes of the values that came with it.
pub(super) fn change(
    new: NewHaierConfig,
    has_ylh: bool,
    mask: Option<FieldMask>,
    violations: &mut Violations,
) -> HaierConfigChange {
    let mut change = HaierConfigChange { draft: new.draft, ..HaierConfigChange::default() };
    let Some(mask) = mask.filter(|mask| !mask.paths.is_empty()) else {
        change.preset = new.preset;
        change.fields = Field::ALL.iter().copied().filter(|field| change.draft.has(*field)).collect();
        return change;
    };
    // Fields below a whole: secrets come never back to the caller, so an empty one among them is none that he took away.
    let whole = |of: &dyn Fn(Field) -> bool, draft: &crate::domain::accounts::AccountDraft| {
        let changed = |field: &Field| of(*field) && (!field.is_secret() || draft.has(*field));
        Field::ALL.iter().copied().filter(changed).collect::<Vec<_>>()
    };
    for path in &mask.paths {
        match path.as_str() {
            ALL => {
                change.remove_ylh |= !has_ylh;
                change.preset = new.preset;
                let of = |field: Field| has_ylh || !field.is_of_ylh();
                change.fields.extend(whole(&of, &change.draft));
            }
            YLH => {
                change.remove_ylh |= !has_ylh;
                if has_ylh {
                    change.fields.extend(whole(&Field::is_of_ylh, &change.draft));
                }
            }
            "preset" => change.preset = new.preset,
            "name" => {
                violations.add("update_mask", "`name` cannot be changed: it says which account is meant")
            }
            path => match Field::of_path(path) {
                Some(field) => change.fields.push(field),
                None => violations.add("update_mask", unknown(path)),
            },
        }
    }
    change
}

fn unknown(path: &str) -> String {
    let output_only = ["active", "secrets", "warnings", "etag", "created_at", "updated_at"];
    if output_only.contains(&path) {
        return format!("`{path}` is output only");
    }
    let known: Vec<_> = Field::ALL.iter().map(|field| field.path()).collect();
    format!("`{path}` is no field; allowed are *, ylh, preset, {}", known.join(", "))
}
