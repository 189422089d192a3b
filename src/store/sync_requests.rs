//! What a run is asked to do, as it is stored with the run and with its log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Result, sync_logs::unknown};
use crate::domain::{
    products::ProductCode,
    stock::CountyCode,
    sync_runs::{Due, Front, SyncRequest},
};

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
    #[serde(default)]
    verify: Option<u32>,
    #[serde(default)]
    only_new: bool,
    #[serde(default)]
    only_new_stock: bool,
    #[serde(default)]
    due: Option<DueJson>,
    #[serde(default)]
    repair: bool,
    tried: i64,
}

#[derive(Serialize, Deserialize)]
struct DueJson {
    before: DateTime<Utc>,
    up_to: Option<String>,
    front: Option<FrontJson>,
}

#[derive(Serialize, Deserialize)]
struct FrontJson {
    low_stock: i64,
    sold_since: DateTime<Utc>,
}

impl From<&Due> for DueJson {
    fn from(due: &Due) -> Self {
        let front = |Front { low_stock, sold_since }| FrontJson { low_stock, sold_since };
        Self {
            before: due.before,
            up_to: due.up_to.as_ref().map(|code| code.as_str().to_owned()),
            front: due.front.map(front),
        }
    }
}

impl From<DueJson> for Due {
    fn from(due: DueJson) -> Self {
        let front = |FrontJson { low_stock, sold_since }| Front { low_stock, sold_since };
        Self {
            before: due.before,
            up_to: due.up_to.map(ProductCode::from_stored),
            front: due.front.map(front),
        }
    }
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
        verify: request.verify,
        only_new: request.only_new,
        only_new_stock: request.only_new_stock,
        due: request.due.as_ref().map(DueJson::from),
        repair: request.repair,
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
        verify: request.verify,
        only_new: request.only_new,
        only_new_stock: request.only_new_stock,
        due: request.due.map(Due::from),
        repair: request.repair,
        tried: request.tried,
    })
}
