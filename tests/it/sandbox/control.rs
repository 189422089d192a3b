//! The controls: changing the catalogue, keeping it, explaining mistakes.

use super::*;

#[tokio::test]
async fn a_price_that_is_set_is_served_to_the_digit() {
    let haier = Haier::start().await;
    let code = haier.codes(1).await.remove(0);
    let set = format!(
        r#"{{"prices":{{"{code}":{{"supplyPrice":1999.10,"rebateMoney":"0.00","stockRebatePolicy":"0.07","isSales":"0","reason":"缺货","marketPrice":null}}}}}}"#
    );
    let response = haier.request("POST", "/_sandbox/catalogue").body(set).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let price = haier.text(H2, &prices(std::slice::from_ref(&code))).await.replace('"', "");
    for part in
        ["supplyPrice:1999.10,", "invoicePrice:1859.163,", "rebateMoney:0.00,", "isSales:0,", "reason:缺货"]
    {
        assert!(price.contains(part), "{part} in {price}");
    }
    assert!(!price.contains("marketPrice"));
    let product = haier.json(H1, &products(Some(std::slice::from_ref(&code)))).await;
    assert_eq!(product[0]["noSalesReason"], "缺货");
    let shown =
        haier.request("GET", &format!("/_sandbox/catalogue?productCode={code}")).send().await.unwrap();
    let shown = shown.text().await.unwrap();
    assert!(shown.replace('"', "").contains(price.trim_matches(['[', ']'])), "{shown}");
}

#[tokio::test]
async fn no_web_page_uses_the_controls() {
    let haier = Haier::start().await;
    let address = haier.sandbox.addr();
    let own = format!("http://{address}");
    let fault = json!([{ "kind": "server_error", "endpoint": "H2" }]).to_string();
    let (json, form, text) = ("application/json", "application/x-www-form-urlencoded", "text/plain");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("content-type", json)], 200),
        // curl, and whoever says nothing.
        (&[("content-type", form)], 200),
        (&[], 200),
        (&[("content-type", json), ("origin", &own)], 200),
        (&[("content-type", json), ("sec-fetch-site", "same-origin"), ("origin", &own)], 200),
        (&[("content-type", json), ("host", "sandbox:18080")], 200),
        (&[("content-type", json), ("host", "[::1]:18080")], 200),
        (&[("content-type", text)], 415),
        (&[("content-type", form), ("origin", &own)], 415),
        (&[("content-type", json), ("origin", "http://evil.example")], 403),
        (&[("content-type", json), ("origin", "null")], 403),
        (&[("content-type", json), ("sec-fetch-site", "cross-site")], 403),
        (&[("content-type", json), ("sec-fetch-site", "same-site"), ("origin", &own)], 403),
        // A name that its owner lets lead to this machine.
        (
            &[
                ("content-type", json),
                ("host", "evil.example:18080"),
                ("origin", "http://evil.example:18080"),
            ],
            403,
        ),
    ];
    for (headers, expected) in cases {
        let mut request = haier.request("POST", "/_sandbox/faults").body(fault.clone());
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status, *expected, "{headers:?}");
    }
    let read = haier.request("GET", "/_sandbox/orders").header("host", "evil.example").send().await.unwrap();
    assert_eq!(read.status(), StatusCode::FORBIDDEN);
    let large =
        haier.request("POST", "/_sandbox/faults").body(" ".repeat((1 << 20) + 1)).send().await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn callbacks_are_sent_where_they_may_go_alone() {
    let haier = Haier::start().await;
    for (url, is_allowed) in [
        ("http://127.0.0.1:9/callbacks/ylh", true),
        ("http://[::1]:9/x", true),
        ("http://10.1.2.3/x", true),
        ("http://service:8081/callbacks/ylh", true),
        ("http://169.254.169.254/latest", false),
        ("http://8.8.8.8/x", false),
        ("https://example.com/x", false),
        ("file:///etc/passwd", false),
        ("nowhere", false),
    ] {
        let (status, answer) = haier.control("POST", "callbacks/url", &json!({ "url": url })).await;
        assert_eq!(status == StatusCode::OK, is_allowed, "{url}: {answer}");
        if !is_allowed {
            let by_hand = json!({ "platformOrderNo": "SO-1", "url": url });
            assert_eq!(
                haier.control("POST", "callbacks", &by_hand).await.0,
                StatusCode::BAD_REQUEST,
                "{url}"
            );
        }
    }
}

#[tokio::test]
async fn stock_that_is_set_is_served_for_every_county() {
    let haier = Haier::start().await;
    let code = haier.codes(1).await.remove(0);
    for (units, warehouses) in [(7, 1), (0, 0)] {
        haier.control("POST", "catalogue", &json!({ "stock": { &code: units } })).await;
        for county in ["110101", "310101"] {
            let answer = haier.json(H3, &stock(&code, county)).await;
            let answer = answer["data"].as_array().unwrap();
            assert_eq!(answer.len(), warehouses);
            for warehouse in answer {
                assert_eq!(warehouse["stock"].to_string().trim_matches('"'), units.to_string());
            }
        }
    }
}

#[tokio::test]
async fn products_are_added_withdrawn_and_restored() {
    let haier = Haier::start().await;
    let code = haier.codes(1).await.remove(0);
    let change = json!({ "withdraw": [code], "add": 3 });
    let (status, answer) = haier.control("POST", "catalogue", &change).await;
    assert_eq!((status, &answer["products"]), (StatusCode::OK, &json!(1002)));
    let listing = haier.listing().await;
    let listed: Vec<_> = listing.iter().map(|product| &product["productCode"]).collect();
    assert_eq!(listed.len(), 1002);
    assert!(!listed.contains(&&json!(code)));
    assert!(answer["added"].as_array().unwrap().iter().all(|added| listed.contains(&added)));
    assert_eq!(haier.json(H1, &products(Some(std::slice::from_ref(&code)))).await, json!([]));
    assert_eq!(haier.json(H2, &prices(std::slice::from_ref(&code))).await, json!([]));
    let path = format!("catalogue?productCode={code}");
    let (_, shown) = haier.control("GET", &path, &json!(null)).await;
    assert_eq!((&shown["withdrawn"], &shown["product"]), (&json!(true), &json!(null)));
    haier.control("POST", "catalogue", &json!({ "restore": [code] })).await;
    assert_eq!(haier.listing().await.len(), 1003);
}

#[tokio::test]
async fn changes_survive_a_restart_when_there_is_a_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let options = Options { state: Some(state.clone()), ..Options::default() };
    let haier = Haier::with(options.clone()).await;
    let codes = haier.codes(2).await;
    let change =
        json!({ "prices": { &codes[0]: { "supplyPrice": "12.3400" } }, "withdraw": [codes[1]], "add": 1 });
    assert_eq!(haier.control("POST", "catalogue", &change).await.0, StatusCode::OK);
    let (price, listing) = (haier.text(H2, &prices(&codes)).await, haier.listing().await);
    haier.sandbox.stop().await;

    let haier = Haier::with(options.clone()).await;
    assert!(price.contains("12.3400"));
    assert_eq!(haier.text(H2, &prices(&codes)).await, price);
    assert_eq!(haier.listing().await, listing);

    std::fs::write(&state, "{ not json").unwrap();
    let error = start(Options { addr: ([127, 0, 0, 1], 0).into(), ..options }).await.unwrap_err();
    assert!(error.to_string().contains("state.json"), "{error}");
}

#[tokio::test]
async fn bad_control_bodies_are_explained() {
    let haier = Haier::start().await;
    let code = haier.codes(1).await.remove(0);
    for (path, body, words) in [
        ("faults", json!([{ "kind": "explode" }]), &["explode", "truncated_json", "reset_after"][..]),
        ("faults", json!([{ "kind": "html", "endpoint": "H9" }]), &["H9", "H0, H1"]),
        ("faults", json!([{ "kind": "bad_picture", "endpoint": "H2" }]), &["H2", "H1"]),
        ("faults", json!([{ "kind": "html", "colour": 1 }]), &["colour", "probability"]),
        ("faults", json!([{ "kind": "html", "probability": 1.5 }]), &["probability", "1.5"]),
        ("faults", json!([{ "kind": "html", "count": 0 }]), &["count"]),
        ("faults", json!([{ "kind": "poison" }]), &["product_code"]),
        ("faults", json!([{ "kind": "booked_late", "endpoint": "Y2" }]), &["Y2", "Y1"]),
        ("faults", json!([{ "kind": "refuse_cancel", "product_code": "X" }]), &["product_code"]),
        ("faults", json!([{ "kind": "html", "endpoint": "H2", "so_id": "X" }]), &["so_id"]),
        ("callbacks", json!({ "state": 1 }), &["address"]),
        ("callbacks", json!({ "method": "explode" }), &["explode", "oostock"]),
        ("callbacks/url", json!({ "address": "x" }), &["address", "url"]),
        ("faults", json!([{ "kind": "html" }, { "endpoint": "H1" }]), &["kind"]),
        ("faults", json!({ "kind": "html" }), &["array"]),
        ("catalogue", json!({ "withdraw": ["NOSUCH"] }), &["NOSUCH"]),
        ("catalogue", json!({ "prices": { "NOSUCH": {} } }), &["NOSUCH"]),
        ("catalogue", json!({ "prices": { &code: { "price": 1 } } }), &["price", "supplyPrice"]),
        ("catalogue", json!({ "prices": { &code: { "supplyPrice": "cheap" } } }), &["supplyPrice", "cheap"]),
        ("catalogue", json!({ "prices": { &code: { "isSales": 2 } } }), &["isSales"]),
        ("catalogue", json!({ "stock": { "NOSUCH": 1 } }), &["NOSUCH"]),
        ("catalogue", json!({ "stock": { &code: -1 } }), &["-1"]),
        ("catalogue", json!({ "remove": [] }), &["remove", "withdraw"]),
        ("catalogue", json!({ "add": -1 }), &["-1"]),
    ] {
        let (status, answer) = haier.control("POST", path, &body).await;
        let why = answer["error"].as_str().unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(words.iter().all(|word| why.contains(word)), "{body}: {why}");
    }
    assert_eq!(haier.control("GET", "faults", &json!(null)).await.1, json!([]));
    assert_eq!(haier.listing().await.len(), 1000);
    let (status, _) = haier.control("GET", "catalogue?productCode=NOSUCH", &json!(null)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
