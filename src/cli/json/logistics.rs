//! Where an order's parcels are.

use serde_json::{Value, json};

use super::{object, of_struct, put, time};
use crate::proto::{GetLogisticsResponse, Shipment, ShipmentTrace};

pub(in crate::cli) fn logistics(logistics: &GetLogisticsResponse) -> Value {
    let all = |shipments: &[Shipment]| shipments.iter().map(shipment).collect::<Value>();
    json!({
        "central_warehouse": all(&logistics.central_warehouse),
        "zhihuibao": all(&logistics.zhihuibao),
        "third_party": all(&logistics.third_party),
    })
}

fn shipment(shipment: &Shipment) -> Value {
    let mut object = object(json!({
        "logistics_company": shipment.logistics_company,
        "logistics_no": shipment.logistics_no,
        "status": shipment.status,
        "traces": shipment.traces.iter().map(trace).collect::<Value>(),
    }));
    put(&mut object, "extra", shipment.extra.as_ref().map(of_struct));
    Value::Object(object)
}

fn trace(trace: &ShipmentTrace) -> Value {
    let mut object = object(json!({ "status": trace.status, "time_text": trace.time_text }));
    put(&mut object, "time", time(trace.time.as_ref()));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use prost_types::{ListValue, Struct, Timestamp, Value as ProtoValue, value::Kind};

    use super::*;

    #[test]
    fn what_else_came_keeps_its_shape() {
        let of = |kind| ProtoValue { kind: Some(kind) };
        let list = ListValue { values: vec![of(Kind::NumberValue(1.5)), of(Kind::NullValue(0))] };
        let fields = [
            ("count".to_owned(), of(Kind::NumberValue(3.0))),
            ("signed".to_owned(), of(Kind::BoolValue(true))),
            ("weights".to_owned(), of(Kind::ListValue(list))),
        ];
        let time = Some(Timestamp { seconds: 1_767_225_600, nanos: 0 });
        let shipment = Shipment {
            traces: vec![ShipmentTrace { time, ..ShipmentTrace::default() }, ShipmentTrace::default()],
            extra: Some(Struct { fields: fields.into_iter().collect() }),
            ..Shipment::default()
        };
        let value = logistics(&GetLogisticsResponse {
            third_party: vec![shipment],
            ..GetLogisticsResponse::default()
        });
        assert_eq!(value["central_warehouse"], json!([]));
        let shipment = &value["third_party"][0];
        assert_eq!(shipment["extra"], json!({ "count": 3, "signed": true, "weights": [1.5, null] }));
        assert_eq!(shipment["traces"][0]["time"], "2026-01-01T00:00:00Z");
        assert!(shipment["traces"][1].get("time").is_none());
    }
}
