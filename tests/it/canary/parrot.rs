//! A Haier that says back what it was told.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{PERSONAL, canary};

/// A Haier that quotes everything it was told, in every way that an answer can be wrong.
pub(super) async fn parrot() -> String {
    async fn answer(
        State(count): State<&'static AtomicUsize>,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let phone = canary("phone number");
        if uri.path().contains("oauth") {
            let token = json!({ "access_token": canary("token of Haier"), "expires_in": 3600 });
            return token.to_string().into_response();
        }
        let body = String::from_utf8_lossy(&body);
        let secrets = ["client secret", "password", "seller's password", "customer's password"].map(canary);
        // What it was told of a customer it repeats too, and puts it where it was not asked for.
        let customer = PERSONAL.map(canary).join("，");
        let encoded: String = url::form_urlencoded::byte_serialize(secrets.join(" ").as_bytes()).collect();
        let words = format!(
            "no: {uri} {headers:?} {body} {secrets:?} {encoded} {} tel {phone} {customer}",
            STANDARD.encode(&*body)
        );
        let envelope = json!({ "success": false, "code": "500", "message": words, "data": body });
        // As a gateway may refuse: a call about an order with a word about its customer.
        let about = if uri.path().contains("retailorder") { &customer } else { "" };
        let named = json!({ "success": false, "message": format!("{about} {words}") }).to_string();
        match count.fetch_add(1, Ordering::Relaxed) % 11 {
            0 => (StatusCode::BAD_REQUEST, envelope.to_string()).into_response(),
            1 => (StatusCode::INTERNAL_SERVER_ERROR, words).into_response(),
            2 => envelope.to_string().into_response(),
            3 => {
                let wrong = |value: &str| json!({ "productCode": "AA1", "isSales": value, "supplyPrice": value, "stock": value });
                let records: Vec<_> =
                    secrets.iter().chain([&phone, &canary("token of Haier")]).map(|v| wrong(v)).collect();
                json!(records).to_string().into_response()
            }
            4 => (StatusCode::FORBIDDEN, format!("<html>{words}</html>")).into_response(),
            5 => (StatusCode::FORBIDDEN, named).into_response(),
            6 => (StatusCode::NOT_FOUND, named).into_response(),
            7 => (StatusCode::TOO_MANY_REQUESTS, named).into_response(),
            8 => (StatusCode::INTERNAL_SERVER_ERROR, named).into_response(),
            9 => (StatusCode::SERVICE_UNAVAILABLE, named).into_response(),
            _ => format!("[{{\"productCode\": \"AA1\", \"words\": {words}").into_response(),
        }
    }
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        async move { axum::serve(listener, Router::new().fallback(answer).with_state(&COUNT)).await },
    );
    format!("http://{address}")
}
