//! `orders show`: an order and its whole story.

use chrono::{DateTime, Utc};
use clap::Args;

use super::state;
use crate::{
    app::SystemClock,
    cli::{
        client::{ClientArgs, OutputForm, unary},
        console::{Console, printable},
        failure::Failure,
        json,
        lines::{self, yes_no},
        moment, money,
    },
    domain::clock::Clock as _,
    proto::{GetOrderRequest, ListOrderFactsRequest, Order, OrderFact, OrderItem},
};

/// Show an order, and everything that is known about it
///
/// First the order with its lines, then what happened, in the order in which it was learnt. With --output json: the
/// order as an object, then a fact an object.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration orders show SO-20261122-1
  haier-integration orders show SO-20261122-1 --output json")]
pub(super) struct ShowArgs {
    /// The sub-order number
    #[arg(value_name = "SO_ID")]
    so_id: String,
}

/// The most that a page may have.
const FACTS_A_PAGE: i32 = 1_000;

pub(super) async fn run(args: &ShowArgs, client: &ClientArgs, console: &mut Console) -> Result<u8, Failure> {
    let (form, mut client) = (client.output, client.connect().await?);
    let so_id = args.so_id.clone();
    let order = client.get_order(unary(GetOrderRequest { so_id: so_id.clone() })).await?.into_inner().order;
    let mut facts = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListOrderFactsRequest { so_id: so_id.clone(), page_size: FACTS_A_PAGE, page_token };
        let page = client.list_order_facts(unary(request)).await?.into_inner();
        facts.extend(page.facts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let order = order.unwrap_or_default();
    match form {
        OutputForm::Json => {
            console.say_json(&json::order(&order))?;
            facts.iter().try_for_each(|fact| console.say_json(&json::order_fact(fact)))?;
        }
        OutputForm::Table => {
            console.say(&told(&order, SystemClock::new().now()).join("\n"))?;
            order.items.iter().zip(1..).try_for_each(|(item, line)| console.say(&item_line(line, item)))?;
            if !facts.is_empty() {
                console.say("")?;
            }
            facts.iter().try_for_each(|fact| console.say(&fact_line(fact)))?;
        }
    }
    Ok(0)
}

fn told(order: &Order, now: DateTime<Utc>) -> Vec<String> {
    let text = |text: &String| text.clone();
    let place = [&order.province, &order.city, &order.area, &order.town, &order.detail_address];
    let place: Vec<&str> = place.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    lines::of(&[
        ("so_id", text(&order.so_id)),
        ("online_no", text(&order.online_no)),
        ("state", state(order.state()).to_owned()),
        ("retail_order_no", text(&order.retail_order_no)),
        ("haier_order_no", text(&order.haier_order_no)),
        ("last_error", text(&order.last_error)),
        ("next_attempt_at", moment::next(order.next_attempt_at.as_ref(), now)),
        ("deadline", moment::local(order.deadline.as_ref())),
        ("account", text(&order.account)),
        ("source_system", text(&order.source_system)),
        ("shop_name", text(&order.shop_name)),
        ("consignee_name", text(&order.consignee_name)),
        ("consignee_mobile", text(&order.consignee_mobile)),
        ("address", place.join(" ")),
        ("remark", text(&order.remark)),
        ("total_amount", money::yuan(order.total_amount.as_ref())),
        ("distribution_time", moment::local(order.distribution_time.as_ref())),
        ("install_time", moment::local(order.install_time.as_ref())),
        ("current_distribution_time", moment::local(order.current_distribution_time.as_ref())),
        ("current_install_time", moment::local(order.current_install_time.as_ref())),
        ("government_order", yes_no(order.government_order)),
        ("requested_by", text(&order.requested_by)),
        ("created_at", moment::local(order.created_at.as_ref())),
        ("updated_at", moment::local(order.updated_at.as_ref())),
    ])
}

fn item_line(line: i64, item: &OrderItem) -> String {
    let [retail, discount, actual] = [&item.retail_price, &item.discount_amount, &item.actual_price]
        .map(|money| money::yuan(money.as_ref()));
    let gift = if item.is_gift { "  gift" } else { "" };
    format!("line {line}  {}  {retail} - {discount} = {actual}{gift}", printable(&item.product_code))
}

fn fact_line(fact: &OrderFact) -> String {
    let number = match (fact.change_number, fact.attempt) {
        (0, 0) => String::new(),
        (0, attempt) => format!(" #{attempt}"),
        (change, 0) => format!(" {change}"),
        (change, attempt) => format!(" {change}#{attempt}"),
    };
    let by = if fact.by.is_empty() { String::new() } else { format!(" ({})", printable(&fact.by)) };
    let at = moment::local(fact.at.as_ref());
    format!("{at}  {}{number}{by}  {}", printable(&fact.kind), printable(&fact.detail))
}
