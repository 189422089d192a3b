//! The open platform's endpoints: what each requires and what it answers to a call that nothing goes wrong with.

use serde_json::json;

use axum::http::StatusCode;

use super::answer::{Answer, Record, Wrap};
use super::catalogue::{Catalogue, Product};
use super::endpoint::{Endpoint, System};
use super::request::{Fields, Refusal, bad};
use super::world::World;
use super::{CLIENT_ID, CLIENT_SECRET, CUSTOMER_CODES, PASSWORD, StockShape, balance, shanghai, stock};

/// Answers one call.
pub(super) fn answer(world: &World, endpoint: Endpoint, fields: &Fields) -> Result<Answer, Refusal> {
    match endpoint {
        Endpoint::Token => token(world, fields),
        Endpoint::Products => products(world, fields),
        Endpoint::Prices => prices(world, fields),
        Endpoint::Stock => stock(world, fields),
        Endpoint::Logistics => logistics(world, fields),
        Endpoint::Balance => balance(world, fields),
        _ => Err(bad("接口不属于开放平台")),
    }
}

fn token(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    fields.one_of("grant_type", &["client_credentials"])?;
    if fields.text("client_id")? != CLIENT_ID || fields.text("client_secret")? != CLIENT_SECRET {
        let message = "认证失败：client_id或client_secret不正确".to_owned();
        return Err(Refusal { status: StatusCode::UNAUTHORIZED, message });
    }
    let tokens = world.tokens(System::Openplat);
    Ok(Answer::Whole(json!({
        "access_token": tokens.issue(),
        "expires_in": tokens.life().as_secs(),
        "token_type": "Bearer",
    })))
}

fn products(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    fields.one_of("customerCode", &CUSTOMER_CODES)?;
    if fields.text("supplierCode")? == "1001" {
        fields.text("sendToCode")?;
    }
    fields.one_of("searchType", &["PTJSH"])?;
    fields.one_of("passWord", &[PASSWORD])?;
    let Some(codes) = fields.codes("productCodes")? else { return Ok(Answer::Listing) };
    let records = found(&world.catalogue(), &codes, Catalogue::write_product);
    Ok(Answer::Records { records, wrap: world.wrap() })
}

fn prices(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    fields.one_of("customerCode", &CUSTOMER_CODES)?;
    fields.text("sendToCode")?;
    fields.one_of("priceType", &["PT"])?;
    fields.one_of("passWord", &[PASSWORD])?;
    let codes = fields.codes("productCodes")?.ok_or_else(|| bad("参数错误：productCodes不能为空"))?;
    let records = found(&world.catalogue(), &codes, Catalogue::write_price);
    Ok(Answer::Records { records, wrap: world.wrap() })
}

fn found(
    catalogue: &Catalogue,
    codes: &[String],
    write: impl Fn(&Catalogue, &Product, &mut Vec<u8>),
) -> Vec<Record> {
    let products = codes.iter().filter_map(|code| catalogue.find(code));
    products
        .map(|product| {
            let mut record = Vec::with_capacity(512);
            write(catalogue, &product, &mut record);
            (product.code.as_str().to_owned(), record)
        })
        .collect()
}

fn stock(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    fields.one_of("salesCode", &CUSTOMER_CODES)?;
    fields.text("senderCode")?;
    fields.one_of("source", &["JSH-B"])?;
    fields.one_of("sellerPassword", &[PASSWORD])?;
    let code = fields.text("productCode")?;
    let county = fields.text("countyCode")?;
    if county.len() != 6 || !county.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("参数错误：countyCode应为六位国标区县编码"));
    }
    let catalogue = world.catalogue();
    let warehouses = catalogue.find(code).map(|product| stock::warehouses(&catalogue, &product, county));
    let mut warehouses = warehouses.unwrap_or_default();
    let wrap = match world.stock_shape {
        StockShape::List => Wrap::Envelope,
        StockShape::Object => Wrap::Single,
    };
    if wrap == Wrap::Single && warehouses.is_empty() {
        warehouses.push(json!({ "stock": "0" }));
    }
    let records =
        warehouses.iter().map(|warehouse| (code.to_owned(), warehouse.to_string().into_bytes())).collect();
    Ok(Answer::Records { records, wrap })
}

fn logistics(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    let order_code = fields.text("orderCode")?;
    fields.optional_integer("memberId")?;
    fields.one_of("sellerCode", &CUSTOMER_CODES)?;
    fields.one_of("sellerPassword", &[PASSWORD])?;
    Ok(Answer::Whole(world.parcels.track(world.seed, order_code, shanghai::now())))
}

fn balance(world: &World, fields: &Fields) -> Result<Answer, Refusal> {
    let customer = fields.one_of("customerCode", &CUSTOMER_CODES)?;
    fields.first_of(&["customerPassword", "passWord"], &[PASSWORD])?;
    let balances = balance::balances(world.seed, customer);
    let records = balances.iter().map(|balance| (String::new(), balance.to_string().into_bytes())).collect();
    Ok(Answer::Records { records, wrap: Wrap::Bare })
}
