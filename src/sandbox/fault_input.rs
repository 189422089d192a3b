//! Reads the faults that a test asks for, and says of each that makes no sense why.

use serde::Deserialize;

use super::endpoint::Endpoint;
use super::fault_kinds::{KINDS, Kind};
use super::faults::Fault;
use super::presets::Preset;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    endpoint: Option<String>,
    kind: String,
    probability: Option<f64>,
    count: Option<u64>,
    product_code: Option<String>,
    so_id: Option<String>,
    delay_ms: Option<u64>,
    after_calls: Option<u64>,
}

/// A ready-made set of faults in the place of the array.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PresetInput {
    preset: String,
}

/// The faults of a body, or everything that is wrong with them.
pub(super) fn read_faults(body: &[u8]) -> Result<Vec<Fault>, String> {
    if body.trim_ascii_start().first() == Some(&b'{') {
        return read_preset(body);
    }
    let inputs: Vec<Input> = serde_json::from_slice(body)
        .map_err(|why| format!("an array of faults was expected, and was not understood: {why}"))?;
    let mut problems = Vec::new();
    let faults = inputs.into_iter().enumerate().filter_map(|(at, input)| match input.check() {
        Ok(fault) => Some(fault),
        Err(why) => {
            problems.push(format!("fault {}: {why}", at + 1));
            None
        }
    });
    let faults = faults.collect();
    if problems.is_empty() { Ok(faults) } else { Err(problems.join("; ")) }
}

fn read_preset(body: &[u8]) -> Result<Vec<Fault>, String> {
    let input: PresetInput = serde_json::from_slice(body).map_err(|why| {
        format!("an array of faults or {{\"preset\": \"harsh\"}} was expected, and was not understood: {why}")
    })?;
    match input.preset.parse()? {
        Preset::None => {
            Err("preset \"none\" adds nothing; DELETE /_sandbox/faults switches all off".to_owned())
        }
        preset => Ok(preset.faults()),
    }
}

impl Input {
    fn check(self) -> Result<Fault, String> {
        let kind = Kind::find(&self.kind).ok_or_else(|| {
            let lines: Vec<_> =
                KINDS.iter().map(|row| format!("{} ({})", row.name, row.description)).collect();
            format!("kind {:?} is unknown, allowed are: {}", self.kind, lines.join(", "))
        })?;
        let endpoint = self.endpoint.as_deref().map(|name| find_endpoint(name, kind)).transpose()?;
        let probability = self.probability.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&probability) {
            return Err(format!("probability is {probability}, allowed is 0 to 1"));
        }
        if self.count == Some(0) {
            return Err("count is 0, allowed is 1 and more, or none for always".to_owned());
        }
        if kind == Kind::Poison && self.product_code.is_none() {
            return Err("kind \"poison\" needs a product_code".to_owned());
        }
        if self.product_code.is_some() && !can_name_product(kind, endpoint) {
            return Err(format!(
                "product_code was given, but no such call of {:?} names a product",
                self.kind
            ));
        }
        if self.so_id.is_some()
            && !can_strike(kind, endpoint, &[Endpoint::CreateOrder, Endpoint::CancelOrder])
        {
            return Err(format!("so_id was given, but no such call of {:?} names one", self.kind));
        }
        if self.after_calls.is_some() && kind != Kind::Unauthorized {
            return Err("after_calls was given, but only kind \"unauthorized\" looks at the token".to_owned());
        }
        let Self { count, product_code, so_id, delay_ms, after_calls, .. } = self;
        let always = Fault::always(kind);
        Ok(Fault { endpoint, probability, count, product_code, so_id, delay_ms, after_calls, ..always })
    }
}

fn find_endpoint(name: &str, kind: Kind) -> Result<Endpoint, String> {
    let row = kind.row();
    let endpoint = Endpoint::find(name).filter(|endpoint| row.endpoints.contains(endpoint));
    endpoint.ok_or_else(|| {
        let allowed: Vec<_> = row.endpoints.iter().map(|endpoint| endpoint.name()).collect();
        format!(
            "endpoint {name:?} is unknown or cannot have {:?}, allowed are: {}",
            row.name,
            allowed.join(", ")
        )
    })
}

// A fault that can never strike is a mistake of the test; said at once, it is found at once.
fn can_name_product(kind: Kind, endpoint: Option<Endpoint>) -> bool {
    let named = [Endpoint::Products, Endpoint::Prices, Endpoint::Stock, Endpoint::CreateOrder];
    !matches!(kind, Kind::CutListing | Kind::Empty) && can_strike(kind, endpoint, &named)
}

fn can_strike(kind: Kind, endpoint: Option<Endpoint>, any_of: &[Endpoint]) -> bool {
    let endpoints = endpoint.as_ref().map_or(kind.row().endpoints, std::slice::from_ref);
    endpoints.iter().any(|endpoint| any_of.contains(endpoint))
}
