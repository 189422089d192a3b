//! Live logistics on the wire.

use std::{collections::BTreeMap, sync::Arc};

use prost_types::Struct;

use super::{
    convert::{json_value, timestamp},
    requests::optional_text,
};
use crate::{
    app::{App, Ctx},
    domain::{
        logistics::{LogisticsQuery, Shipment, ShipmentTrace},
        printable::printable,
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

/// How much of the JSON that nobody knows is shown as values; further fields are text.
const ROOM: usize = 256 << 10;
/// Longest order code in characters.
const MAX_ORDER_CODE_CHARS: usize = 64;

pub(super) async fn get(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::GetLogisticsRequest,
) -> Result<proto::GetLogisticsResponse> {
    let mut violations = Violations::default();
    let order_code = optional_text("order_code", &request.order_code, &mut violations);
    match &order_code {
        None => violations
            .add("order_code", "must not be blank; it is Haier's order code, e.g. SO.20190106.000003"),
        Some(code) if code.chars().count() > MAX_ORDER_CODE_CHARS => {
            violations.add("order_code", format!("must have at most {MAX_ORDER_CODE_CHARS} characters"));
        }
        Some(_) => {}
    }
    if request.member_id < 0 {
        violations.add("member_id", format!("is {}; must be positive, or 0 for none", request.member_id));
    }
    let query = LogisticsQuery {
        order_code: order_code.unwrap_or_default(),
        delivery_record_code: optional_text(
            "delivery_record_code",
            &request.delivery_record_code,
            &mut violations,
        ),
        member_id: (request.member_id != 0).then_some(request.member_id),
    };
    let query = violations.into_result(query).map_err(Error::Invalid)?;
    let logistics = app.logistics_fetch(ctx, query).await?;
    let mut room = ROOM;
    let mut all = |shipments: Vec<Shipment>| {
        shipments.into_iter().map(|shipment| encode(shipment, &mut room)).collect()
    };
    Ok(proto::GetLogisticsResponse {
        central_warehouse: all(logistics.central_warehouse),
        zhihuibao: all(logistics.zhihuibao),
        third_party: all(logistics.third_party),
    })
}

fn encode(shipment: Shipment, room: &mut usize) -> proto::Shipment {
    let fields = shipment.extra.iter();
    let fields = fields.map(|(name, json)| (printable(name).into_owned(), json_value(json, room)));
    let fields: BTreeMap<_, _> = fields.collect();
    let extra = (!fields.is_empty()).then_some(Struct { fields });
    proto::Shipment {
        logistics_company: shipment.logistics_company.unwrap_or_default(),
        logistics_no: shipment.logistics_no.unwrap_or_default(),
        status: shipment.status.unwrap_or_default(),
        traces: shipment.traces.into_iter().map(trace).collect(),
        extra,
    }
}

fn trace(trace: ShipmentTrace) -> proto::ShipmentTrace {
    proto::ShipmentTrace { time: trace.time.map(timestamp), status: trace.status, time_text: trace.time_text }
}
