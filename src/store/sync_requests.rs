//! What a run is asked to do, as it is stored with the run and with its log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Result, sync_logs::unknown};
use crate::domain::{products::ProductCode, stock::CountyCode, sync_runs::SyncRequest};

#[derive(Serialize, Deserialize)]
struct RequestJson {
    codes: Vec<String>,
    category: Option<String>,
    brand: Option<String>,
    assign_category: Option<String>,
    assign_brand: Option<String>,
    prices: bool,
    stock: Option<String>,
    #[serde(default)]
    approved: bool,
    tried: i64,
}

pub(super) fn encode(request: &SyncRequest) -> Value {
    serde_json::json!(RequestJson {
        codes: request.codes.iter().map(|code| code.as_str().to_owned()).collect(),
        category: request.category.clone(),
        brand: request.brand.clone(),
        assign_category: request.assign_category.clone(),
        assign_brand: request.assign_brand.clone(),
        prices: request.prices,
        stock: request.stock.as_ref().map(|county| county.as_str().to_owned()),
        approved: request.approved,
        tried: request.tried,
    })
}

pub(super) fn decode(json: Value) -> Result<SyncRequest> {
    let request: RequestJson =
        serde_json::from_value(json).map_err(|error| unknown("request", &error.to_string()))?;
    Ok(SyncRequest {
        codes: request.codes.into_iter().map(ProductCode::from_stored).collect(),
        category: request.category,
        brand: request.brand,
        assign_category: request.assign_category,
        assign_brand: request.assign_brand,
        prices: request.prices,
        stock: request.stock.map(CountyCode::from_stored),
        approved: request.approved,
        tried: request.tried,
    })
}
