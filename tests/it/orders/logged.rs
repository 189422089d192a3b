//! What the log says of orders and runs: who wanted what, and what came of it.

use std::fs;

use haier_integration::{
    app::SystemClock,
    domain::clock::Clock as _,
    keyring::Document,
    proto::{
        CancelOrderRequest, OrderOutcome, OrderState, PauseUpstreamRequest, PushOrderRequest,
        ReconcileOrdersRequest, ResolveOrderRequest, RetryOrderRequest, SyncProductsRequest, UpstreamTarget,
        haier_administration_client::HaierAdministrationClient,
    },
};
use serde_json::json;

use super::{
    PERSONAL,
    killed::{on_sale_at, service},
    order, until,
};
use crate::{
    processes::Running,
    support::{Client, Plan, collect, on_both_databases},
};

on_both_databases!(what_people_do_and_what_comes_of_it_leaves_a_line);

async fn what_people_do_and_what_comes_of_it_leaves_a_line(plan: Plan) {
    let (_sandbox, haier) = Running::sandbox_with(plan.database.folder(), &["--products", "45"]);
    let keys = Document::generate(SystemClock::new().now()).unwrap();
    let log = plan.database.folder().join("service.log");
    let code = on_sale_at(&haier).await;
    let mut running = Running::start(service(&plan, &haier, &keys, &log));
    let address = format!("http://{}", running.told("gRPC "));
    let mut client = Client::connect(address.clone()).await.unwrap();
    let mut operator = HaierAdministrationClient::connect(address).await.unwrap();

    haier.fault(json!({ "endpoint": "Y1", "kind": "unavailable", "count": 2 })).await;
    let request = PushOrderRequest { order: Some(order("SO-1", &code)), wait: None };
    client.push_order(request).await.unwrap();
    until(&mut client, "SO-1", OrderState::Pushed).await;
    let target = UpstreamTarget::OrderPush.into();
    operator.pause_upstream(PauseUpstreamRequest { target, ..Default::default() }).await.unwrap();
    for so_id in ["SO-2", "SO-3"] {
        let request = PushOrderRequest { order: Some(order(so_id, &code)), wait: None };
        client.push_order(request).await.unwrap();
    }
    let reason = PERSONAL[0].to_owned();
    client.cancel_order(CancelOrderRequest { so_id: "SO-2".to_owned(), reason }).await.unwrap();
    client.retry_order(RetryOrderRequest { so_id: "SO-3".to_owned() }).await.unwrap();
    operator.reconcile_orders(ReconcileOrdersRequest { validate_only: false }).await.unwrap();
    let request = ResolveOrderRequest {
        so_id: "SO-3".to_owned(),
        outcome: OrderOutcome::NotBooked.into(),
        evidence: PERSONAL[0].to_owned(),
        ..Default::default()
    };
    operator.resolve_order(request).await.unwrap();
    let product_codes = vec![code, "ZZ9999999".to_owned()];
    let request = SyncProductsRequest { product_codes, ..Default::default() };
    collect(client.sync_products(request).await.unwrap().into_inner()).await.unwrap();
    drop((client, operator));
    assert_eq!(running.terminate().await, Some(0));

    let log = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    for expected in [
        &["WARN", "an order is in doubt", "SO-1", "attempt=1", "SERVER_ERROR"][..],
        &["INFO", "an order is still in doubt", "SO-1", "attempt=2", "SERVER_ERROR"],
        &["INFO", "an order is to be cancelled", "SO-2", "caller=local"],
        &["INFO", "an order is to be sent now", "SO-3", "caller=local"],
        &["INFO", "orders were reconciled", "count=1", "caller=local"],
        &["INFO", "looked an order up at Haier", "SO-3", "not_booked", "caller=local"],
        &["WARN", "sync run ended in part", "ZZ9999999", "UNKNOWN_CODE 1", "CALLER", "local", "took="],
    ] {
        let holds = |line: &&str| expected.iter().all(|part| line.contains(part));
        assert!(lines.iter().any(holds), "{expected:?} is on no line of\n{log}");
    }
    let in_part = lines.iter().filter(|line| line.contains("ended in part"));
    assert!(in_part.clone().count() == 1 && in_part.clone().all(|line| !line.contains("COMPLETED")));
    for personal in PERSONAL {
        assert!(!log.contains(personal), "{personal} stands in the log");
    }
}
