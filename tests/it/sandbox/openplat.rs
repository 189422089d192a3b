//! Tokens, throttle, field checks, stock, logistics, balance.

use super::*;
use crate::support::within;
use haier_integration::sandbox::StockShape;
use std::time::Instant;

#[tokio::test]
async fn wrong_credentials_get_no_token() {
    let haier = Haier::start().await;
    for path in ["/oauth2/auth", "/oauth2/token"] {
        let refused = haier.ask_token(path, "wrong").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(refused.json::<Value>().await.unwrap()["success"], false);
        let answer: Value = haier.ask_token(path, "sandbox").await.json().await.unwrap();
        assert_eq!((&answer["expires_in"], &answer["token_type"]), (&json!(3600), &json!("Bearer")));
    }
    let form = "client_id=sandbox&client_secret=sandbox&grant_type=client_credentials";
    let request = haier.request("POST", "/oauth2/token").body(form);
    let response = request.header("Content-Type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_token_is_taken_bare_and_with_its_scheme() {
    let haier = Haier::start().await;
    for (header, status) in [
        (haier.token.clone(), StatusCode::OK),
        (format!("Bearer {}", haier.token), StatusCode::OK),
        ("Bearer unknown".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        let request = haier.request("POST", H5).header("Authorization", header).json(&balance());
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let haier = Haier::with(Options { token_life: Duration::ZERO, ..Options::default() }).await;
    assert_eq!(haier.call(H5, &balance()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn only_the_newest_token_lives_when_asked_so() {
    for (single_token, status) in [(false, StatusCode::OK), (true, StatusCode::UNAUTHORIZED)] {
        let mut haier = Haier::with(Options { single_token, ..Options::default() }).await;
        let old = haier.token.clone();
        haier.authenticate().await;
        assert_eq!(haier.call(H5, &balance()).await.status(), StatusCode::OK);
        haier.token = old;
        assert_eq!(haier.call(H5, &balance()).await.status(), status);
    }
}

#[tokio::test]
async fn calls_above_the_limit_are_refused_and_counted() {
    let haier = Haier::with(Options { throttle: Some(5), ..Options::default() }).await;
    let start = Instant::now();
    let mut refused = 0;
    for _ in 0..6 {
        let response = haier.call(H5, &balance()).await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(response.headers()["Retry-After"], "1");
            assert_eq!(response.json::<Value>().await.unwrap()["success"], false);
            refused += 1;
        }
    }
    let (_, stats) = haier.control("GET", "stats", &json!(null)).await;
    assert_eq!(
        (&stats["endpoints"]["H5"]["calls"], &stats["endpoints"]["H0"]["calls"]),
        (&json!(6), &json!(1))
    );
    assert_eq!(stats["rejected"], refused);
    assert_eq!(stats["max_in_any_second"]["ylh"], 0);
    // With the token call seven came; on a machine that stalls they may not have come within one second.
    if start.elapsed() < Duration::from_millis(700) {
        assert_eq!((refused, &stats["max_in_any_second"]["openplat"]), (2, &json!(7)));
        assert_eq!(stats["endpoints"]["H5"]["max_in_any_second"], 6);
    }
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let haier = Haier::start().await;
    let codes = haier.codes(1).await;
    let too_many: Vec<_> = (0..21).map(|n| format!("GA{n:07}")).collect();
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    for (path, body, field) in [
        (H1, with(products(None), "customerCode", json!("1")), "customerCode"),
        (H1, with(products(None), "sendToCode", json!(null)), "sendToCode"),
        (H1, with(products(None), "searchType", json!("X")), "searchType"),
        (H1, with(products(None), "passWord", json!("wrong")), "passWord"),
        (H1, products(Some(&too_many)), "productCodes"),
        (H2, prices(&too_many), "productCodes"),
        (H2, prices(&[]), "productCodes"),
        (H2, with(prices(&codes), "priceType", json!(7)), "priceType"),
        (H3, stock(&codes[0], "1101"), "countyCode"),
        (H3, with(stock(&codes[0], "110101"), "sellerPassword", json!("")), "sellerPassword"),
        (H4, with(logistics("SO.1"), "sellerCode", json!("9")), "sellerCode"),
        (H5, with(balance(), "customerPassword", json!("wrong")), "customerPassword"),
    ] {
        let response = haier.call(path, &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!(400)));
        assert!(answer["message"].as_str().unwrap().contains(field), "{answer}");
    }
    let broken =
        haier.request("POST", H1).header("Authorization", &haier.token).body("{").send().await.unwrap();
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn stock_is_the_same_every_time_and_differs_by_county() {
    let haier = Haier::with(Options { throttle: None, ..Options::default() }).await;
    let mut seen = [false; 4];
    for code in haier.codes(40).await {
        let answer = haier.json(H3, &stock(&code, "110101")).await;
        assert_eq!(answer, haier.json(H3, &stock(&code, "110101")).await);
        let warehouses = answer["data"].as_array().unwrap();
        seen[warehouses.len()] = true;
        for warehouse in warehouses {
            assert!(
                warehouse["secCode"].is_string()
                    && ["0", "1"].contains(&warehouse["warehouseGrade"].as_str().unwrap())
            );
            assert!(
                warehouse["stock"].is_u64() || warehouse["stock"].as_str().unwrap().parse::<u64>().is_ok()
            );
        }
    }
    assert_eq!(seen, [true; 4]);
    let object = Options { stock_shape: StockShape::Object, ..Options::default() };
    let haier = Haier::with(object).await;
    let code = &haier.codes(1).await[0];
    assert!(!haier.json(H3, &stock(code, "110101")).await["stock"].is_null());
    let counties = ["110101", "310101", "440103", "370202"];
    let mut answers = Vec::new();
    for county in counties {
        answers.push(haier.json(H3, &stock(code, county)).await.to_string());
    }
    answers.dedup();
    assert!(answers.len() > 1);
}

#[tokio::test]
async fn logistics_and_balance_have_their_shapes() {
    let haier = Haier::start().await;
    let answer = haier.json(H4, &logistics("SO.20190106.000003")).await;
    for array in [
        "getAllLogisticsInfoByOrderCode",
        "getStockDeliveryLogisticsRecord",
        "getStockDeliveryLogisticsRecordThirdparty",
    ] {
        assert!(answer[array].is_array(), "{answer}");
    }
    let balances = haier.json(H5, &balance()).await;
    assert!(balances[0]["payerAccountCode"].as_str().unwrap().starts_with("8800000001"), "{balances}");
    let balance = balances[0]["payerAccountBalance"].to_string();
    assert!(balance.trim_matches('"').parse::<f64>().is_ok(), "{balances}");
}

#[tokio::test]
async fn latency_is_added_to_every_call() {
    let latency = Duration::from_millis(50);
    let haier = Haier::with(Options { latency, ..Options::default() }).await;
    let start = Instant::now();
    haier.json(H5, &balance()).await;
    assert!(start.elapsed() >= latency);
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let haier = Haier::start().await;
    let addr = haier.sandbox.addr();
    let error = start(Options { addr, ..Options::default() }).await.unwrap_err();
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_call_that_hangs() {
    let haier = Haier::start().await;
    haier.fault(&json!({ "endpoint": "H5", "kind": "hang" })).await;
    // It would hang for longer than a test may wait for anything.
    let call = haier.post(H5, &balance()).timeout(Duration::from_secs(3_600));
    let hanging = tokio::spawn(call.send());
    let arrived = async { while haier.control("GET", "faults", &json!(null)).await.1[0]["hits"] != 1 {} };
    within(arrived).await;
    within(haier.sandbox.stop()).await;
    assert!(hanging.await.unwrap().is_err());
}
