//! `simulate-freshness`: what it is worth to ask first for what is in front, on a shop on paper. No service is asked.

use chrono::TimeDelta;
use clap::Args;

use super::{
    client::OutputForm,
    console::Console,
    failure::Failure,
    table::{
        self,
        Column::{Number, Text},
    },
};
use crate::{
    config::ScheduleSettings,
    domain::{
        freshness::trial::{Outcome, Trial, Unseen, Way},
        schedules::{ScheduleName, Span},
    },
};

/// Try how much sooner the schedules see stock move than asking for everything in turn
///
/// A shop on paper, the same for the same numbers: each product moves once a day on average, a few all day and most hardly ever,
/// one sale in ten is an order of this shop, and some of what sells best is watched. Both ways have the same calls. `flat` asks
/// for every product in turn; `schedules` as `stock` and `stock-rest` do: what is low, watched or selling at every firing, the
/// rest as far as calls are left. Shown is how long moves of the stock went unseen, all of them and those that left it low, and
/// which share of the flat time the schedules need: below 1 they see it sooner.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration simulate-freshness
  haier-integration simulate-freshness --products 100000 --calls-per-second 40 --days 3
  haier-integration simulate-freshness --seed 7 --output json")]
pub(super) struct SimulateFreshnessArgs {
    /// Products of the shop, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "20000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    products: u32,
    /// Days that it is watched, 1 to 366
    #[arg(long, value_name = "N", default_value = "7", value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// Calls a second that stock gets, one product each, 1 to 1000
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    calls_per_second: u32,
    /// What all chance is drawn from
    #[arg(long, value_name = "N", default_value = "42")]
    seed: u64,
    /// How results look: `table` for people, `json` for programs (one object a line)
    #[arg(long, value_name = "FORM", default_value = "table", hide_possible_values = true)]
    output: OutputForm,
}

pub(super) fn run(args: &SimulateFreshnessArgs, console: &mut Console) -> Result<u8, Failure> {
    let standard = ScheduleSettings::default();
    let trial = Trial {
        products: usize::try_from(args.products).unwrap_or(usize::MAX),
        days: args.days,
        seed: args.seed,
        calls_per_second: f64::from(args.calls_per_second),
        period: ScheduleName::Stock.standard().0.period(),
        low_stock: standard.low_stock,
        selling_for: TimeDelta::from_std(standard.selling_for).unwrap_or(TimeDelta::MAX),
    };
    let (flat, schedules) = (trial.run(Way::Flat), trial.run(Way::FrontFirst));
    match args.output {
        OutputForm::Json => {
            for (name, flat, schedules) in rows(&flat, &schedules) {
                console.say_json(&serde_json::json!({
                    "moves_of": name, "moves": flat.moves,
                    "flat_mean_seconds": flat.mean.num_seconds(), "flat_p95_seconds": flat.p95.num_seconds(),
                    "schedules_mean_seconds": schedules.mean.num_seconds(),
                    "schedules_p95_seconds": schedules.p95.num_seconds(),
                    "mean_ratio": ratio(schedules.mean, flat.mean), "p95_ratio": ratio(schedules.p95, flat.p95),
                }))?;
            }
        }
        OutputForm::Table => {
            console.say(&told(&rows(&flat, &schedules)))?;
            console.say(&format!("\nall products in turn take {}", Span(trial.round())))?;
            if schedules.all.mean > flat.all.mean {
                console.say("with so few calls the rest waits longer than what is in front gains")?;
            }
        }
    }
    Ok(0)
}

type Row = (&'static str, Unseen, Unseen);

fn rows(flat: &Outcome, schedules: &Outcome) -> [Row; 2] {
    [("all", flat.all, schedules.all), ("low stock", flat.low, schedules.low)]
}

fn told(rows: &[Row]) -> String {
    let columns = [
        Text("moves_of"),
        Number("moves"),
        Number("flat_mean"),
        Number("flat_p95"),
        Number("schedules_mean"),
        Number("schedules_p95"),
        Number("mean_ratio"),
        Number("p95_ratio"),
    ];
    let row = |(name, flat, schedules): &Row| {
        [
            (*name).to_owned(),
            flat.moves.to_string(),
            Span(flat.mean).to_string(),
            Span(flat.p95).to_string(),
            Span(schedules.mean).to_string(),
            Span(schedules.p95).to_string(),
            format!("{:.2}", ratio(schedules.mean, flat.mean)),
            format!("{:.2}", ratio(schedules.p95, flat.p95)),
        ]
    };
    table::of(&columns, rows.iter().map(row))
}

/// The share of the flat time; of none, all of it.
fn ratio(schedules: TimeDelta, flat: TimeDelta) -> f64 {
    let flat = flat.as_seconds_f64();
    if flat > 0.0 { schedules.as_seconds_f64() / flat } else { 1.0 }
}
