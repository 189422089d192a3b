//! `explain`: how a product's prices and stock came about.

use clap::{Args, builder::NonEmptyStringValueParser};

use super::{
    client::{ClientArgs, OutputForm, unary},
    console::Console,
    failure::Failure,
    json, lines, moment,
    table::{
        self,
        Column::{self, Number, Text},
    },
};
use crate::proto::{ExplainProductRequest, ExplainProductResponse, FieldHistory};

/// Explain a product's prices and stock
///
/// For each price and the stock of the default county: the value, since when, the run that set it (see `logs show`; none: a
/// live call), and what it was before. With --output json: one object.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration explain AA15CP73L
  haier-integration explain AA15CP73L --output json")]
pub(super) struct ExplainArgs {
    /// Product code
    #[arg(value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    product_code: String,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: ExplainArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect().await?;
    let request = ExplainProductRequest { product_code: args.product_code };
    let explained = client.explain_product(unary(request)).await?.into_inner();
    match args.client.output {
        OutputForm::Json => console.say_json(&json::explained(&explained))?,
        OutputForm::Table => console.say(&told(&explained))?,
    }
    Ok(0)
}

const COLUMNS: [Column; 5] =
    [Text("field"), Number("value"), Number("before"), Text("since"), Text("sync_log_id")];

fn told(explained: &ExplainProductResponse) -> String {
    let product = explained.product.clone().unwrap_or_default();
    let head = lines::of(&[
        ("product_code", product.product_code),
        ("name", product.name),
        ("stored_at", moment::local(explained.stored_at.as_ref())),
        ("stored_by", run_of(explained.stored_by)),
        ("delisted_at", moment::local(product.delisted_at.as_ref())),
    ]);
    format!("{}\n\n{}", head.join("\n"), table::of(&COLUMNS, explained.fields.iter().map(row)))
}

fn row(history: &FieldHistory) -> [String; 5] {
    let run = if history.since.is_some() { run_of(history.sync_log_id) } else { String::new() };
    [
        history.field.clone(),
        history.value.clone().unwrap_or_default(),
        history.before.clone().unwrap_or_default(),
        moment::local(history.since.as_ref()),
        run,
    ]
}

fn run_of(sync_log_id: i64) -> String {
    if sync_log_id == 0 { "live call".to_owned() } else { sync_log_id.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_says_what_it_is_and_was() {
        let field = |field: &str, value: Option<&str>, before: Option<&str>, sync_log_id| FieldHistory {
            field: field.to_owned(),
            value: value.map(ToOwned::to_owned),
            before: before.map(ToOwned::to_owned),
            since: value.map(|_| prost_types::Timestamp::default()),
            sync_log_id,
        };
        let explained = ExplainProductResponse {
            fields: vec![
                field("supply_price", Some("2099.00"), Some("1999.00"), 7),
                field("stock", Some("3"), None, 0),
                field("market_price", None, None, 0),
            ],
            stored_by: 7,
            ..ExplainProductResponse::default()
        };
        let text = told(&explained);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "stored_by     7");
        assert!(
            lines[3].starts_with("supply_price  2099.00  1999.00  1970-01-01") && lines[3].ends_with('7')
        );
        assert!(lines[4].ends_with("live call"), "{text}");
        assert_eq!(lines[5].trim_end(), "market_price", "{text}");
    }
}
