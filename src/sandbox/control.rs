//! The controls under `/_sandbox/`: for tests and operators, never counted, never struck by a fault.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::catalogue_change::{ChangeFailure, Wanted};
use super::fault_input::read_faults;
use super::world::World;

/// Largest body of a control.
pub(super) const MAX_BODY: usize = 1 << 20;
/// That of a change of the catalogue: room for a million prices.
const MAX_CHANGE: usize = 64 << 20;

/// A control that was not understood or could not be carried out.
pub(super) struct Failure(pub(super) StatusCode, pub(super) String);

/// All controls.
pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_sandbox/stats", get(stats))
        .route(
            "/_sandbox/catalogue",
            get(show_product).post(change_catalogue).layer(DefaultBodyLimit::max(MAX_CHANGE)),
        )
        .route("/_sandbox/faults", get(list_faults).post(append_faults).delete(clear_faults))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn stats(State(world): State<Arc<World>>) -> Response<Body> {
    reply(Ok(world.throttle.stats()))
}

async fn list_faults(State(world): State<Arc<World>>) -> Response<Body> {
    reply(Ok(world.faults.list()))
}

async fn append_faults(State(world): State<Arc<World>>, body: Bytes) -> Response<Body> {
    let faults = read_faults(&body).map_err(|why| Failure(StatusCode::BAD_REQUEST, why));
    reply(faults.map(|faults| world.faults.append(faults)))
}

async fn clear_faults(State(world): State<Arc<World>>) -> Response<Body> {
    world.faults.clear();
    reply(Ok(world.faults.list()))
}

#[derive(Deserialize)]
struct Shown {
    #[serde(rename = "productCode")]
    product_code: Option<String>,
}

async fn show_product(State(world): State<Arc<World>>, Query(shown): Query<Shown>) -> Response<Body> {
    let catalogue = world.catalogue();
    match shown.product_code {
        Some(code) => reply(Exact::new(&world, code)),
        None => reply(Ok(json!({ "products": catalogue.listed() }))),
    }
}

async fn change_catalogue(State(world): State<Arc<World>>, body: Bytes) -> Response<Body> {
    let wanted = serde_json::from_slice::<Wanted>(&body)
        .map_err(|why| Failure(StatusCode::BAD_REQUEST, format!("the change was not understood: {why}")));
    let outcome = match wanted {
        Ok(wanted) => wanted.apply(&world).await.map_err(|why| match why {
            ChangeFailure::Refused(why) => Failure(StatusCode::BAD_REQUEST, why),
            ChangeFailure::NotKept(why) => {
                Failure(StatusCode::INTERNAL_SERVER_ERROR, format!("the state file cannot be written: {why}"))
            }
        }),
        Err(failure) => Err(failure),
    };
    reply(outcome)
}

/// A product as it is served, to the digit.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exact {
    product_code: String,
    withdrawn: bool,
    product: Option<Box<RawValue>>,
    price: Option<Box<RawValue>>,
}

impl Exact {
    fn new(world: &World, product_code: String) -> Result<Self, Failure> {
        let catalogue = world.catalogue();
        let Some(product) = catalogue.find_any(&product_code) else {
            let why = format!("product code {product_code:?} is not in the catalogue");
            return Err(Failure(StatusCode::NOT_FOUND, why));
        };
        if catalogue.is_withdrawn(&product) {
            return Ok(Self { product_code, withdrawn: true, product: None, price: None });
        }
        let (mut listed, mut priced) = (Vec::new(), Vec::new());
        catalogue.write_product(&product, &mut listed);
        catalogue.write_price(&product, &mut priced);
        let raw = |record: &[u8]| serde_json::from_slice(record).map(Some).map_err(|why| internal(&why));
        Ok(Self { product_code, withdrawn: false, product: raw(&listed)?, price: raw(&priced)? })
    }
}

fn internal(why: &serde_json::Error) -> Failure {
    Failure(StatusCode::INTERNAL_SERVER_ERROR, why.to_string())
}

/// A control's answer.
pub(super) fn reply(outcome: Result<impl Serialize, Failure>) -> Response<Body> {
    let text = outcome.and_then(|value| serde_json::to_string(&value).map_err(|why| internal(&why)));
    let (status, text) = match text {
        Ok(text) => (StatusCode::OK, text),
        Err(Failure(status, why)) => (status, json!({ "error": why }).to_string()),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
