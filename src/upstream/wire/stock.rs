//! H3's records: one per warehouse, or a single object.

use serde_json::value::RawValue;

use crate::{
    domain::{
        reasons::Reason,
        stock::{Timeliness, Warehouse},
    },
    upstream::record::{FieldError, Fields},
};

const MAX_CODE_CHARS: usize = 64;
const MAX_WORDS_CHARS: usize = 100;

/// The warehouses, the fullest first. None of them saying how much it has is no answer.
pub(in crate::upstream) fn warehouses(records: &[&RawValue]) -> Result<Vec<Warehouse>, FieldError> {
    let read = records.iter().map(|raw| warehouse(raw)).collect::<Result<Vec<_>, _>>()?;
    if !read.is_empty() && read.iter().all(|(_, says)| !says) {
        return Err((Reason::MalformedAnswer, "no warehouse says its stock".to_owned()));
    }
    let mut warehouses: Vec<Warehouse> = read.into_iter().map(|(warehouse, _)| warehouse).collect();
    // Stable: of equally full ones Haier's first is ours.
    warehouses.sort_by_key(|warehouse| std::cmp::Reverse(warehouse.stock));
    Ok(warehouses)
}

/// A warehouse, and whether it says its stock.
fn warehouse(raw: &RawValue) -> Result<(Warehouse, bool), FieldError> {
    let fields = Fields::parse(raw).map_err(|bad| (bad.reason, bad.detail))?;
    let stock = fields.integer("stock")?;
    if let Some(negative) = stock.filter(|stock| *stock < 0) {
        let code = fields.text("secCode", MAX_CODE_CHARS)?.unwrap_or_default();
        tracing::info!(
            warehouse = code,
            stock = negative,
            "Haier answered a stock below zero; it counts as 0"
        );
    }
    let timeliness = fields.all("timelinessData").last().map(timeliness).transpose()?;
    let warehouse = Warehouse {
        code: fields.text("secCode", MAX_CODE_CHARS)?,
        grade: fields.text("warehouseGrade", MAX_CODE_CHARS)?,
        stock: stock.unwrap_or(0).max(0),
        timeliness,
    };
    Ok((warehouse, stock.is_some()))
}

fn timeliness(raw: &RawValue) -> Result<Timeliness, FieldError> {
    let fields = Fields::parse(raw).map_err(|bad| (bad.reason, format!("timelinessData: {}", bad.detail)))?;
    let is_transfer = match fields.flag("isTranfer")? {
        Some(flag) => Some(flag),
        None => fields.flag("isTransfer")?,
    };
    Ok(Timeliness {
        cut_time: fields.text("cutTime", MAX_WORDS_CHARS)?,
        achieve_user_order_cut: fields.text("achieveUserOrderCut", MAX_WORDS_CHARS)?,
        hour: fields.text("hour", MAX_WORDS_CHARS)?,
        is_transfer,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::warehouses;
    use crate::domain::reasons::Reason;

    #[test]
    fn the_fullest_warehouse_comes_first_and_texts_are_numbers_too() {
        let list = [
            r#"{"secCode":"A","stock":"3","warehouseGrade":"0"}"#,
            r#"{"secCode":"B","stock":12,"timelinessData":{"hour":24,"isTranfer":"1"}}"#,
            r#"{"secCode":"C"}"#,
        ];
        let raws: Vec<Box<RawValue>> =
            list.iter().map(|json| RawValue::from_string((*json).to_owned()).unwrap()).collect();
        let read = warehouses(&raws.iter().map(|raw| &**raw).collect::<Vec<_>>()).unwrap();
        let codes: Vec<_> = read.iter().map(|w| (w.code.as_deref().unwrap(), w.stock)).collect();
        assert_eq!(codes, [("B", 12), ("A", 3), ("C", 0)]);
        let timeliness = read[0].timeliness.as_ref().unwrap();
        assert_eq!((timeliness.hour.as_deref(), timeliness.is_transfer), (Some("24"), Some(true)));
    }

    #[test]
    fn a_stock_below_zero_is_none() {
        let [less, more] = [r#"{"stock":-5}"#, r#"{"stock":"3"}"#]
            .map(|json| RawValue::from_string(json.to_owned()).unwrap());
        let stock: Vec<_> =
            warehouses(&[&less, &more]).unwrap().iter().map(|warehouse| warehouse.stock).collect();
        assert_eq!(stock, [3, 0]);
    }

    #[test]
    fn a_stock_that_is_no_number_is_refused() {
        for json in [r#"{"stock":"many"}"#, r#"{"stock":1.5}"#, r#"{"secCode":"A"}"#] {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(warehouses(&[&raw]).unwrap_err().0, Reason::MalformedAnswer, "{json}");
        }
    }
}
