//! `products list`: what is stored, page by page.

use clap::Args;

use crate::{
    cli::{
        client::{Client, OutputForm, unary},
        console::Console,
        failure::Failure,
        json,
        lines::yes_no,
        listing::Listing,
        moment, money,
        table::{
            self,
            Column::{self, Number, Text},
        },
    },
    proto::{ListProductsRequest, Product},
};

/// List products, by code
///
/// The columns are code, name, brand, category, the price to show in yuan, whether it can be purchased, stock in the
/// default county, and when Haier was last asked about it. A cell is empty while unknown. All filters must match.
/// With --output json: a product an object, with all its fields.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration products list
  haier-integration products list --query 热水器 --is-sales true
  haier-integration products list --brand 海尔 --category 电热水器 --limit 20
  haier-integration products list --limit 1000000 --output json")]
pub(super) struct ListArgs {
    /// Only this brand, exactly [default: any]
    #[arg(long, value_name = "NAME")]
    brand: Option<String>,
    /// Only this category, exactly [default: any]
    #[arg(long, value_name = "NAME")]
    category: Option<String>,
    /// Only what can be purchased (true), or cannot (false) [default: both]
    #[arg(long, value_name = "true|false", hide_possible_values = true)]
    is_sales: Option<bool>,
    /// Only products whose code, model or name holds this text; case ignored [default: any]
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Products to list, 1 to 1000000
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Go on where an earlier listing with the same filters ended; it printed this token [default: the first code]
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

pub(super) async fn run(
    args: ListArgs,
    client: &mut Client,
    form: OutputForm,
    console: &mut Console,
) -> Result<u8, Failure> {
    let request = ListProductsRequest {
        brand: args.brand.unwrap_or_default(),
        category: args.category.unwrap_or_default(),
        is_sales: args.is_sales,
        query: args.query.unwrap_or_default(),
        ..Default::default()
    };
    let listing = Listing {
        form,
        limit: args.limit,
        page_token: args.page_token,
        none: "no products match; `haier-integration sync` brings those that are not stored yet",
        json: json::product,
        table: table_of,
    };
    let page = async |page_size, page_token| {
        let request = ListProductsRequest { page_size, page_token, ..request.clone() };
        let page = client.list_products(unary(request)).await?.into_inner();
        Ok((page.products, page.next_page_token))
    };
    listing.show(page, console).await
}

const COLUMNS: [Column; 8] = [
    Text("product_code"),
    Text("name"),
    Text("brand"),
    Text("category"),
    Number("display_price"),
    Text("is_sales"),
    Number("stock"),
    Text("last_sync_at"),
];

fn table_of(products: &[Product]) -> String {
    let row = |product: &Product| {
        [
            product.product_code.clone(),
            product.name.clone(),
            product.brand.clone(),
            product.category.clone(),
            money::yuan(product.display_price.as_ref()),
            yes_no(product.is_sales),
            product.stock.map(|stock| stock.to_string()).unwrap_or_default(),
            moment::local(product.last_sync_at.as_ref()),
        ]
    };
    table::of(&COLUMNS, products.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Money;

    #[test]
    fn prices_stand_right_and_the_unknown_is_left_empty() {
        let product = |code: &str, name: &str, units| Product {
            product_code: code.to_owned(),
            name: name.to_owned(),
            brand: "海尔".to_owned(),
            display_price: Some(Money { units, nanos: 500_000_000, ..Money::default() }),
            is_sales: true,
            stock: Some(7),
            ..Product::default()
        };
        let unknown = Product { product_code: "C".to_owned(), ..Product::default() };
        let text = table_of(&[product("A", "电热水器", 1999), product("B", "冰箱\n", 5), unknown]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "product_code  name      brand  category  display_price  is_sales  stock  last_sync_at",
                "A             电热水器  海尔                   1999.50  yes           7",
                "B             冰箱      海尔                      5.50  yes           7",
                "C                                                       no",
            ],
            "{text}"
        );
    }
}
