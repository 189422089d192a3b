//! The table of `docs/development/booking-evidence.md`, cell by cell: what Haier answers to a push, and where the order
//! stands then, without and with an earlier attempt in doubt. The expectations are written by hand.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use haier_integration::{domain::accounts::YlhAccount, proto::OrderState};
use serde_json::{Value, json};

use super::{accept, get, hurried, kinds, on_sale, order};
use crate::support::{Plan, World, on_both_databases, within};

on_both_databases!(
    every_answer_to_a_push_means_what_the_table_says,
    weak_evidence_suffices_where_an_operator_says_so,
);

use OrderState::{InDoubt, Pushed, Refused};

/// Status, body (`{SO}` and `{TB}` stand for the order's numbers), then without and with a doubt: the state, and what its
/// last error begins with.
type Row = (u16, &'static str, (OrderState, &'static str), (OrderState, &'static str));

const BOOKED: (OrderState, &str) = (Pushed, "");
const REPEATED: (OrderState, &str) = (Refused, "ORDER_REPEATED");
const WEAK: (OrderState, &str) = (InDoubt, "ORDER_REPEATED");
const DOUBT: (OrderState, &str) = (InDoubt, "");

const TABLE: [Row; 24] = [
    // Booked, with a number.
    (200, r#"{"success":true,"code":200,"data":{"retailOrderNo":"LS1","soId":"{SO}"}}"#, BOOKED, BOOKED),
    (200, "\u{feff}{\"success\":true,\"data\":{\"retailOrderNo\":\"LS1\"}}", BOOKED, BOOKED),
    // Strong evidence of a repetition.
    (
        200,
        r#"{"success":false,"code":"B1","message":"订单重复","data":{"retailOrderNo":"LS1"}}"#,
        REPEATED,
        BOOKED,
    ),
    (
        200,
        r#"{"success":false,"code":"9999","message":"系统繁忙，订单重复","data":{"retailOrderNo":"LS1"}}"#,
        REPEATED,
        BOOKED,
    ),
    (200, r#"{"success":false,"code":409,"message":"订单已存在，请勿重复推送"}"#, REPEATED, BOOKED),
    (409, r#"{"success":false,"code":"409","message":"conflict"}"#, REPEATED, BOOKED),
    (200, r#"{"success":false,"code":"B1","message":"订单{SO}已存在"}"#, REPEATED, BOOKED),
    (400, r#"{"success":false,"code":"B1","message":"duplicate order: {TB}"}"#, REPEATED, BOOKED),
    // Weak evidence: a phrase alone, or beside another order's number.
    (200, r#"{"success":false,"code":"B17","message":"收货人已存在未完成的退货单，订单未创建"}"#, WEAK, WEAK),
    (200, r#"{"success":false,"code":"B1","message":"订单{SO}9已存在"}"#, WEAK, WEAK),
    (409, r#"{"message":"Duplicate"}"#, WEAK, WEAK),
    // Haste, or a failure of the system; a phrase of haste overrides a duplicate phrase.
    (200, r#"{"success":false,"code":"9999","message":"系统繁忙，请勿重复提交，请稍后再试"}"#, DOUBT, DOUBT),
    (200, r#"{"success":false,"code":"B1","message":"订单{SO}处理中，请勿重复提交"}"#, DOUBT, DOUBT),
    (200, r#"{"success":false,"code":-1,"message":"失败"}"#, DOUBT, DOUBT),
    (200, r#"{"success":false,"code":"B1","message":"系统异常"}"#, DOUBT, DOUBT),
    // No words at all, a success without data, a refusal with a number, a conflict that says nothing.
    (200, r#"{"success":false,"code":"B1"}"#, DOUBT, DOUBT),
    (400, "", DOUBT, DOUBT),
    (200, r#"{"success":true}"#, DOUBT, DOUBT),
    (200, r#"{"success":true,"data":{"soId":"{SO}"}}"#, DOUBT, DOUBT),
    (
        200,
        r#"{"success":false,"code":200,"message":"下单失败","data":{"retailOrderNo":"LS1"}}"#,
        DOUBT,
        DOUBT,
    ),
    (409, "", DOUBT, DOUBT),
    (409, "<html>重复 {SO}</html>", DOUBT, DOUBT),
    // Any other refusal.
    (
        200,
        r#"{"success":false,"code":"B1","message":"商品暂不可采"}"#,
        (Refused, "ORDER_REFUSED"),
        (InDoubt, "ORDER_REFUSED"),
    ),
    (
        400,
        r#"{"success":false,"code":400,"message":"参数错误"}"#,
        (Refused, "ORDER_REFUSED"),
        (InDoubt, "ORDER_REFUSED"),
    ),
];

/// How often an order came, and what it is answered from which time on.
struct Script {
    answers: HashMap<String, (u64, Row)>,
    came: tokio::sync::Mutex<HashMap<String, u64>>,
}

async fn answer(State(script): State<Arc<Script>>, uri: Uri, body: Bytes) -> Response {
    if uri.path().ends_with("/oauth/token") {
        let token = json!({ "access_token": "of-the-script", "token_type": "bearer", "expires_in": 3600 });
        return axum::Json(token).into_response();
    }
    let pushed: Value = serde_json::from_slice(&body).unwrap();
    let (so_id, online_no) = (pushed["soId"].as_str().unwrap(), pushed["onlineNo"].as_str().unwrap());
    let mut came = script.came.lock().await;
    let times = came.entry(so_id.to_owned()).or_default();
    *times += 1;
    let (from, (status, body, ..)) = script.answers[so_id];
    if *times < from {
        return (StatusCode::INTERNAL_SERVER_ERROR, "").into_response();
    }
    let body = body.replace("{SO}", so_id).replace("{TB}", online_no);
    (StatusCode::from_u16(status).unwrap(), [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Each row twice: at the first attempt, and after one that left a doubt.
fn cases() -> Vec<(String, u64, Row, (OrderState, &'static str))> {
    let rows = TABLE.iter().enumerate();
    rows.flat_map(|(at, row)| {
        [(format!("SO-F{at}-"), 1, *row, row.2), (format!("SO-D{at}-"), 2, *row, row.3)]
    })
    .collect()
}

async fn scripted(plan: Plan) -> World {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let answers = cases().into_iter().map(|(so_id, from, row, _)| (so_id, (from, row))).collect();
    let script = Arc::new(Script { answers, came: tokio::sync::Mutex::default() });
    let router = Router::new().fallback(answer).with_state(script);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut world = plan.settings(hurried).prepare().await;
    let ylh = world.settings.account.as_mut().and_then(|account| account.ylh.as_mut()).unwrap();
    ylh.auth_url = YlhAccount::default_auth_url(&base_url, "");
    ylh.base_url = base_url;
    world.serve().await;
    world.first_sync().await;
    world
}

/// How many attempts have ended.
async fn ended(world: &World, so_id: &str) -> usize {
    kinds(world, so_id).await.iter().filter(|kind| *kind == "push_ended").count()
}

async fn every_answer_to_a_push_means_what_the_table_says(plan: Plan) {
    let world = scripted(plan).await;
    let code = on_sale(&world).await;
    let mut weak = 0;
    for (so_id, ..) in cases() {
        accept(&world, order(&so_id, &code)).await.unwrap();
    }
    for (so_id, from, row, (state, reason)) in cases() {
        within(async { while ended(&world, &so_id).await < from as usize {} }).await;
        let stands = get(&mut world.client(), &so_id).await;
        assert_eq!(stands.state(), state, "{so_id}: {row:?}: {}", stands.last_error);
        assert!(stands.last_error.starts_with(reason), "{so_id}: {row:?}: {}", stands.last_error);
        weak += u64::from((state, reason) == WEAK);
    }
    let metrics = format!("http://{}/metrics", world.service().http_addr());
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let alerts =
        metrics.lines().find(|line| line.starts_with("haier_order_alerts_total{kind=\"weak_evidence\"}"));
    let alerts: u64 = alerts.expect("weak evidence alerts").rsplit(' ').next().unwrap().parse().unwrap();
    assert!(alerts >= weak, "{alerts} alerts for {weak} orders");
    world.finish_leaving_open().await;
}

async fn weak_evidence_suffices_where_an_operator_says_so(plan: Plan) {
    let plan = plan.settings(|settings| settings.orders.evidence.weak_suffices = true);
    let world = scripted(plan).await;
    let code = on_sale(&world).await;
    for (so_id, from, row, _) in cases().into_iter().filter(|(_, _, row, _)| row.2 == WEAK) {
        accept(&world, order(&so_id, &code)).await.unwrap();
        within(async { while ended(&world, &so_id).await < from as usize {} }).await;
        let stands = get(&mut world.client(), &so_id).await;
        assert_eq!(stands.state(), if from == 1 { Refused } else { Pushed }, "{so_id}: {row:?}");
    }
    world.finish_leaving_open().await;
}
