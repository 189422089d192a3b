//! The client of the order system, counted at the stand-in: what is sent again, what never, and when nobody knows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::DateTime;
use haier_integration::{
    app::SystemClock,
    domain::{
        accounts::YlhAccount,
        clock::Clock as _,
        order_calls::{Cancellation, ChangeAnswer, PushAnswer, Rescheduling},
        order_evidence::{EvidenceRules, OrderNames},
        pauses::{Pause, PauseTarget},
        reasons::Reason,
        slots::Rules,
    },
    sandbox::{CUSTOMER_CODES, Options},
    upstream::{
        BreakerSettings, Budget, Call, Error, MaySend, Means, MemoryLedger, MemoryShelf, Patience, Reach,
        RetrySettings, Settings, Ylh,
    },
};
use serde_json::{Value, json};

use crate::support::{Haier, within};

/// The last second of 2026-01-01 in Shanghai.
const END_OF_DAY: i64 = 1_767_283_199_000;

struct Orders {
    haier: Haier,
    ylh: Ylh,
    code: String,
}

impl Orders {
    async fn start() -> Self {
        Self::with(Budget::unlimited(), |_, _| {}).await
    }

    async fn with(budget: Budget, change: impl FnOnce(&mut Settings, &mut YlhAccount)) -> Self {
        let addr = ([127, 0, 0, 1], 0).into();
        let options = Options { addr, products: 5, throttle: None, ..Options::default() };
        let haier = Haier::start(options).await;
        let code = haier.listed().await.remove(0);
        let mut settings = Settings {
            request_timeout: Duration::from_secs(30),
            token_timeout: Duration::from_secs(10),
            listing_timeout: Duration::from_secs(30),
            retry: RetrySettings {
                tries: 3,
                base: Duration::from_millis(2),
                max: Duration::from_secs(1),
                seed: 1,
            },
            breaker: BreakerSettings { failures: 1_000, open: Duration::from_secs(30), probes: 1 },
            rate: 0,
            evidence: EvidenceRules::default(),
            cancelled_words: vec!["已取消".to_owned()],
            roots: None,
            reach: Reach::Anywhere,
        };
        let mut account = haier.account().ylh.unwrap();
        change(&mut settings, &mut account);
        let shelf = Arc::new(MemoryShelf::default()).for_client();
        let clock = Arc::new(SystemClock::new());
        let ylh = Ylh::new("environment", account, Means { settings, budget, shelf, clock }).unwrap();
        Self { haier, ylh, code }
    }

    fn body(&self, so_id: &str) -> Bytes {
        let item = json!({
            "productCode": self.code, "itemQty": 1, "retailPrice": 2000.5, "discountAmount": "0.5",
            "actualPrice": 2000, "isGift": false,
        });
        let order = json!({
            "sourceSystem": "SHOP", "shopName": "海尔旗舰店", "sellerCode": CUSTOMER_CODES[0],
            "consigneeName": "王小明", "consigneeMobile": "13800138000", "onlineNo": "ON-1", "soId": so_id,
            "totalQty": 1, "totalAmt": "2000.00", "createTime": 1_767_225_600_123_i64,
            "province": "北京市", "city": "北京市", "area": "东城区", "detailAddress": "长安街1号",
            "distributionTime": END_OF_DAY, "installTime": END_OF_DAY, "deliveryInstall": "true",
            "itemList": [item],
        });
        order.to_string().into()
    }

    async fn push(&self, so_id: &str) -> Result<PushAnswer, Error> {
        within(self.ylh.create_order(&names(so_id), self.body(so_id), &Call::LIVE)).await
    }

    async fn number(&self, so_id: &str) -> String {
        match self.push(so_id).await.unwrap() {
            PushAnswer::Booked { retail_order_no, so_id: Some(booked) } if booked == so_id => retail_order_no,
            other => panic!("{other:?}"),
        }
    }

    async fn cancel(&self, so_id: &str) -> Result<ChangeAnswer, Error> {
        let cancellation = Cancellation {
            so_id: so_id.to_owned(),
            cancelled_at: SystemClock::new().now(),
            reason: "不想要了".to_owned(),
            source_system: "SHOP".to_owned(),
        };
        within(self.ylh.cancel_order(&cancellation, &Call::LIVE)).await
    }

    async fn reschedule(&self, retail_order_no: &str) -> Result<ChangeAnswer, Error> {
        let times = Rescheduling {
            retail_order_no: retail_order_no.to_owned(),
            distribution_time: DateTime::from_timestamp_millis(END_OF_DAY),
            install_time: None,
        };
        within(self.ylh.reschedule_order(&times, &Call::LIVE)).await
    }

    async fn fault(&self, endpoint: &str, kind: &str, count: Option<u64>) {
        self.haier.clear_faults().await;
        let mut fault = json!({ "kind": kind, "endpoint": endpoint });
        if let Some(count) = count {
            fault["count"] = json!(count);
        }
        self.haier.fault(fault).await;
    }

    /// Orders of this number in the book.
    async fn booked(&self, so_id: &str) -> Vec<Value> {
        let book = self.haier.orders().await;
        book["orders"].as_array().unwrap().iter().filter(|order| order["soId"] == so_id).cloned().collect()
    }
}

fn names(so_id: &str) -> OrderNames {
    OrderNames { so_id: so_id.to_owned(), online_no: "ON-1".to_owned() }
}

/// Kind of fault, sends, reason, whether nobody knows.
const ENDS: [(&str, u64, &str, bool); 16] = [
    ("unauthorized", 2, "AUTH_FAILED", false),
    ("forbidden", 1, "FORBIDDEN", false),
    ("not_found", 1, "FORBIDDEN", false),
    ("throttled_without_retry_after", 3, "RATE_LIMITED", false),
    ("request_timeout", 1, "REQUEST_TIMEOUT", true),
    ("server_error", 1, "SERVER_ERROR", true),
    ("bad_gateway", 1, "SERVER_ERROR", true),
    ("unavailable", 1, "SERVER_ERROR", true),
    ("gateway_timeout", 1, "SERVER_ERROR", true),
    ("error_body", 1, "SERVER_ERROR", true),
    ("html", 1, "MALFORMED_ANSWER", true),
    ("truncated_json", 1, "MALFORMED_ANSWER", true),
    ("reset_before", 1, "CONNECTION_FAILED", true),
    ("reset_after", 1, "CONNECTION_FAILED", true),
    ("lost_answer", 1, "CONNECTION_FAILED", true),
    ("booked_then_error", 1, "SERVER_ERROR", true),
];

#[tokio::test]
async fn a_new_order_is_sent_again_only_if_it_was_provably_not_booked() {
    let orders = Orders::start().await;
    for (kind, sends, reason, in_doubt) in ENDS {
        // On a connection that was used before, as on a fresh one.
        orders.haier.clear_faults().await;
        orders.number(&format!("before-{kind}")).await;
        orders.fault("Y1", kind, None).await;
        let before = orders.haier.calls("Y1").await;
        let error = orders.push(kind).await.unwrap_err();
        assert_eq!((error.reason.as_str(), error.is_in_doubt()), (reason, in_doubt), "{kind}: {error}");
        assert_eq!(orders.haier.calls("Y1").await - before, sends, "{kind}");

        let there = orders.booked(kind).await.len();
        assert!(in_doubt || there == 0, "{kind}");
        orders.haier.clear_faults().await;
        // The same again tells the truth.
        match orders.push(kind).await.unwrap() {
            PushAnswer::Booked { .. } => assert_eq!(there, 0, "{kind}"),
            PushAnswer::Repeated(refusal) => {
                assert!(there == 1 && refusal.message.contains(kind), "{kind}: {refusal}");
            }
            PushAnswer::Refused(refusal) => panic!("{kind}: {refusal}"),
        }
        assert_eq!(orders.booked(kind).await.len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn a_change_of_an_order_is_sent_again_only_if_it_was_provably_not_made() {
    let orders = Orders::start().await;
    let number = orders.number("S-1").await;
    for (kind, sends, reason, in_doubt) in ENDS {
        for endpoint in ["Y2", "Y3"] {
            orders.fault(endpoint, kind, None).await;
            let before = orders.haier.calls(endpoint).await;
            let error = match endpoint {
                "Y2" => orders.cancel("S-1").await,
                _ => orders.reschedule(&number).await,
            };
            // Cancelled by a call whose answer was lost, it can be changed no more.
            let Err(error) = error else { continue };
            assert_eq!((error.reason.as_str(), error.is_in_doubt()), (reason, in_doubt), "{endpoint} {kind}");
            assert_eq!(orders.haier.calls(endpoint).await - before, sends, "{endpoint} {kind}");
        }
    }
}

#[tokio::test]
async fn a_fault_that_passes_is_seen_by_nobody() {
    let orders = Orders::start().await;
    for (kind, count) in [("throttled_without_retry_after", 2), ("unauthorized", 1)] {
        orders.fault("Y1", kind, Some(count)).await;
        let before = orders.haier.calls("Y1").await;
        orders.number(kind).await;
        assert_eq!(orders.haier.calls("Y1").await - before, count + 1, "{kind}");
    }
    // Reads are repeated whatever happened.
    let number = orders.number("S-1").await;
    for kind in ["server_error", "reset_before", "html", "lost_answer"] {
        orders.fault("Y4", kind, Some(2)).await;
        let photos = within(orders.ylh.delivery_photos(&number, &Call::LIVE)).await.unwrap();
        assert!(photos.iter().all(|photo| photo.image_url.starts_with("http")), "{kind}");
    }
}

#[tokio::test]
async fn a_send_that_hangs_or_whose_caller_leaves_is_in_doubt() {
    let orders = Orders::with(Budget::unlimited(), |settings, _| {
        settings.request_timeout = Duration::from_millis(400)
    })
    .await;
    orders.number("S-1").await;
    for kind in ["hang", "booked_then_hang"] {
        orders.fault("Y1", kind, None).await;
        let before = orders.haier.calls("Y1").await;
        assert!(orders.push(kind).await.unwrap_err().is_in_doubt(), "{kind}");
        let (patience, _seat) = Patience::new(Some(Instant::now() + Duration::from_millis(100)));
        let hasty = Call::live(&patience);
        let body = orders.body(&format!("hasty-{kind}"));
        assert!(
            orders.ylh.create_order(&names(kind), body, &hasty).await.unwrap_err().is_in_doubt(),
            "{kind}"
        );
        assert_eq!(orders.haier.calls("Y1").await - before, 2, "{kind}");
    }
    // Nothing was sent for one whose time had passed before.
    let (patience, _seat) = Patience::new(Some(Instant::now()));
    let late = Call::live(&patience);
    let before = orders.haier.calls("Y1").await;
    assert!(
        !orders.ylh.create_order(&names("late"), orders.body("late"), &late).await.unwrap_err().is_in_doubt()
    );
    assert_eq!(orders.haier.calls("Y1").await, before);
}

#[tokio::test]
async fn what_may_not_be_sent_any_more_is_not() {
    let orders = Orders::start().await;
    orders.number("S-1").await;
    // Forbidden before it waits, after it has waited, and when the first byte would go out.
    for allowed in 0..3 {
        let asked = AtomicUsize::new(0);
        let may_send: MaySend = Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) < allowed);
        let call = Call::while_allowed(&may_send);
        let error =
            within(orders.ylh.create_order(&names("S-2"), orders.body("S-2"), &call)).await.unwrap_err();
        assert!(error.reason == Reason::WorkerLost && !error.is_in_doubt(), "{allowed}: {error}");
    }
    assert_eq!(orders.haier.calls("Y1").await, 1);
}

#[tokio::test]
async fn what_no_connection_took_was_not_sent() {
    let mut orders = Orders::start().await;
    orders.number("S-1").await;
    for round in 0..5 {
        orders.haier.go().await;
        let error = orders.push("S-2").await.unwrap_err();
        assert!(!error.is_in_doubt() && error.is_retryable(), "{round}: {error}");
        orders.haier.come_back().await;
        // On a connection that the other side has closed meanwhile.
        orders.number(&format!("back-{round}")).await;
        assert_eq!(orders.booked(&format!("back-{round}")).await.len(), 1);
    }
}

#[tokio::test]
async fn refusals_are_answers_about_the_order() {
    let orders = Orders::start().await;
    let number = orders.number("S-1").await;
    assert!(matches!(orders.push("S-1").await.unwrap(), PushAnswer::Repeated(_)));

    let bad = String::from_utf8(orders.body("S-2").to_vec()).unwrap().replace("13800138000", "1");
    match orders.ylh.create_order(&names("S-2"), bad.into(), &Call::LIVE).await.unwrap() {
        PushAnswer::Refused(refusal) => assert!(refusal.code == "400" && !refusal.message.is_empty()),
        other => panic!("{other:?}"),
    }
    assert_eq!(orders.reschedule(&number).await.unwrap(), ChangeAnswer::Accepted);
    assert_eq!(orders.cancel("S-1").await.unwrap(), ChangeAnswer::Accepted);
    assert!(matches!(orders.cancel("S-3").await.unwrap(), ChangeAnswer::Refused(_)));
    assert!(matches!(orders.reschedule("LS-3").await.unwrap(), ChangeAnswer::Refused(_)));

    let open = orders.number("S-4").await;
    let couriers = orders.ylh.courier_numbers(&[open.clone(), "none".to_owned()], &Call::LIVE).await.unwrap();
    assert!(couriers.iter().all(|numbers| numbers.order_code == open), "{couriers:?}");
}

#[tokio::test]
async fn wrong_credentials_are_named_and_not_shown_again_at_once() {
    let orders = Orders::with(Budget::unlimited(), |_, account| account.password = "wrong".into()).await;
    for _ in 0..3 {
        let error = orders.push("S-1").await.unwrap_err();
        assert!(error.reason.as_str() == "AUTH_FAILED" && !error.is_in_doubt(), "{error}");
        assert!(error.detail.contains("check the order system's username, password"), "{error}");
    }
    assert_eq!((orders.haier.calls("Y0").await, orders.haier.calls("Y1").await), (1, 0));
}

#[tokio::test]
async fn a_pause_of_new_orders_lets_cancellations_pass_and_one_of_the_system_nothing() {
    let orders = Orders::start().await;
    orders.number("S-1").await;
    let pause = |target| {
        vec![Pause {
            target,
            reason: String::new(),
            until: None,
            paused_by: String::new(),
            since: SystemClock::new().now(),
        }]
    };
    orders.ylh.client().set_pauses(&pause(PauseTarget::OrderPush));
    let error = orders.push("S-2").await.unwrap_err();
    assert!(error.reason.as_str() == "PAUSED" && !error.is_in_doubt(), "{error}");
    assert_eq!(orders.cancel("S-1").await.unwrap(), ChangeAnswer::Accepted);
    orders.ylh.client().set_pauses(&pause(PauseTarget::OrderSystem));
    assert_eq!(orders.cancel("S-1").await.unwrap_err().reason.as_str(), "PAUSED");
    orders.ylh.client().set_pauses(&pause(PauseTarget::OpenPlatform));
    orders.number("S-2").await;
}

#[tokio::test]
async fn orders_keep_to_a_budget_of_their_own() {
    const RATE: u32 = 20;
    let rules = Rules::new(RATE);
    let budget = Budget::new(Arc::new(MemoryLedger::new(rules)), &rules);
    let orders = Orders::with(budget, |_, _| {}).await;
    let so_ids: Vec<_> = (0..30).map(|number| format!("S-{number}")).collect();
    let pushes = so_ids.iter().map(|so_id| orders.push(so_id));
    for answer in futures_util::future::join_all(pushes).await {
        assert!(matches!(answer.unwrap(), PushAnswer::Booked { .. }));
    }
    let most = orders.haier.stats().await["max_in_any_second"]["ylh"].as_u64().unwrap();
    assert!((2..=u64::from(RATE)).contains(&most), "{most}");
    assert_eq!(orders.haier.calls("Y0").await, 1, "one token for all");
}
