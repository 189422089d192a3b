//! `stock`: what Haier can deliver of a product now, and from where.

use clap::{Args, builder::NonEmptyStringValueParser};

use super::{
    client::{ClientArgs, OutputForm, unary},
    console::Console,
    failure::Failure,
    json,
    lines::{self, yes_no},
    moment,
    table::{
        self,
        Column::{self, Number, Text},
    },
};
use crate::proto::{CheckStockRequest, CheckStockResponse, Warehouse};

/// Ask Haier for the stock of a product, now
///
/// Prints the sum of what can be delivered to the county and when it was asked for, then the warehouses, the fullest
/// first: code, grade (own or upper-level), units, order cut-off, arrival of what is ordered before it, hours to
/// delivery, and whether goods are transshipped. The shop's copy learns what the default county has. With --output
/// json: one object.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration stock AA15CP73L
  haier-integration stock AA15CP73L --county-code 310101
  haier-integration stock AA15CP73L --output json")]
pub(super) struct StockArgs {
    /// Product code
    #[arg(value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    product_code: String,
    /// County to deliver to: a national code of six digits [default: 110101]
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    county_code: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: StockArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect().await?;
    let county_code = args.county_code.unwrap_or_default();
    let request = CheckStockRequest { product_code: args.product_code, county_code };
    let stock = client.check_stock(unary(request)).await?.into_inner();
    match args.client.output {
        OutputForm::Json => console.say_json(&json::stock(&stock))?,
        OutputForm::Table => console.say(&told(&stock))?,
    }
    Ok(0)
}

const COLUMNS: [Column; 7] = [
    Text("warehouse_code"),
    Text("warehouse_grade"),
    Number("stock"),
    Text("cut_time"),
    Text("achieve_user_order_cut"),
    Number("hour"),
    Text("is_transfer"),
];

fn told(stock: &CheckStockResponse) -> String {
    let sum = lines::of(&[
        ("product_code", stock.product_code.clone()),
        ("county_code", stock.county_code.clone()),
        ("stock", stock.stock.to_string()),
        ("as_of", moment::local(stock.as_of.as_ref())),
    ]);
    let sum = sum.join("\n");
    if stock.warehouses.is_empty() {
        return sum;
    }
    format!("{sum}\n\n{}", table::of(&COLUMNS, stock.warehouses.iter().map(row)))
}

fn row(warehouse: &Warehouse) -> [String; 7] {
    let known = warehouse.timeliness.is_some();
    let timeliness = warehouse.timeliness.clone().unwrap_or_default();
    [
        warehouse.warehouse_code.clone(),
        grade(&warehouse.warehouse_grade),
        warehouse.stock.to_string(),
        timeliness.cut_time,
        timeliness.achieve_user_order_cut,
        timeliness.hour,
        if known { yes_no(timeliness.is_transfer) } else { String::new() },
    ]
}

/// A warehouse's grade in words; one that has none stays as it came.
pub(super) fn grade(grade: &str) -> String {
    match grade {
        "0" => "own".to_owned(),
        "1" => "upper-level".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Timeliness;

    #[test]
    fn the_sum_comes_first_and_then_the_warehouses() {
        let warehouse = |code: &str, grade: &str, stock, timeliness| Warehouse {
            warehouse_code: code.to_owned(),
            warehouse_grade: grade.to_owned(),
            stock,
            timeliness,
        };
        let timeliness = Timeliness {
            cut_time: "16:00".to_owned(),
            achieve_user_order_cut: "T+1".to_owned(),
            hour: "24".to_owned(),
            is_transfer: true,
        };
        let warehouses = vec![warehouse("WH1", "0", 12, Some(timeliness)), warehouse("WH2", "1", 3, None)];
        let mut stock = CheckStockResponse {
            product_code: "A".to_owned(),
            county_code: "110101".to_owned(),
            stock: 15,
            warehouses,
            ..CheckStockResponse::default()
        };
        let sum = "product_code  A\ncounty_code   110101\nstock         15";
        assert_eq!(
            told(&stock),
            format!(
                "{sum}\n\n\
                 warehouse_code  warehouse_grade  stock  cut_time  achieve_user_order_cut  hour  is_transfer\n\
                 WH1             own                 12  16:00     T+1                       24  yes\n\
                 WH2             upper-level          3"
            )
        );
        stock.warehouses.clear();
        assert_eq!(told(&stock), sum);
    }
}
