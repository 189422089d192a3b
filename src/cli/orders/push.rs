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
/// times RFC 3339. The same file again pushes nothing twice. Exit codes: 0 all are stored, and with --wait none was
/// refused; 1 one was not stored, refused or given up; 2 wrong usage.
#[derive(Debug, Args)]
#[command(after_help = r#"Examples:
  haier-integration orders push order.json --wait 30s
  echo '{"so_id": "SO-1", "online_no": "TB-1", "consignee_name": "张三", "consignee_mobile": "13800000000",
         "province": "北京市", "city": "北京市", "area": "朝阳区", "detail_address": "公园路1号", "total_amount": 1999.00,
         "items": [{"product_code": "GA0SZC00U", "quantity": 1, "retail_price": 2099, "discount_amount": 100,
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
    let mut failed = false;
    for order in orders {
        let so_id = order.so_id.clone();
        let mut request = Request::new(PushOrderRequest { order: Some(order), wait });
        request.set_timeout(args.wait.unwrap_or_default() + MARGIN);
        match client.push_order(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let state = answer.order.as_ref().map_or(OrderState::Unspecified, |order| order.state());
                failed |= matches!(state, OrderState::Refused | OrderState::GivenUp);
                tell(&answer, form, console)?;
            }
            Err(status) => {
                failed = true;
                console.complain(&format!("✗ {} - {}", printable(&so_id), status::explain(&status)));
            }
        }
    }
    Ok(u8::from(failed))
}
