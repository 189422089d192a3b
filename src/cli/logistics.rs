//! `logistics`: where an order's parcels are.

use chrono::{DateTime, FixedOffset, Utc};
use clap::{Args, builder::NonEmptyStringValueParser};

use super::{
    client::{ClientArgs, OutputForm, unary},
    console::{Console, printable},
    failure::Failure,
    json, moment,
};
use crate::proto::{GetLogisticsRequest, GetLogisticsResponse, Shipment, ShipmentTrace};

/// Ask Haier where the parcels of an order are, now
///
/// Prints Haier's three records, the central warehouse's, Zhihuibao's (智汇宝) and that of Zhihuibao's couriers, each
/// with its shipments and what happened to them. Times are China's, as Haier sent them. With --output json: one
/// object, its times in UTC beside Haier's text.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haier-integration logistics SO.20190106.000003
  haier-integration logistics SO.20190106.000003 --delivery-record-code DR0001
  haier-integration logistics SO.20190106.000003 --output json")]
pub(super) struct LogisticsArgs {
    /// Haier's code of the order
    #[arg(value_name = "ORDER", value_parser = NonEmptyStringValueParser::new())]
    order_code: String,
    /// Only this delivery of it [default: all]
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
    delivery_record_code: Option<String>,
    /// Haier's member id, a number from 1 [default: not told]
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    member_id: Option<i64>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: LogisticsArgs, console: &mut Console) -> Result<u8, Failure> {
    let mut client = args.client.connect().await?;
    let request = GetLogisticsRequest {
        order_code: args.order_code.clone(),
        delivery_record_code: args.delivery_record_code.unwrap_or_default(),
        member_id: args.member_id.unwrap_or_default(),
    };
    let logistics = client.get_logistics(unary(request)).await?.into_inner();
    match args.client.output {
        OutputForm::Json => console.say_json(&json::logistics(&logistics))?,
        OutputForm::Table if is_empty(&logistics) => {
            // Haier answers an order that it does not know in the same way as one that has not left yet.
            let order = printable(&args.order_code);
            console.complain(&format!(
                "Haier names no shipment of {order}: not sent yet, or not its order code"
            ));
        }
        OutputForm::Table => told(&logistics).iter().try_for_each(|line| console.say(line))?,
    }
    Ok(0)
}

fn is_empty(logistics: &GetLogisticsResponse) -> bool {
    logistics.central_warehouse.is_empty()
        && logistics.zhihuibao.is_empty()
        && logistics.third_party.is_empty()
}

fn told(logistics: &GetLogisticsResponse) -> Vec<String> {
    let records = [
        ("central_warehouse", &logistics.central_warehouse),
        ("zhihuibao", &logistics.zhihuibao),
        ("third_party", &logistics.third_party),
    ];
    let mut lines = Vec::new();
    for (name, shipments) in records {
        let none = if shipments.is_empty() { ": no shipment" } else { "" };
        lines.push(format!("{name}{none}"));
        for shipment in shipments {
            lines.extend(shipment_lines(shipment));
        }
    }
    lines
}

fn shipment_lines(shipment: &Shipment) -> Vec<String> {
    let words = [&shipment.logistics_company, &shipment.logistics_no, &shipment.status];
    let words: Vec<_> =
        words.map(|text| printable(text)).into_iter().filter(|text| !text.is_empty()).collect();
    let title = if words.is_empty() { "unnamed".to_owned() } else { words.join("  ") };
    let mut lines = vec![format!("  {title}")];
    for trace in &shipment.traces {
        lines.push(format!("    {:<19}  {}", time(trace), printable(&trace.status)).trim_end().to_owned());
    }
    if let Some(extra) = &shipment.extra {
        lines.push(format!("    extra {}", printable(&json::of_struct(extra).to_string())));
    }
    lines
}

/// Haier's own words for the time; the time itself, in China, where there are none.
fn time(trace: &ShipmentTrace) -> String {
    let sent = printable(&trace.time_text);
    if !sent.is_empty() {
        return sent;
    }
    let in_china = |moment: DateTime<Utc>| {
        let china = FixedOffset::east_opt(8 * 3600)?;
        Some(moment.with_timezone(&china).format("%Y-%m-%d %H:%M:%S").to_string())
    };
    trace.time.as_ref().and_then(moment::from_timestamp).and_then(in_china).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use prost_types::{Struct, Timestamp, Value, value::Kind};

    use super::*;

    #[test]
    fn each_record_is_told_with_its_shipments_and_their_traces() {
        let at = Some(Timestamp { seconds: 1_767_225_600, nanos: 0 });
        let trace = |time, time_text: &str, status: &str| ShipmentTrace {
            time,
            time_text: time_text.to_owned(),
            status: status.to_owned(),
        };
        let weight = Value { kind: Some(Kind::NumberValue(3.0)) };
        let shipment = Shipment {
            logistics_company: "日日顺物流".to_owned(),
            logistics_no: "SB1".to_owned(),
            status: "已出库".to_owned(),
            traces: vec![
                trace(at, "2026-01-01 08:00:00", "仓库\n已接单"),
                trace(at, "", "已出库"),
                trace(None, "soon", ""),
            ],
            extra: Some(Struct { fields: [("weight".to_owned(), weight)].into_iter().collect() }),
        };
        let logistics = GetLogisticsResponse {
            central_warehouse: vec![shipment],
            third_party: vec![Shipment::default()],
            ..GetLogisticsResponse::default()
        };
        assert!(!is_empty(&logistics) && is_empty(&GetLogisticsResponse::default()));
        assert_eq!(
            told(&logistics),
            [
                "central_warehouse",
                "  日日顺物流  SB1  已出库",
                "    2026-01-01 08:00:00  仓库 已接单",
                "    2026-01-01 08:00:00  已出库",
                "    soon",
                r#"    extra {"weight":3}"#,
                "zhihuibao: no shipment",
                "third_party",
                "  unnamed",
            ]
        );
    }
}
