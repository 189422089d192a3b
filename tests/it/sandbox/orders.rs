//! The order system: its token, every rule of a push, and the book, which forgets nothing.

use super::{
    ylh::{END_OF_DAY, Y0, Y1, Y2, Y3, Y4, Y5, Ylh, refused},
    *,
};
use crate::processes::Running;

#[tokio::test]
async fn a_token_is_for_the_right_client_user_and_system() {
    let ylh = Ylh::start().await;
    for suffix in ["", "-dev", "-pre"] {
        let path = Y0.replace("-dev", suffix);
        let answer: Value = ylh.ask_token(&path, "sandbox", "sandbox").await.json().await.unwrap();
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(3600)));
    }
    for (client, user) in [("wrong", "sandbox"), ("sandbox", "wrong")] {
        assert_eq!(ylh.ask_token(Y0, client, user).await.status(), StatusCode::UNAUTHORIZED);
    }
    let form = "grant_type=password&username=sandbox&password=sandbox";
    let request = ylh.haier.request("POST", Y0).basic_auth("sandbox", Some("sandbox")).body(form);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let response = request.try_clone().unwrap().send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let response = request.header("system-name", "ylh-open-api").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let request = ylh.haier.request("POST", Y0).header("system-name", "ylh-open-api").body(form);
    let request = request.header("Authorization", "basic c2FuZGJveDpzYW5kYm94");
    let request = request.header("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    let json = json!({ "grant_type": "password", "username": "sandbox", "password": "sandbox" });
    let request = ylh.haier.request("POST", Y0).basic_auth("sandbox", Some("sandbox")).json(&json);
    let response = request.header("system-name", "ylh-open-api").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_call_needs_a_token_of_this_system_behind_its_type() {
    let mut ylh = Ylh::start().await;
    let good = ylh.authorization.clone();
    let bare = good.split_once(' ').unwrap().1.to_owned();
    let foreign = format!("bearer {}", ylh.haier.token);
    for (authorization, status) in [(bare, 401), (foreign, 401), ("bearer x".to_owned(), 401), (good, 200)] {
        ylh.authorization = authorization;
        let status_of = ylh.post(Y1, &ylh.order("SO-1")).send().await.unwrap().status();
        assert_eq!(status_of.as_u16(), status, "{}", ylh.authorization);
    }
    let old = ylh.authorization.clone();
    ylh.authenticate().await;
    for (single_token, status) in [(false, 200), (true, 401)] {
        let mut ylh = Ylh::with(Options { single_token, ..Options::default() }).await;
        let old = ylh.authorization.clone();
        ylh.haier.authenticate().await;
        assert_eq!(
            ylh.push(&ylh.order("SO-2")).await["success"],
            true,
            "one system's token voided the other's"
        );
        ylh.authenticate().await;
        ylh.authorization = old;
        assert_eq!(ylh.post(Y1, &ylh.order("SO-3")).send().await.unwrap().status().as_u16(), status);
    }
    assert_ne!(old, ylh.authorization);
    let haier = Haier::with(Options { token_life: Duration::ZERO, ..Options::default() }).await;
    let mut ylh = Ylh { haier, authorization: String::new(), code: String::new() };
    ylh.authenticate().await;
    assert_eq!(ylh.post(Y1, &ylh.order("SO-4")).send().await.unwrap().status().as_u16(), 401);
}

#[tokio::test]
async fn a_push_is_booked_once_for_ever_whoever_repeats_it() {
    let ylh = Ylh::start().await;
    let order = ylh.order("SO-1");
    let answer = ylh.push(&order).await;
    let number = answer["data"]["retailOrderNo"].as_str().unwrap().to_owned();
    assert_eq!(
        answer,
        json!({ "success": true, "code": 200, "message": "成功", "data": { "retailOrderNo": number, "soId": "SO-1" } })
    );
    let mut other = order.clone();
    other["sellerCode"] = json!("8800000002");
    other["consigneeName"] = json!("李雷");
    let mut faulty = order.clone();
    faulty["consigneeMobile"] = json!("110");
    // Not even what could not be ordered any more hides that it was.
    ylh.haier.control("POST", "catalogue", &json!({ "withdraw": [ylh.code] })).await;
    for again in [&order, &other, &faulty] {
        let message = refused(&ylh.push(again).await, 409);
        assert!(
            message.contains("重复") && message.contains("已存在") && message.contains("SO-1"),
            "{message}"
        );
    }
    let booked = ylh.only().await;
    for (field, value) in [
        ("soId", json!("SO-1")),
        ("onlineNo", json!("ON-1")),
        ("retailOrderNo", json!(number)),
        ("sellerCode", json!("8800000001")),
        ("state", json!("confirmed")),
        ("received", json!(4)),
        ("bodies", json!(3)),
        ("totalAmt", json!("4000.00")),
    ] {
        assert_eq!(booked[field], value, "{field}");
    }
    assert!(!ylh.book().await.to_string().contains("王小明"));
    ylh.haier.control("POST", "catalogue", &json!({ "restore": [ylh.code] })).await;
    assert_eq!(ylh.push(&ylh.order("SO-2")).await["success"], true);
    let twin = Ylh::start().await;
    assert_eq!(twin.push(&twin.order("SO-1")).await["data"]["retailOrderNo"], number.as_str());
}

#[tokio::test]
async fn every_rule_of_a_push_is_checked() {
    let ylh = Ylh::with(Options { throttle: None, ..Options::default() }).await;
    let changed = |path: &str, value: Value| {
        let mut order = ylh.order("SO-1");
        match path.strip_prefix("item.") {
            Some(field) => order["itemList"][1][field] = value,
            None => order[path] = value,
        }
        order
    };
    let wrong = [
        ("sellerCode", json!("8800000003")),
        ("consigneeMobile", json!("1380013800")),
        ("consigneeMobile", json!("23800138000")),
        ("totalQty", json!(3)),
        ("totalQty", json!("2")),
        ("totalAmt", json!(3999.99)),
        ("totalAmt", json!("viertausend")),
        ("createTime", json!(1_767_225_600)),
        ("createTime", json!("1767225600123")),
        ("distributionTime", json!(END_OF_DAY - 1)),
        ("distributionTime", json!(END_OF_DAY / 1000)),
        ("installTime", json!(END_OF_DAY + 8 * 3_600_000)),
        ("deliveryInstall", json!("false")),
        ("deliveryInstall", json!(true)),
        ("governmentOrder", json!("true")),
        ("remark", json!(1)),
        ("town", json!(1)),
        ("itemList", json!([])),
        ("itemList", json!(["GA0000000"])),
        ("item.productCode", json!("NOSUCH")),
        ("item.itemQty", json!(2)),
        ("item.retailPrice", json!(-1)),
        ("item.discountAmount", json!(null)),
        ("item.actualPrice", json!("0.00001")),
        ("item.isGift", json!("no")),
    ];
    let required = "sourceSystem shopName sellerCode consigneeName consigneeMobile onlineNo soId totalQty totalAmt \
                    createTime province city area detailAddress deliveryInstall itemList item.productCode \
                    item.itemQty item.retailPrice item.discountAmount item.actualPrice";
    let missing = required.split_whitespace().map(|path| (path, json!(null)));
    for (path, value) in wrong.into_iter().chain(missing) {
        let message = refused(&ylh.push(&changed(path, value.clone())).await, 400);
        assert!(message.contains(path.trim_start_matches("item.")), "{path} {value}: {message}");
    }
    let all = refused(&ylh.push(&json!({})).await, 400);
    assert!(["soId", "itemList", "totalAmt", "province"].iter().all(|field| all.contains(field)), "{all}");
    assert_eq!(ylh.book().await["orders"], json!([]));
    for (distribution, install, told) in [
        (json!(null), json!(null), "false"),
        (json!(END_OF_DAY), json!(null), "false"),
        (json!(END_OF_DAY), json!(END_OF_DAY + 86_400_000), "false"),
    ] {
        let mut order = changed("distributionTime", distribution);
        order["installTime"] = install;
        order["deliveryInstall"] = json!(told);
        order["soId"] = json!(format!("{}", order["installTime"]) + &order["distributionTime"].to_string());
        assert_eq!(ylh.push(&order).await["success"], true, "{order}");
    }
}

#[tokio::test]
async fn an_order_is_cancelled_once() {
    let ylh = Ylh::start().await;
    ylh.push(&ylh.order("SO-1")).await;
    for (field, value) in [
        ("soId", json!(null)),
        ("cancelReason", json!(null)),
        ("sourceSystem", json!("")),
        ("cancelTime", json!(1_767_225_600_123_i64)),
        ("cancelTime", json!("1767225600")),
    ] {
        let mut wrong = ylh.cancellation("SO-1");
        wrong[field] = value;
        assert!(refused(&ylh.call(Y2, &wrong).await, 400).contains(field));
    }
    assert!(refused(&ylh.call(Y2, &ylh.cancellation("SO-2")).await, 404).contains("SO-2"));
    let answer = ylh.call(Y2, &ylh.cancellation("SO-1")).await;
    assert_eq!((&answer["success"], &answer["data"]["soId"]), (&json!(true), &json!("SO-1")));
    assert_eq!(ylh.only().await["state"], "cancelled");
    assert!(refused(&ylh.call(Y2, &ylh.cancellation("SO-1")).await, 409).contains("已取消"));
    assert!(refused(&ylh.push(&ylh.order("SO-1")).await, 409).contains("重复"));
}

#[tokio::test]
async fn an_order_is_rescheduled_by_the_suppliers_number() {
    let ylh = Ylh::start().await;
    let number = ylh.push(&ylh.order("SO-1")).await["data"]["retailOrderNo"].clone();
    let next_day = END_OF_DAY + 86_400_000;
    let times = json!({ "retailOrderNo": number, "installTime": next_day });
    assert_eq!(ylh.call(Y3, &times).await["success"], true);
    let order = ylh.only().await;
    assert_eq!((&order["distributionTime"], &order["installTime"]), (&json!(END_OF_DAY), &json!(next_day)));
    for (body, code, word) in [
        (json!({ "retailOrderNo": number }), 400, "distributionTime"),
        (json!({ "retailOrderNo": number, "distributionTime": next_day - 1000 }), 400, "23:59:59"),
        (json!({ "installTime": next_day }), 400, "retailOrderNo"),
        (json!({ "retailOrderNo": "SO-1", "installTime": next_day }), 404, "SO-1"),
    ] {
        assert!(refused(&ylh.call(Y3, &body).await, code).contains(word), "{body}");
    }
    ylh.call(Y2, &ylh.cancellation("SO-1")).await;
    assert!(refused(&ylh.call(Y3, &times).await, 409).contains("已取消"));
}

#[tokio::test]
async fn photos_and_courier_numbers_are_found_by_any_number_of_an_order() {
    let ylh = Ylh::start().await;
    ylh.push(&ylh.order("SO-1")).await;
    let order = ylh.only().await;
    let numbers = ["soId", "retailOrderNo", "haierOrderNo"].map(|name| order[name].clone());
    let mut photos = Vec::new();
    for number in &numbers {
        photos.push(ylh.call(Y4, &json!({ "orderNo": number })).await);
    }
    photos.dedup();
    let [photos] = photos.as_slice() else { panic!("{photos:?}") };
    for field in ["imageType", "imageUrl", "uploadTime"] {
        assert!(photos["data"][0][field].is_string(), "{photos}");
    }
    assert!(refused(&ylh.call(Y4, &json!({ "orderNo": "SO-2" })).await, 404).contains("SO-2"));

    let asked = json!([numbers[2], "SO-2", numbers[0]]);
    let couriers = ylh.call(Y5, &asked).await;
    let [one, other] = couriers["data"].as_array().unwrap().as_slice() else { panic!("{couriers}") };
    assert_eq!((&one["orderCode"], &other["orderCode"]), (&numbers[2], &numbers[0]));
    assert_eq!(one["logisticsList"].as_array().unwrap().len(), 2);
    for field in ["logisticsCompany", "logisticsNo", "snCode"] {
        assert!(one["logisticsList"][0][field].is_string(), "{couriers}");
    }
    let many = |count| json!((0..count).map(|n| format!("SO-{n}")).collect::<Vec<_>>());
    assert_eq!(ylh.call(Y5, &many(100)).await["success"], true);
    for wrong in [many(101), json!([]), json!({ "orders": [] })] {
        refused(&ylh.call(Y5, &wrong).await, 400);
    }
    ylh.haier.fault(&json!({ "kind": "empty" })).await;
    assert_eq!(ylh.call(Y5, &asked).await["data"], json!([]));
}

#[tokio::test]
async fn an_order_is_booked_though_nobody_was_told() {
    let ylh = Ylh::start().await;
    ylh.haier.fault(&json!({ "kind": "booked_then_error", "count": 1 })).await;
    let response = ylh.post(Y1, &ylh.order("SO-1")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    for (so_id, fault) in [
        ("SO-2", json!({ "kind": "lost_answer", "endpoint": "Y1" })),
        ("SO-3", json!({ "kind": "booked_then_hang", "delay_ms": 20 })),
    ] {
        ylh.haier.fault(&fault).await;
        let error = ylh.post(Y1, &ylh.order(so_id)).send().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{fault}: {error:?}");
    }
    ylh.haier.fault(&json!({ "kind": "server_error", "so_id": "SO-1" })).await;
    refused(&ylh.push(&ylh.order("SO-2")).await, 409);
    // Whoever hangs up while his order is on its way has ordered all the same.
    ylh.haier.fault(&json!({ "kind": "latency", "delay_ms": 300 })).await;
    let timed_out = ylh.post(Y1, &ylh.order("SO-4")).timeout(Duration::from_millis(100)).send().await;
    assert!(timed_out.unwrap_err().is_timeout());
    let booked = async { while ylh.book().await["orders"].as_array().unwrap().len() < 4 {} };
    crate::support::within(booked).await;
    for so_id in ["SO-1", "SO-2", "SO-3", "SO-4"] {
        assert!(refused(&ylh.push(&ylh.order(so_id)).await, 409).contains("已存在"));
    }
}

#[tokio::test]
async fn what_was_not_acted_on_is_counted_and_not_booked() {
    let ylh = Ylh::start().await;
    for (fault, status) in [
        (json!({ "kind": "reset_before" }), 0),
        (json!({ "kind": "server_error", "so_id": "SO-1" }), 500),
        (json!({ "kind": "html", "endpoint": "Y1" }), 200),
        (json!({ "kind": "error_body" }), 200),
        (json!({ "kind": "throttled" }), 429),
    ] {
        ylh.haier.fault(&fault).await;
        let seen =
            ylh.post(Y1, &ylh.order("SO-1")).send().await.map_or(0, |response| response.status().as_u16());
        assert_eq!(seen, status, "{fault}");
    }
    let book = ylh.book().await;
    assert_eq!((&book["orders"], &book["received"]["SO-1"]), (&json!([]), &json!(5)));
    let (_, stats) = ylh.haier.control("GET", "stats", &json!(null)).await;
    assert_eq!(stats["endpoints"]["Y1"]["calls"], 5);
    assert!(stats["max_in_any_second"]["ylh"].as_u64().unwrap() >= 2);
}

#[tokio::test]
async fn a_push_that_was_cut_off_is_booked_later_unless_it_was_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let state = Some(folder.path().join("state"));
    let ylh = Ylh::with(Options { state: state.clone(), ..Options::default() }).await;
    let cut = async |ylh: &Ylh, so_id: &str, delay_ms: u64| {
        ylh.haier.fault(&json!({ "kind": "booked_late", "delay_ms": delay_ms, "count": 1 })).await;
        assert!(ylh.post(Y1, &ylh.order(so_id)).send().await.unwrap_err().is_request());
    };
    cut(&ylh, "SO-1", 1).await;
    crate::support::within(async { while ylh.book().await["orders"] == json!([]) {} }).await;
    assert_eq!(ylh.only().await["soId"], "SO-1");
    for so_id in ["SO-2", "SO-3"] {
        cut(&ylh, so_id, 600_000).await;
    }
    assert_eq!(ylh.push(&ylh.order("SO-2")).await["success"], true);
    let book = ylh.book().await;
    assert_eq!((&book["late"][0]["soId"], &book["late"][1]), (&json!("SO-3"), &json!(null)));
    ylh.haier.sandbox.stop().await;

    let ylh = Ylh::with(Options { state, ..Options::default() }).await;
    let (_, settled) = ylh.haier.control("POST", "orders/settle", &json!(null)).await;
    assert_eq!(settled, json!({ "booked": 1 }));
    let book = ylh.book().await;
    let booked: Vec<_> = book["orders"].as_array().unwrap().iter().map(|order| &order["soId"]).collect();
    assert_eq!(booked, ["SO-1", "SO-2", "SO-3"]);
    assert_eq!(book["late"], json!([]));
    assert!(refused(&ylh.push(&ylh.order("SO-3")).await, 409).contains("重复"));
}

#[tokio::test]
async fn the_book_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let (running, other) = Running::sandbox_with(folder.path(), &[]);
    let ylh = Ylh::start().await;
    let orders: Vec<_> = (0..20).map(|n| ylh.order(&format!("SO-{n}"))).collect();
    let push = async |base_url: &str, order: &Value| {
        let token = ylh.ask_token_at(base_url).await;
        let request = ylh.haier.http.post(format!("{base_url}{Y1}")).header("Authorization", token);
        request.json(order).send().await.unwrap().json::<Value>().await.unwrap()
    };
    for order in &orders {
        assert_eq!(push(&other.base_url(), order).await["success"], true);
    }
    running.kill();
    let (_running, other) = Running::sandbox_with(folder.path(), &[]);
    for order in &orders {
        assert!(refused(&push(&other.base_url(), order).await, 409).contains("重复"));
    }
    let book = ylh.haier.http.get(format!("{}/_sandbox/orders", other.base_url()));
    let book: Value = book.send().await.unwrap().json().await.unwrap();
    let booked: Vec<_> = book["orders"].as_array().unwrap().iter().map(|order| &order["soId"]).collect();
    assert_eq!(booked, orders.iter().map(|order| &order["soId"]).collect::<Vec<_>>());
    assert!(book["orders"].as_array().unwrap().iter().all(|order| order["received"] == 2));
    let state = std::fs::read_to_string(folder.path().join("sandbox.json")).unwrap();
    assert!(state.contains("SO-19") && !state.contains("王小明") && !state.contains("13800138000"));
}
