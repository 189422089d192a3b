//! The service killed in the middle of a push, against a stand-in of its own process.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
};

use haier_integration::{
    app::SystemClock,
    domain::clock::Clock as _,
    keyring::Document,
    proto::{OrderState, PushOrderRequest},
};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{PERSONAL, booked, order, push, until};
use crate::{
    processes::Running,
    support::{Haier, Plan, on_both_databases},
};

on_both_databases!(killed_in_mid_push_leaves_one_order_in_the_book,);

/// The service with an account at the order system and keys, whose log goes to a file.
pub(crate) fn service(plan: &Plan, haier: &Haier, keys: &Document, log: &Path) -> Command {
    let mut command = Running::service(plan, haier);
    command
        .env("HAIER_INTEGRATION_KEYS", keys.to_text().expose_secret())
        .env("HAIER_INTEGRATION_LOG_LEVEL", "debug")
        .env("HAIER_INTEGRATION_ORDER_RATE", "0")
        .env("HAIER_INTEGRATION_UPSTREAM_REQUEST_TIMEOUT", "2s")
        .env("HAIER_INTEGRATION_ORDERS_DOUBT_WAIT", "500ms")
        .env("HAIER_INTEGRATION_ORDERS_SCHEDULE", "50ms")
        .env("HAIER_INTEGRATION_ORDERS_LEASE", "1s")
        .env("HAIER_INTEGRATION_ORDERS_HEARTBEAT", "200ms")
        .env("YLH_BASE_URL", haier.base_url())
        .env("YLH_SOURCE_SYSTEM", "SHOP")
        .env("YLH_SHOP_NAME", "海尔旗舰店")
        .env("YLH_CALLBACK_APP_KEY", "sandbox-app")
        .env("YLH_CALLBACK_SECRET", "sandbox-callback-secret")
        .stderr(File::options().create(true).append(true).open(log).unwrap());
    for name in ["USERNAME", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET"] {
        command.env(format!("YLH_{name}"), "sandbox");
    }
    command
}

/// A product that the stand-in sells.
pub(super) async fn on_sale_at(haier: &Haier) -> String {
    for listed in haier.listed().await {
        if haier.show(&listed).await.product["isSales"].as_str() == Some("1") {
            return listed;
        }
    }
    panic!("nothing is on sale")
}

async fn killed_in_mid_push_leaves_one_order_in_the_book(plan: Plan) {
    let (sandbox, haier) = Running::sandbox_with(plan.database.folder(), &["--products", "45"]);
    let keys = Document::generate(SystemClock::new().now()).unwrap();
    let log = plan.database.folder().join("service.log");
    let code = on_sale_at(&haier).await;
    for (so_id, fault) in [("SO-1", "booked_then_hang"), ("SO-2", "hang")] {
        haier.clear_faults().await;
        haier.fault(json!({ "endpoint": "Y1", "kind": fault, "count": 1 })).await;
        let mut running = Running::start(service(&plan, &haier, &keys, &log));
        let mut client = running.client().await;
        let request = PushOrderRequest { order: Some(order(so_id, &code)), wait: None };
        client.push_order(request).await.unwrap();
        haier.struck(1).await;
        running.kill();

        let mut running = Running::start(service(&plan, &haier, &keys, &log));
        let mut client = running.client().await;
        let pushed = until(&mut client, so_id, OrderState::Pushed).await;
        assert_eq!(pushed.account, "environment");
        assert_eq!(booked(&haier, so_id).await.len(), 1);
        assert_eq!(push(&mut client, order(so_id, &code)).await.unwrap().state(), OrderState::Pushed);
        running.kill();
    }
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("SO-1") && told.contains("in doubt"), "{told}");
    for personal in PERSONAL {
        assert!(!told.contains(personal), "{personal} stands in the log");
    }
    drop(sandbox);
}
