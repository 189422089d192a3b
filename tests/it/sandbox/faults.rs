//! Every fault does what it says, where it is meant to, as often as it is meant to.

use super::*;
use std::time::Instant;

#[tokio::test]
async fn faults_of_status_answer_with_that_status() {
    let haier = Haier::with(Options { throttle: None, ..Options::default() }).await;
    for (kind, status, retry_after, content) in [
        ("forbidden", 403, false, "白名单"),
        ("not_found", 404, false, "接口"),
        ("request_timeout", 408, false, "请求超时"),
        ("throttled", 429, true, "频繁"),
        ("throttled_without_retry_after", 429, false, "频繁"),
        ("server_error", 500, false, "系统异常"),
        ("bad_gateway", 502, false, "<html>"),
        ("unavailable", 503, false, "服务"),
        ("gateway_timeout", 504, false, "<html>"),
        ("html", 200, false, "<html>"),
        ("error_body", 200, false, r#""success":false"#),
    ] {
        haier.fault(&json!({ "kind": kind })).await;
        for response in [haier.call(H5, &balance()).await, haier.ask_token("/oauth2/auth", "sandbox").await] {
            assert_eq!(response.status().as_u16(), status, "{kind}");
            assert_eq!(response.headers().contains_key("Retry-After"), retry_after, "{kind}");
            assert!(response.text().await.unwrap().contains(content), "{kind}");
        }
    }
}

#[tokio::test]
async fn unauthorized_voids_the_token_until_the_next_one() {
    let mut haier = Haier::start().await;
    haier.fault(&json!({ "kind": "unauthorized", "count": 1 })).await;
    assert_eq!(haier.call(H5, &balance()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(haier.call(H5, &balance()).await.status(), StatusCode::UNAUTHORIZED);
    haier.authenticate().await;
    assert_eq!(haier.call(H5, &balance()).await.status(), StatusCode::OK);
    haier.fault(&json!({ "kind": "unauthorized", "endpoint": "H0" })).await;
    assert_eq!(haier.ask_token("/oauth2/auth", "sandbox").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn slow_and_hanging_answers_take_their_time() {
    let haier = Haier::start().await;
    haier.fault(&json!({ "kind": "latency", "delay_ms": 80 })).await;
    let start = Instant::now();
    haier.json(H5, &balance()).await;
    assert!(start.elapsed() >= Duration::from_millis(80));
    haier.fault(&json!({ "kind": "hang" })).await;
    let waited = haier.post(H5, &balance()).timeout(Duration::from_millis(100)).send().await;
    assert!(waited.unwrap_err().is_timeout());
}

#[tokio::test]
async fn connections_break_before_or_within_the_answer() {
    let haier = Haier::start().await;
    haier.fault(&json!({ "kind": "reset_before" })).await;
    let error = haier.post(H5, &balance()).send().await.unwrap_err();
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    haier.fault(&json!({ "kind": "reset_after" })).await;
    let mut response = haier.call(H5, &balance()).await;
    let announced = response.content_length().unwrap() as usize;
    let mut received = 0;
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert_eq!((broken, received), (true, announced / 2));
}

#[tokio::test]
async fn a_hang_may_end_and_then_the_connection_is_reset() {
    let haier = Haier::start().await;
    haier.fault(&json!({ "kind": "hang", "delay_ms": 60 })).await;
    let start = Instant::now();
    let error = haier.post(H5, &balance()).send().await.unwrap_err();
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_lost_answer_was_acted_on_and_a_reset_request_was_not() {
    let haier = Haier::with(Options { single_token: true, ..Options::default() }).await;
    let lose = async |kind| {
        haier.fault(&json!({ "kind": kind, "endpoint": "H0", "count": 1 })).await;
        let body =
            json!({ "client_id": "sandbox", "client_secret": "sandbox", "grant_type": "client_credentials" });
        let error = haier.post("/oauth2/auth", &body).send().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{kind}: {error:?}");
        haier.call(H5, &balance()).await.status()
    };
    assert_eq!(lose("reset_before").await, StatusCode::OK);
    // The new token was made, though nobody learned it, and it alone lives.
    assert_eq!(lose("lost_answer").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn with_after_calls_a_token_is_voided_only_once_it_has_served() {
    let mut haier = Haier::start().await;
    haier.fault(&json!({ "kind": "unauthorized", "after_calls": 3 })).await;
    for _ in 0..2 {
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(haier.call(H5, &balance()).await.status().as_u16());
        }
        assert_eq!(seen, [200, 200, 200, 401, 401]);
        haier.authenticate().await;
    }
}

#[tokio::test]
async fn fields_without_a_value_are_left_out_or_null() {
    let haier = Haier::with(Options { throttle: None, ..Options::default() }).await;
    let nulls = |rows: &[Value]| {
        let fields = rows.iter().flat_map(|row| row.as_object().unwrap().iter());
        let null = fields.filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone());
        null.collect::<std::collections::BTreeSet<_>>()
    };
    let codes = haier.codes(400).await;
    let all = async || {
        let mut rows = haier.listing().await;
        for some in codes.chunks(20) {
            rows.extend(haier.json(H2, &prices(some)).await.as_array().unwrap().clone());
        }
        rows
    };
    assert!(nulls(&all().await).is_empty());
    haier.fault(&json!({ "kind": "null_fields" })).await;
    let expected = [
        "invoicePrice",
        "marketPrice",
        "noSalesReason",
        "productLageUrls",
        "productName",
        "reason",
        "supplyPrice",
    ];
    assert!(nulls(&all().await).iter().eq(expected.iter()));
}

#[tokio::test]
async fn truncated_json_ends_politely_in_the_middle() {
    let haier = Haier::start().await;
    haier.fault(&json!({ "kind": "truncated_json" })).await;
    for (path, body) in [(H1, products(None)), (H5, balance()), (H4, logistics("SO.1"))] {
        let text = haier.text(path, &body).await;
        assert!(serde_json::from_str::<Value>(&text).unwrap_err().is_eof(), "{path}");
    }
}

#[tokio::test]
async fn a_cut_listing_breaks_off_in_mid_record_after_about_half() {
    let haier = Haier::with(Options { products: 5_000, ..Options::default() }).await;
    let whole = haier.text(H1, &products(None)).await;
    haier.fault(&json!({ "kind": "cut_listing" })).await;
    let mut response = haier.call(H1, &products(None)).await;
    let mut received = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken);
    assert!(whole.as_bytes().starts_with(&received));
    assert!(
        (whole.len() * 2 / 5..whole.len() * 3 / 5).contains(&received.len()),
        "{} of {}",
        received.len(),
        whole.len()
    );
    assert!(!received.ends_with(b"}") && !received.ends_with(b","));
    // A call by code is no listing.
    assert_eq!(haier.call(H1, &products(Some(&["GA0000000".to_owned()]))).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn damaged_records_are_damaged_in_listing_lookup_and_price() {
    let haier = Haier::with(Options { throttle: None, ..Options::default() }).await;
    let codes = haier.codes(4).await;
    let at = |answer: &Value, code: &str| -> Vec<Value> {
        answer.as_array().unwrap().iter().filter(|row| row["productCode"] == code).cloned().collect()
    };
    for named in [true, false] {
        for kind in ["wrong_type", "unknown_field", "missing_products", "duplicate_rows", "bad_picture"] {
            // Without a name the first is meant, and of the missing the last.
            let listed = json!(haier.listing().await);
            let mut fault = json!({ "kind": kind });
            if named {
                fault["product_code"] = json!(codes[2]);
            }
            haier.control("DELETE", "faults", &json!(null)).await;
            let usual = haier.json(H2, &prices(&codes)).await;
            haier.fault(&fault).await;
            let last = listed[999]["productCode"].as_str().unwrap();
            let of = |size: usize| match (named, kind) {
                (true, _) => codes[2].as_str(),
                (false, "missing_products") if size == 1000 => last,
                (false, "missing_products") => codes[3].as_str(),
                (false, _) => codes[0].as_str(),
            };
            let listing = json!(haier.listing().await);
            for (answer, size) in [(listing, 1000), (haier.json(H1, &products(Some(&codes))).await, 4)] {
                let rows = at(&answer, of(size));
                let others = answer.as_array().unwrap().len() - rows.len();
                assert_eq!(others, size - 1, "{kind}");
                match kind {
                    "wrong_type" => assert!(rows[0]["isSales"].is_object()),
                    "unknown_field" => assert!(rows[0]["newFieldOfTheSupplier"].is_object()),
                    "missing_products" => assert!(rows.is_empty()),
                    "duplicate_rows" => assert_eq!((rows.len(), &rows[0]), (2, &rows[1])),
                    _ => assert_eq!(rows[0]["productImageUrl"], "not a url"),
                }
            }
            let priced = haier.json(H2, &prices(&codes)).await;
            let rows = at(&priced, of(4));
            match kind {
                "wrong_type" => assert_eq!(rows[0]["supplyPrice"], "abc"),
                "unknown_field" => assert!(rows[0]["newFieldOfTheSupplier"].is_object()),
                "missing_products" => assert!(rows.is_empty() && priced.as_array().unwrap().len() == 3),
                "duplicate_rows" => assert_eq!(rows.len(), 2),
                _ => assert_eq!(priced, usual),
            }
            haier.control("DELETE", "faults", &json!(null)).await;
        }
    }
}

#[tokio::test]
async fn an_empty_answer_has_no_record() {
    let haier = Haier::start().await;
    let codes = haier.codes(2).await;
    haier.fault(&json!({ "kind": "empty" })).await;
    for (path, body) in
        [(H1, products(None)), (H1, products(Some(&codes))), (H2, prices(&codes)), (H5, balance())]
    {
        assert_eq!(haier.json(path, &body).await, json!([]));
    }
    let stock = haier.json(H3, &stock(&codes[0], "110101")).await;
    assert_eq!(stock["data"], json!([]));
}

#[tokio::test]
async fn poison_refuses_every_batch_that_holds_it() {
    let haier = Haier::start().await;
    let codes = haier.codes(3).await;
    haier.fault(&json!({ "endpoint": "H2", "kind": "poison", "product_code": codes[1] })).await;
    assert_eq!(haier.call(H2, &prices(&codes)).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(haier.call(H2, &prices(&codes[1..2])).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(haier.call(H2, &prices(&codes[..1])).await.status(), StatusCode::OK);
    assert_eq!(haier.call(H1, &products(Some(&codes))).await.status(), StatusCode::OK);
    assert_eq!(haier.listing().await.len(), 1000);
}

#[tokio::test]
async fn a_fault_is_spent_after_its_count_and_repeats_with_its_seed() {
    let haier = Haier::with(Options { throttle: None, ..Options::default() }).await;
    haier.fault(&json!({ "endpoint": "H5", "kind": "server_error", "count": 2 })).await;
    let codes = haier.codes(1).await;
    haier.json(H2, &prices(&codes)).await;
    for status in [500, 500, 200, 200] {
        assert_eq!(haier.call(H5, &balance()).await.status(), status);
    }
    let (_, faults) = haier.control("GET", "faults", &json!(null)).await;
    assert_eq!((&faults[0]["count"], &faults[0]["hits"]), (&json!(0), &json!(2)));
    let mut runs = Vec::new();
    for _ in 0..2 {
        haier.fault(&json!({ "kind": "server_error", "probability": 0.3 })).await;
        let mut run = Vec::new();
        for _ in 0..60 {
            run.push(haier.call(H5, &balance()).await.status().as_u16());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert!((5..35).contains(&runs[0].iter().filter(|status| **status == 500).count()));
}
