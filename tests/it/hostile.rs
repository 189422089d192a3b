//! What Haier, or somebody in its place, may answer: it costs a record, a batch or a run, with a reason, and never memory, time
//! or connections without end.

#[cfg(target_os = "linux")]
mod memory;
mod peer;

use std::time::Duration;

use haier_integration::proto::{
    CheckStockRequest, GetLogisticsRequest, HaierConfig, OrderState, SyncProductsRequest, SyncProgress,
    SyncStatus,
};
use prost_types::value::Kind;
use serde_json::json;
use tonic::Code;

use crate::{
    orders::{on_sale, order, push},
    support::{Plan, World, on_both_databases, refusal, within},
    switching::{activate, create, seller},
};
use peer::{Answer, Peer};

on_both_databases!(
    a_hostile_listing_ends_its_run_with_a_reason_and_takes_nothing_away,
    a_listing_past_its_limit_leaves_no_connection,
    a_token_that_is_too_long_is_refused,
    a_long_token_that_haier_repeats_costs_neither_time_nor_itself,
    a_byte_order_mark_stands_in_nobodys_way,
    prices_and_stock_below_zero_are_none,
    control_characters_reach_nobody,
    a_listing_of_junk_is_not_read_to_its_end,
    what_is_nested_too_deep_for_clients_is_text,
    a_text_or_a_list_without_end_costs_its_own_call,
    what_leads_inside_is_not_called_whatever_was_stored,
);

/// A service with the peer for Haier, and the peer's three products in its store.
async fn behind(plan: Plan, token: &str) -> (World, Peer) {
    let peer = Peer::start().await;
    peer.set_token(token);
    let mut world = plan.settings(|settings| settings.upstream.tries = 1).prepare().await;
    world.settings.account = Some(peer.account(world.haier.account()));
    world.serve().await;
    (world, peer)
}

fn all() -> SyncProductsRequest {
    SyncProductsRequest::default()
}

async fn reason(world: &World, end: &SyncProgress) -> String {
    world.log(end.sync_log_id).await.end_reason
}

async fn a_hostile_listing_ends_its_run_with_a_reason_and_takes_nothing_away(plan: Plan) {
    let (world, peer) = behind(plan, "token").await;
    assert_eq!(world.first_sync().await.success_count, 3);
    let before = world.products().await;
    let string = || Answer::repeated(r#"[{"productCode":"A","productName":""#, "x".repeat(1 << 20), 1 << 10);
    let one = |body: &str| Answer::whole(body.as_bytes());
    for (what, answer, expected) in [
        ("a string of a gigabyte", string(), "MALFORMED_ANSWER"),
        ("the same in gzip", string().gzipped(), "MALFORMED_ANSWER"),
        ("a key without end", Answer::repeated(r#"[{""#, "k".repeat(1 << 20), 1 << 10), "MALFORMED_ANSWER"),
        ("a number without end", Answer::repeated("[", "9".repeat(1 << 20), 1 << 10), "MALFORMED_ANSWER"),
        ("blanks without end", Answer::repeated("[", " ".repeat(1 << 20), 1 << 10), "MALFORMED_ANSWER"),
        ("an envelope without end", Answer::repeated("{", r#""a":1,"#, 1 << 20), "MALFORMED_ANSWER"),
        ("brackets without end", Answer::repeated("[", "[".repeat(1 << 20), 1 << 10), "MALFORMED_ANSWER"),
        ("empty records", Answer::repeated("[", "{},".repeat(1 << 16), 1 << 10), "MALFORMED_ANSWER"),
        ("NaN", one(r#"[{"productCode":"A","supplyPrice":NaN}]"#), "MALFORMED_ANSWER"),
        ("UTF-16", Answer::whole(b"\xff\xfe[\0]\0".to_vec()), "MALFORMED_ANSWER"),
        ("not UTF-8", Answer::whole(b"[{\"productCode\":\"\xff\"}]".to_vec()), "MALFORMED_ANSWER"),
        ("something behind the list", one(r#"[{"productCode":"A"}] x"#), "MALFORMED_ANSWER"),
        (
            "an error behind the list",
            one(r#"[{"productCode":"A"}]{"success":false,"code":"500"}"#),
            "SERVER_ERROR",
        ),
        ("no end", one(r#"[{"productCode":"A"}"#), "LISTING_CUT"),
        ("nothing", one(""), "LISTING_CUT"),
        ("no gzip", Answer { gzip: true, ..one("[]") }, "LISTING_CUT"),
    ] {
        peer.set(answer);
        let end = world.sync(all()).await;
        assert_eq!(reason(&world, &end).await, expected, "{what}: {end:?}");
        // A record more or less, and as many failures as it takes to see that it is junk.
        assert!(end.success_count <= 1 && end.failed_count <= 1_050, "{what}: {end:?}");
        assert!(
            world
                .products()
                .await
                .iter()
                .all(|now| before.iter().any(|then| then.product_code == now.product_code))
        );
    }
    // Keys twice, lone surrogates and a mark in front are the business of their record, or nobody's.
    let odd = "\u{feff}[{\"productCode\":\"A\",\"productCode\":\"A\"},{\"productCode\":\"B\",\"productName\":\"\\ud800\"},\
               {\"productCode\":\"C\"}]";
    peer.set(one(odd));
    let end = world.sync(all()).await;
    assert_eq!((end.status(), end.success_count, end.failed_count), (SyncStatus::Partial, 2, 1), "{end:?}");
    world.finish().await;
}

async fn a_listing_past_its_limit_leaves_no_connection(plan: Plan) {
    let plan = plan.settings(|settings| settings.upstream.listing_timeout = Duration::from_millis(300));
    let (world, peer) = behind(plan, "token").await;
    assert_eq!(world.first_sync().await.success_count, 3);
    let pause = Duration::from_millis(5);
    for _ in 0..3 {
        peer.set(Answer { pause, ..Answer::repeated(r#"[{"productCode":"A"}"#, " ", u64::MAX) });
        let end = world.sync(all()).await;
        assert_eq!(reason(&world, &end).await, "LISTING_CUT");
        // The peer would go on for ever.
        within(async {
            while peer.open() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    world.finish().await;
}

async fn a_token_that_is_too_long_is_refused(plan: Plan) {
    let (world, peer) = behind(plan, &"t".repeat((16 << 10) + 1)).await;
    let end = world.first_sync().await;
    assert_eq!(reason(&world, &end).await, "MALFORMED_ANSWER", "{end:?}");
    assert!(end.message.contains("16385 bytes"), "{}", end.message);
    peer.set_token("t".repeat(5_000_000));
    let end = world.sync(all()).await;
    assert_eq!(reason(&world, &end).await, "MALFORMED_ANSWER", "{end:?}");
    peer.set_token("t".repeat(16 << 10));
    assert_eq!(world.sync(all()).await.success_count, 3);
    world.finish().await;
}

async fn a_long_token_that_haier_repeats_costs_neither_time_nor_itself(plan: Plan) {
    let token = "ab".repeat(8 << 10);
    let (world, peer) = behind(plan, &token).await;
    assert_eq!(world.first_sync().await.success_count, 3);
    let began = std::time::Instant::now();
    let body = json!({ "success": false, "code": "B1", "message": token.repeat(400) }).to_string();
    peer.set(Answer::whole(body));
    let stock = CheckStockRequest { product_code: "A".to_owned(), ..Default::default() };
    let status = world.client().check_stock(stock).await.unwrap_err();
    assert!(status.message().contains("***") && !status.message().contains("abab"), "{status}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    world.finish().await;
}

async fn a_byte_order_mark_stands_in_nobodys_way(plan: Plan) {
    let world = plan.start().await;
    let code = on_sale(&world).await;
    world.haier.fault(json!({ "kind": "bom" })).await;
    let end = world.sync(SyncProductsRequest { sync_prices: true, sync_stock: true, ..all() }).await;
    assert_eq!((end.status(), end.success_count), (SyncStatus::Success, 45), "{end:?}");
    let pushed = push(&mut world.client(), order("SO-BOM", &code)).await.unwrap();
    assert_eq!((pushed.state(), world.haier.calls("Y1").await), (OrderState::Pushed, 1), "{pushed:?}");
    assert!(!pushed.retail_order_no.is_empty());
    world.client().get_logistics(logistics()).await.unwrap();
    world.finish().await;
}

fn logistics() -> GetLogisticsRequest {
    GetLogisticsRequest { order_code: "SO.20190106.000003".to_owned(), ..Default::default() }
}

async fn prices_and_stock_below_zero_are_none(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    world.sync(SyncProductsRequest { sync_prices: true, ..all() }).await;
    let before = world.product(&code).await;
    world.haier.fault(json!({ "kind": "negative", "product_code": code })).await;
    let end = world.sync(SyncProductsRequest { sync_prices: true, ..all() }).await;
    assert_eq!((end.success_count, end.failed_count), (44, 1), "{end:?}");
    let failure = world.failures(end.sync_log_id).await.remove(0);
    assert_eq!((failure.product_code.as_str(), failure.reason.as_str()), (code.as_str(), "MALFORMED_ANSWER"));
    assert!(failure.detail.contains("supplyPrice holds -1"), "{}", failure.detail);
    assert_eq!(world.product(&code).await.supply_price, before.supply_price);
    let stock = CheckStockRequest { product_code: code.clone(), ..Default::default() };
    let answer = world.client().check_stock(stock).await.unwrap().into_inner();
    assert!(
        answer.warehouses.iter().all(|warehouse| warehouse.stock >= 0) && answer.stock >= 0,
        "{answer:?}"
    );
    assert!(world.product(&code).await.stock.unwrap() >= 0);
    world.finish().await;
}

async fn control_characters_reach_nobody(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    world.haier.fault(json!({ "kind": "control_characters", "product_code": code })).await;
    let end = world.sync(all()).await;
    assert_eq!(end.status(), SyncStatus::Success, "{end:?}");
    assert_eq!(world.product(&code).await.product_model, "EC60[31m2J01 HT3");
    world.finish().await;
}

async fn a_listing_of_junk_is_not_read_to_its_end(plan: Plan) {
    let world = plan.start().await;
    world.haier.fault(json!({ "kind": "junk_listing" })).await;
    let end = world.sync(all()).await;
    assert_eq!(reason(&world, &end).await, "MALFORMED_ANSWER");
    assert_eq!((end.status(), end.success_count), (SyncStatus::Failed, 0));
    assert!((1_000..=1_050).contains(&end.failed_count), "{end:?}");
    assert!(
        end.message.contains("of the first") && end.message.contains("no productCode"),
        "{}",
        end.message
    );
    let delisted = "SELECT count(*) FROM products WHERE delisted_at IS NOT NULL";
    assert_eq!(world.database.number(delisted).await, 0);
    world.finish().await;
}

async fn what_is_nested_too_deep_for_clients_is_text(plan: Plan) {
    let world = plan.start().await;
    world.haier.fault(json!({ "kind": "deep", "endpoint": "H4" })).await;
    let answer = world.client().get_logistics(logistics()).await.unwrap().into_inner();
    let shipments = answer.central_warehouse.iter().chain(&answer.zhihuibao).chain(&answer.third_party);
    let extra = shipments.filter_map(|shipment| shipment.extra.as_ref());
    let deep: Vec<_> = extra.filter_map(|extra| extra.fields.get("newFieldOfTheSupplier")).collect();
    assert!(
        matches!(deep[..], [value] if matches!(&value.kind, Some(Kind::StringValue(json)) if json.starts_with("[[[["))),
        "{deep:?}"
    );
    world.finish().await;
}

async fn a_text_or_a_list_without_end_costs_its_own_call(plan: Plan) {
    let world = plan.start().await;
    let code = world.codes(1).await.remove(0);
    for (kind, endpoint, status, reason, failed) in [
        ("huge_string", "H1", SyncStatus::Failed, "MALFORMED_ANSWER", 0),
        ("deep", "H1", SyncStatus::Failed, "MALFORMED_ANSWER", 0),
        ("tiny_records", "H1", SyncStatus::Failed, "MALFORMED_ANSWER", 1_050),
        ("huge_string", "H2", SyncStatus::Success, "COMPLETED", 0),
        ("deep", "H2", SyncStatus::Success, "COMPLETED", 0),
        ("tiny_records", "H2", SyncStatus::Partial, "COMPLETED", 1),
    ] {
        world.haier.clear_faults().await;
        let mut fault = json!({ "kind": kind, "endpoint": endpoint });
        if endpoint == "H2" {
            fault["product_code"] = json!(code);
        }
        world.haier.fault(fault).await;
        let end = world.sync(SyncProductsRequest { sync_prices: true, ..all() }).await;
        assert_eq!(self::reason(&world, &end).await, reason, "{kind} {endpoint}: {end:?}");
        assert_eq!(end.status(), status, "{kind} {endpoint}: {end:?}");
        assert!(
            end.failed_count <= failed && (end.failed_count > 0) == (failed > 0),
            "{kind} {endpoint}: {end:?}"
        );
    }
    world.finish().await;
}

async fn what_leads_inside_is_not_called_whatever_was_stored(plan: Plan) {
    let mut world = plan.keyed().start().await;
    let code = world.codes(1).await.remove(0);
    let named = seller(&world, "name", 0);
    let base_url = named.base_url.replace("127.0.0.1", "localhost");
    create(&world, HaierConfig { base_url, ..named }).await;
    create(&world, seller(&world, "number", 0)).await;
    for name in ["name", "number"] {
        let stock = || CheckStockRequest { product_code: code.clone(), ..Default::default() };
        activate(&world, name).await;
        world.client().check_stock(stock()).await.unwrap();
        // As after a name that leads elsewhere now: what was allowed when it was stored is not any more.
        world.stop().await;
        world.settings.allow_private_hosts = false;
        world.serve().await;
        let calls = world.haier.stats().await["endpoints"].clone();
        let status = world.client().check_stock(stock()).await.unwrap_err();
        assert_eq!(refusal(&status), (Code::FailedPrecondition, "FORBIDDEN".to_owned()), "{name}: {status}");
        assert!(status.message().contains("--allow-private-hosts"), "{status}");
        assert_eq!(world.haier.stats().await["endpoints"], calls, "{name}");
        world.stop().await;
        world.settings.allow_private_hosts = true;
        world.serve().await;
    }
    world.finish().await;
}
