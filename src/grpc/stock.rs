//! Live stock on the wire.

use std::sync::Arc;

use super::{
    convert::timestamp,
    requests::{county_code, product_code},
};
use crate::{
    app::{App, Ctx},
    domain::{
        stock::{StockRecord, Timeliness, Warehouse},
        violations::Violations,
    },
    error::{Error, Result},
    proto,
};

pub(super) async fn check(
    app: &Arc<App>,
    ctx: &Ctx,
    request: proto::CheckStockRequest,
) -> Result<proto::CheckStockResponse> {
    let mut violations = Violations::default();
    let code = product_code(&request.product_code, &mut violations);
    let county = county_code(&request.county_code, &mut violations);
    let code = violations.into_result(code).map_err(Error::Invalid)?;
    // Without a violation there is a code.
    let code = code.ok_or_else(|| Error::Internal("a code neither read nor refused".into()))?;
    Ok(encode(app.stock_fetch(ctx, code, county).await?))
}

fn encode(record: StockRecord) -> proto::CheckStockResponse {
    let fullest = record.fullest().cloned().map(warehouse).unwrap_or_default();
    proto::CheckStockResponse {
        stock: record.stock(),
        product_code: record.code.into_string(),
        county_code: record.county.as_str().to_owned(),
        warehouse_code: fullest.warehouse_code,
        warehouse_grade: fullest.warehouse_grade,
        timeliness: fullest.timeliness,
        warehouses: record.warehouses.into_iter().map(warehouse).collect(),
        as_of: Some(timestamp(record.asked_at)),
    }
}

fn warehouse(warehouse: Warehouse) -> proto::Warehouse {
    proto::Warehouse {
        warehouse_code: warehouse.code.unwrap_or_default(),
        warehouse_grade: warehouse.grade.unwrap_or_default(),
        stock: warehouse.stock,
        timeliness: warehouse.timeliness.map(timeliness),
    }
}

fn timeliness(timeliness: Timeliness) -> proto::Timeliness {
    proto::Timeliness {
        cut_time: timeliness.cut_time.unwrap_or_default(),
        achieve_user_order_cut: timeliness.achieve_user_order_cut.unwrap_or_default(),
        hour: timeliness.hour.unwrap_or_default(),
        is_transfer: timeliness.is_transfer.unwrap_or(false),
    }
}
