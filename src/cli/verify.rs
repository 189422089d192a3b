//! `verify`: compares the stored copy with Haier's catalogue, and repairs it on demand.

use std::cell::Cell;

use clap::Args;

use super::{
    changes,
    client::{ClientArgs, OutputForm, unary},
    console::{Console, printable},
    failure::Failure,
    json, moment,
    sync::{failure_line, follow_to_its_end, waiting},
};
use crate::proto::{CatalogueComparison, RepairCatalogueRequest, VerifyCatalogueRequest};

/// Compare the stored copy with Haier's catalogue
///
/// Asks for the whole listing, and for the prices of some products taken at random; writes nothing. A line a product that
/// differs: NEW is missing here, DELISTED is stored and not listed any more, CHANGED and RETURNED differ field by field. With
/// --repair a sync over everything, with prices, mends what differs, and is not held however much that is: you have seen it.
/// Exit codes: 0 nothing differs (or all is mended), 1 failed, 2 wrong usage, 3 something differs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration verify
  haier-integration verify --price-sample 1000 --output json
  haier-integration verify --repair")]
pub(super) struct VerifyArgs {
    /// Of how many products the prices are compared, 0 to 10000
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(i32).range(0..=10_000))]
    price_sample: i32,
    /// Repair what differs
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: VerifyArgs, console: &mut Console) -> Result<u8, Failure> {
    let form = args.client.output;
    let mut client = args.client.connect_administration().await?;
    let request = VerifyCatalogueRequest { price_sample_size: Some(args.price_sample) };
    let mut stream = client.verify_catalogue(request).await?.into_inner();
    let (mut sum, mut wait) = (None, None);
    while let Some(message) = stream.message().await? {
        if message.wait != wait && message.comparison.is_none() {
            let line = message.wait.as_ref().map(|wait| {
                let words = format!("waiting: {}; {}", printable(&wait.reason), wait.detail);
                waiting(&words, wait)
            });
            // To standard error: what was found goes to the other one.
            console.complain(&line.unwrap_or_else(|| "going on".to_owned()));
        }
        wait.clone_from(&message.wait);
        match form {
            OutputForm::Json => {
                message
                    .changes
                    .iter()
                    .try_for_each(|change| console.say_json(&json::product_change(change)))?;
                message
                    .failures
                    .iter()
                    .try_for_each(|failure| console.say_json(&json::sync_failure(failure)))?;
            }
            OutputForm::Table => {
                message.changes.iter().try_for_each(|change| console.say(&changes::body(change)))?;
                message.failures.iter().try_for_each(|failure| console.say(&failure_line(failure)))?;
            }
        }
        sum = message.comparison.or(sum);
    }
    let sum = sum
        .ok_or_else(|| Failure::Failed("the stream ended before the comparison did; try again".to_owned()))?;
    match form {
        OutputForm::Json => console.say_json(&json::comparison(&sum))?,
        OutputForm::Table => console.say(&told(&sum))?,
    }
    if args.repair && differences(&sum) > 0 {
        let repair = client.repair_catalogue(unary(RepairCatalogueRequest {})).await?.into_inner().id;
        let client = args.client.connect().await?;
        return follow_to_its_end(repair, client, console, form, &Cell::new(Some(repair))).await;
    }
    Ok(match (sum.reason.as_str(), differences(&sum)) {
        ("COMPLETED", 0) => 0,
        ("COMPLETED", _) => 3,
        _ => 1,
    })
}

fn differences(sum: &CatalogueComparison) -> i64 {
    sum.missing_count + sum.surplus_count + sum.differing_count + sum.differing_price_count
}

fn told(sum: &CatalogueComparison) -> String {
    let mut text = format!(
        "{} listed: {} missing here, {} stored and not listed, {} differ; of {} prices {} differ",
        sum.listed_count,
        sum.missing_count,
        sum.surplus_count,
        sum.differing_count,
        sum.sampled_count,
        sum.differing_price_count
    );
    if sum.failed_count > 0 {
        text.push_str(&format!("; {} could not be compared", sum.failed_count));
    }
    if sum.reason != "COMPLETED" {
        text.push_str(&format!("; not all was compared: {}", printable(&sum.reason)));
    }
    if let Some(waited) = moment::span(sum.waited.as_ref()) {
        text.push_str(&format!("; waited {waited}"));
    }
    if !sum.detail.is_empty() {
        text.push_str(&format!("; {}", printable(&sum.detail)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_one_line() {
        let mut sum = CatalogueComparison {
            listed_count: 45,
            missing_count: 1,
            sampled_count: 20,
            reason: "COMPLETED".to_owned(),
            ..CatalogueComparison::default()
        };
        assert_eq!(
            told(&sum),
            "45 listed: 1 missing here, 0 stored and not listed, 0 differ; of 20 prices 0 differ"
        );
        sum.reason = "LISTING_CUT".to_owned();
        assert!(told(&sum).ends_with("; not all was compared: LISTING_CUT"));
    }
}
