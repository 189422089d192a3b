//! H4's three records, with whatever else Haier sends kept beside.

use serde_json::value::RawValue;

use crate::{
    domain::{
        logistics::{Logistics, Shipment, ShipmentTrace},
        reasons::Reason,
    },
    upstream::{
        record::{FieldError, Fields, list, shown},
        wire::times::china_time,
    },
};

const MAX_WORDS_CHARS: usize = 1_000;
/// Shipments, traces and further fields of one answer. Each costs many times more memory here than on the wire.
const MAX_PARTS: usize = 20_000;

/// The answer: one object with three arrays, each of which may be absent.
pub(in crate::upstream) fn of_records(records: &[&RawValue]) -> Result<Logistics, FieldError> {
    let Some(raw) = records.first() else { return Ok(Logistics::default()) };
    let fields = Fields::parse(raw).map_err(|bad| (bad.reason, bad.detail))?;
    let mut room = MAX_PARTS;
    let mut shipments = |name| -> Result<Vec<Shipment>, FieldError> {
        list(&fields, name)?.into_iter().map(|raw| shipment(raw, &mut room)).collect()
    };
    Ok(Logistics {
        central_warehouse: shipments("getAllLogisticsInfoByOrderCode")?,
        zhihuibao: shipments("getStockDeliveryLogisticsRecord")?,
        third_party: shipments("getStockDeliveryLogisticsRecordThirdparty")?,
    })
}

fn shipment(raw: &RawValue, room: &mut usize) -> Result<Shipment, FieldError> {
    let fields = Fields::parse(raw).map_err(|bad| (bad.reason, bad.detail))?;
    let traces = list(&fields, "traces")?;
    let Some(left) = room.checked_sub(1 + traces.len() + fields.len()) else {
        let detail = format!("the answer has more than {MAX_PARTS} shipments, traces and fields");
        return Err((Reason::MalformedAnswer, detail));
    };
    *room = left;
    Ok(Shipment {
        logistics_company: fields.text("logisticsCompany", MAX_WORDS_CHARS)?,
        logistics_no: fields.text("logisticsNo", MAX_WORDS_CHARS)?,
        status: fields.text("status", MAX_WORDS_CHARS)?,
        traces: traces.into_iter().map(trace).collect::<Result<_, _>>()?,
        extra: fields.others(&["logisticsCompany", "logisticsNo", "status", "traces"]),
    })
}

fn trace(raw: &RawValue) -> Result<ShipmentTrace, FieldError> {
    let fields = Fields::parse(raw).map_err(|bad| (bad.reason, bad.detail))?;
    let time_text = fields.all("time").last().and_then(shown).unwrap_or_default();
    Ok(ShipmentTrace {
        time: china_time(&time_text),
        time_text,
        status: fields.text("status", MAX_WORDS_CHARS)?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::of_records;
    use crate::domain::reasons::Reason;

    #[test]
    fn times_are_chinas_and_unknown_fields_are_kept() {
        let json = r#"{"getAllLogisticsInfoByOrderCode":[{"logisticsCompany":"日日顺","logisticsNo":"SB1",
            "weight":1.50,"traces":[{"time":"2026-01-01 08:00:00","status":"已出库"},{"time":"soon"}]}],
            "getStockDeliveryLogisticsRecord":null}"#;
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let logistics = of_records(&[&raw]).unwrap();
        let parcel = &logistics.central_warehouse[0];
        assert_eq!(parcel.traces[0].time.unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00");
        assert_eq!((parcel.traces[1].time, parcel.traces[1].time_text.as_str()), (None, "soon"));
        assert_eq!(parcel.extra, [("weight".to_owned(), "1.50".to_owned())]);
        assert!(logistics.zhihuibao.is_empty() && logistics.third_party.is_empty());
    }

    #[test]
    fn an_answer_has_not_more_parts_than_anybody_needs() {
        let answer = |shipments: usize| {
            let traces = vec![r#"{"status":"x"}"#; 999].join(",");
            let shipments = vec![format!(r#"{{"traces":[{traces}]}}"#); shipments].join(",");
            RawValue::from_string(format!(r#"{{"getAllLogisticsInfoByOrderCode":[{shipments}]}}"#)).unwrap()
        };
        assert!(of_records(&[&answer(19)]).is_ok());
        let (reason, detail) = of_records(&[&answer(20)]).unwrap_err();
        assert!(reason == Reason::MalformedAnswer && detail.contains("more than 20000"), "{detail}");
    }
}
