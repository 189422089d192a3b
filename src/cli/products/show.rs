//! `products show`: all that is stored of each product.

use clap::Args;
use prost_types::Duration;

use crate::{
    cli::{
        client::{Client, OutputForm, unary},
        codes,
        console::{Console, printable},
        failure::Failure,
        json,
        lines::{self, yes_no},
        moment, money,
        stock::grade,
    },
    config::parse_duration,
    proto::{GetProductsRequest, GetProductsResponse, Product},
};

/// Show all that is stored of products
///
/// Prices are in yuan; a line is left out while its value is unknown. Codes that are not stored are named on standard
/// error, and so are those that Haier could not be asked about in time. With --output json: a product an object.
/// Exit codes: 0 success, 1 a code is not stored or the call failed, 2 wrong usage.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration products show AA15CP73L
  haier-integration products show AA15CP73L AA1H80DFR --output json
  haier-integration products show AA15CP73L --max-staleness 5m   asks Haier when older
  haier-integration products show AA15CP73L --max-staleness 0s   asks Haier anyway")]
pub(super) struct ShowArgs {
    /// Product codes, up to 1000, by blank or by comma
    #[arg(value_name = "CODE", required = true)]
    product_codes: Vec<String>,
    /// Oldest that catalogue and prices may be, with its unit: 30s, 5m, 1h; what is older is asked of Haier now
    /// [default: as stored]
    #[arg(long, value_name = "TIME", value_parser = max_staleness)]
    max_staleness: Option<Duration>,
}

fn max_staleness(text: &str) -> Result<Duration, String> {
    Duration::try_from(parse_duration(text)?).map_err(|_| "is longer than can be said".to_owned())
}

impl ShowArgs {
    pub(super) fn request(&self) -> Result<GetProductsRequest, Failure> {
        let product_codes = codes::split(&self.product_codes);
        if product_codes.is_empty() {
            let line = "CODE names no code; see all products by `haier-integration products list`";
            return Err(Failure::Usage(line.to_owned()));
        }
        Ok(GetProductsRequest { product_codes, max_staleness: self.max_staleness })
    }
}

pub(super) async fn run(
    request: GetProductsRequest,
    client: &mut Client,
    form: OutputForm,
    console: &mut Console,
) -> Result<u8, Failure> {
    let answer = client.get_products(unary(request)).await?.into_inner();
    tell(&answer, form, console)
}

fn tell(answer: &GetProductsResponse, form: OutputForm, console: &mut Console) -> Result<u8, Failure> {
    for (index, product) in answer.products.iter().enumerate() {
        match form {
            OutputForm::Json => console.say_json(&json::product(product))?,
            OutputForm::Table => {
                let blank = if index == 0 { "" } else { "\n" };
                console.say(&format!("{blank}{}", told(product).join("\n")))?;
            }
        }
    }
    for code in &answer.stale_codes {
        let code = printable(code);
        console.complain(&format!("{code}: older than --max-staleness; Haier did not answer for it"));
    }
    for code in &answer.missing_codes {
        let code = printable(code);
        console.complain(&format!(
            "{code}: not stored; bring it by `haier-integration sync --product-codes {code}`"
        ));
    }
    Ok(u8::from(!answer.missing_codes.is_empty()))
}

fn told(product: &Product) -> Vec<String> {
    let text = |text: &String| text.clone();
    let mut fields = vec![
        ("product_code", text(&product.product_code)),
        ("product_model", text(&product.product_model)),
        ("name", text(&product.name)),
        ("product_group", text(&product.product_group)),
        ("category", text(&product.category)),
        ("brand", text(&product.brand)),
        ("display_price", money::yuan(product.display_price.as_ref())),
        ("supply_price", money::yuan(product.supply_price.as_ref())),
        ("invoice_price", money::yuan(product.invoice_price.as_ref())),
        ("market_price", money::yuan(product.market_price.as_ref())),
        ("stock_rebate", text(&product.stock_rebate)),
        ("rebate_policy", text(&product.rebate_policy)),
        ("rebate_money", money::yuan(product.rebate_money.as_ref())),
        ("is_sales", yes_no(product.is_sales)),
        ("no_sales_reason", text(&product.no_sales_reason)),
        ("stock", product.stock.map(|stock| stock.to_string()).unwrap_or_default()),
        ("stock_as_of", moment::local(product.stock_as_of.as_ref())),
        ("warehouse_code", text(&product.warehouse_code)),
        ("warehouse_grade", grade(&product.warehouse_grade)),
        ("product_image_url", text(&product.product_image_url)),
    ];
    fields.extend(product.product_page_urls.iter().map(|url| ("product_page_urls", text(url))));
    fields.extend([
        ("source", text(&product.source)),
        ("last_sync_at", moment::local(product.last_sync_at.as_ref())),
        ("delisted_at", moment::local(product.delisted_at.as_ref())),
    ]);
    lines::of(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::console::Sink, proto::Money};

    fn product(code: &str) -> Product {
        Product {
            product_code: code.to_owned(),
            name: "热\u{1b}水器".to_owned(),
            supply_price: Some(Money { units: 1999, nanos: 12_300_000, ..Money::default() }),
            warehouse_grade: "1".to_owned(),
            product_page_urls: vec!["https://p/1.jpg".to_owned(), "https://p/2.jpg".to_owned()],
            ..Product::default()
        }
    }

    fn tell_of(answer: &GetProductsResponse, form: OutputForm) -> (u8, String, String) {
        let (out, err) = (Sink::default(), Sink::default());
        let mut console = Console::of(Box::new(out.clone()), Box::new(err.clone()));
        let code = tell(answer, form, &mut console).unwrap();
        (code, out.text(), err.text())
    }

    #[test]
    fn every_product_is_told_in_lines_and_what_is_unknown_is_left_out() {
        let products = vec![product("A"), product("B")];
        let answer = GetProductsResponse { products, ..GetProductsResponse::default() };
        let (code, out, err) = tell_of(&answer, OutputForm::Table);
        assert_eq!((code, err.as_str()), (0, ""));
        let of = |code: &str| {
            format!(
                "product_code       {code}\nname               热 水器\nsupply_price       1999.0123\n\
                 is_sales           no\nwarehouse_grade    upper-level\nproduct_page_urls  https://p/1.jpg\n\
                 product_page_urls  https://p/2.jpg\n"
            )
        };
        assert_eq!(out, format!("{}\n{}", of("A"), of("B")));
    }

    #[test]
    fn missing_and_stale_codes_are_beside_the_result_and_missing_ones_are_a_failure() {
        let stale_codes = vec!["A".to_owned()];
        let mut answer = GetProductsResponse {
            products: vec![product("A")],
            stale_codes,
            ..GetProductsResponse::default()
        };
        let (code, _, err) = tell_of(&answer, OutputForm::Json);
        assert_eq!((code, err.as_str()), (0, "A: older than --max-staleness; Haier did not answer for it\n"));
        answer.missing_codes = vec!["X".to_owned()];
        let (code, out, err) = tell_of(&answer, OutputForm::Json);
        assert_eq!(code, 1);
        assert_eq!(out.lines().count(), 1, "{out}");
        assert!(err.contains("X: not stored"), "{err}");
    }
}
