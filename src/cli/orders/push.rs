//! `orders push`: orders from a file.

use std::path::PathBuf;

use clap::Args;
use prost_types::Duration;
use tonic::Request;

use super::{file, tell};
use crate::{
    cli::{
        client::ClientArgs,
        console::{Console, printable},
        failure::Failure,
        status,
    },
    config::parse_duration,
    proto::{OrderState, PushOrderRequest},
};

/// How much longer than --wait an answer may take.
const MARGIN: std::time::Duration = std::time::Duration::from_secs(30);

/// Store orders and have each sent to Haier once and only once
///
/// FILE holds one order as a JSON object, or several in an array, with the names of the API; amounts are numbers in yuan,
/// times RFC 3339. The same file again pushes nothing twice. Exit codes: 0 all are stored, and none is refused or given
/// up, as far as --wait lets that be known; 1 all failed; 2 wrong usage; 3 some failed.
#[derive(Debug, Args)]
#[command(after_help = r#"Examples:
  haier-integration orders push order.json --wait 30s
  echo '{"so_id": "SO-1", "online_no": "TB-1", "consignee_name": "张三", "consignee_mobile": "13800000000",
         "province": "北京市", "city": "北京市", "area": "朝阳区", "detail_address": "公园路1号", "total_amount": 1999.00,
         "items": [{"product_code": "AA15CP73L", "quantity": 1, "retail_price": 2099, "discount_amount": 100,
                    "actual_price": 1999}]}' | haier-integration orders push -"#)]
pub(super) struct PushArgs {
    /// File with orders; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How long to wait for the outcome of each, with its unit: 30s, up to 5m [default: not]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    wait: Option<std::time::Duration>,
}

pub(super) async fn run(args: &PushArgs, client: &ClientArgs, console: &mut Console) -> Result<u8, Failure> {
    let orders = file::read(&args.file)?;
    let (form, mut client) = (client.output, client.connect().await?);
    let wait = args.wait.map(Duration::try_from).transpose();
    let wait = wait.map_err(|_| Failure::Usage("--wait is longer than can be said".to_owned()))?;
    let (all, mut failed) = (orders.len(), 0);
    for order in orders {
        let so_id = order.so_id.clone();
        let mut request = Request::new(PushOrderRequest { order: Some(order), wait });
        request.set_timeout(args.wait.unwrap_or_default() + MARGIN);
        match client.push_order(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let state = answer.order.as_ref().map_or(OrderState::Unspecified, |order| order.state());
                failed += usize::from(matches!(state, OrderState::Refused | OrderState::GivenUp));
                tell(&answer, form, console)?;
            }
            Err(status) => {
                failed += 1;
                console.complain(&format!("✗ {} - {}", printable(&so_id), status::explain(&status)));
            }
        }
    }
    Ok(exit_code(all, failed))
}

/// Success, failure, or partial.
const fn exit_code(all: usize, failed: usize) -> u8 {
    match failed {
        0 => 0,
        _ if failed == all => 1,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::exit_code;

    #[test]
    fn the_exit_code_tells_all_none_and_some_that_failed_apart() {
        let codes =
            [(1, 0), (3, 0), (1, 1), (3, 3), (3, 1), (3, 2)].map(|(all, failed)| exit_code(all, failed));
        assert_eq!(codes, [0, 0, 1, 1, 3, 3]);
    }
}
