//! Who is calling, and what he may: the rules, the tokens, and the gate that knows them. Knows neither transport nor
//! database: it is told what a caller shows and what is stored.

mod gate;
pub mod rules;
mod secret;

pub use gate::{Gate, Identity, Outside, Refusal, Shown};
pub use secret::NewSecret;
