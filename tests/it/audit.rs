//! What operators change is recorded, and listed.

use haier_integration::proto::{
    AuditEvent, CancelSyncRequest, ListAuditEventsRequest, PauseUpstreamRequest, ResumeUpstreamRequest,
    RetrySyncRequest, RevokeApiTokenRequest, Role, SyncProductsRequest, UpstreamTarget,
};
use serde_json::json;

use crate::support::{Plan, World, bearing, collect, on_both_databases, violated, within};

on_both_databases!(
    what_operators_change_is_listed_with_who_and_what,
    the_audit_is_filtered_and_comes_in_pages,
    what_changes_nothing_leaves_no_event,
);

async fn events(world: &World, token: &str, request: ListAuditEventsRequest) -> Vec<AuditEvent> {
    let answer = world.administration().await.list_audit_events(bearing(token, request)).await;
    answer.unwrap().into_inner().audit_events
}

/// Caller, action, subject and changes, oldest first.
async fn told(world: &World, token: &str) -> Vec<String> {
    let mut events = events(world, token, ListAuditEventsRequest::default()).await;
    events.reverse();
    let value = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    let line = |event: AuditEvent| {
        assert_eq!(event.address, "127.0.0.1");
        let changes = event.changes.iter();
        let changes: Vec<_> =
            changes.map(|of| format!("{}:{}>{}", of.field, value(&of.before), value(&of.after))).collect();
        format!(
            "{} {:?} {} {} {}",
            event.caller,
            event.role(),
            event.action,
            event.subject,
            changes.join(" ")
        )
    };
    events.into_iter().map(line).collect()
}

async fn what_operators_change_is_listed_with_who_and_what(plan: Plan) {
    let world = plan.products(2).start().await;
    let root = world.make_admin().await;
    let mei = world.make_token(&root, "mei", Role::Operator).await;
    let mut administration = world.administration().await;
    let target = UpstreamTarget::OrderPush.into();
    let pause = PauseUpstreamRequest { target, reason: "stocktaking".to_owned(), until: None };
    administration.pause_upstream(bearing(&mei, pause)).await.unwrap();
    administration.resume_upstream(bearing(&mei, ResumeUpstreamRequest { target })).await.unwrap();
    let request = SyncProductsRequest {
        product_codes: vec!["ZZ1".to_owned(), "ZZ2".to_owned()],
        sync_prices: true,
        ..Default::default()
    };
    let stream = world.client().sync_products(bearing(&mei, request.clone())).await.unwrap().into_inner();
    let run = collect(stream).await.unwrap().pop().unwrap().sync_log_id;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let retry = bearing(&mei, RetrySyncRequest { sync_log_id: run });
    let mut stream = world.client().retry_sync(retry).await.unwrap().into_inner();
    let retried = within(stream.message()).await.unwrap().unwrap().sync_log_id;
    let cancel = CancelSyncRequest { sync_log_id: retried };
    world.client().cancel_sync(bearing(&mei, cancel)).await.unwrap();
    world.haier.clear_faults().await;
    let request = RevokeApiTokenRequest { name: "mei".to_owned() };
    let revoked = administration.revoke_api_token(bearing(&root, request)).await.unwrap().into_inner();

    let told = told(&world, &root).await;
    let at = revoked.revoked_at.unwrap();
    let last = told.last().unwrap().clone();
    let asked = "sync_type:->products";
    assert_eq!(
        told[..7],
        [
            "local Admin token.create root role:->admin token:->(set)".to_owned(),
            "root Admin token.create mei role:->operator token:->(set)".to_owned(),
            "mei Operator upstream.pause order-push reason:->stocktaking until:->resumed".to_owned(),
            "mei Operator upstream.resume order-push reason:stocktaking>- until:resumed>-".to_owned(),
            format!("mei Operator sync.start {run} {asked} codes:->2 sync_prices:->true"),
            format!(
                "mei Operator sync.retry {retried} {asked} parent_id:->{run} codes:->2 sync_prices:->true"
            ),
            format!("mei Operator sync.cancel {retried} end_reason:->CANCELLED"),
        ],
        "{told:#?}"
    );
    assert!(last.starts_with("root Admin token.revoke mei revoked_at:->2") && at.seconds > 0, "{last}");
    assert_eq!(told.len(), 8);
    world.finish().await;
}

async fn the_audit_is_filtered_and_comes_in_pages(plan: Plan) {
    let world = plan.products(1).start().await;
    let root = world.make_admin().await;
    let mei = world.make_token(&root, "mei", Role::Operator).await;
    let mut administration = world.administration().await;
    for target in [UpstreamTarget::OrderPush, UpstreamTarget::OrderSystem] {
        for token in [&mei, &root] {
            let target = target.into();
            let request = PauseUpstreamRequest { target, reason: token[..9].to_owned(), until: None };
            administration.pause_upstream(bearing(token, request)).await.unwrap();
        }
    }
    let all = events(&world, &root, ListAuditEventsRequest::default()).await;
    assert_eq!(all.len(), 6);
    let created = |index: usize| all[index].created_at;
    let of = |caller: &str, action: &str, subject: &str| ListAuditEventsRequest {
        caller: caller.to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        ..Default::default()
    };
    let range = |after, before| ListAuditEventsRequest {
        created_after: after,
        created_before: before,
        ..Default::default()
    };
    for (request, expected) in [
        (of("mei", "", ""), vec![1, 3]),
        (of("root", "upstream.pause", ""), vec![0, 2]),
        (of("", "token.create", ""), vec![4, 5]),
        (of("", "", "order-push"), vec![2, 3]),
        (of("mei", "", "order-push"), vec![3]),
        (of("me", "", ""), vec![]),
        (range(created(2), None), vec![0, 1, 2]),
        (range(created(3), created(1)), vec![2, 3]),
        (range(None, created(5)), vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|index: usize| all[index].clone()).collect();
        assert_eq!(events(&world, &root, request.clone()).await, expected, "{request:?}");
    }

    let (mut seen, mut request) = (Vec::new(), ListAuditEventsRequest { page_size: 4, ..Default::default() });
    let mut first_token = String::new();
    loop {
        let page =
            administration.list_audit_events(bearing(&root, request.clone())).await.unwrap().into_inner();
        seen.extend(page.audit_events);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        first_token.clone_from(&request.page_token);
    }
    assert_eq!(seen, all);
    let foreign = ListAuditEventsRequest { page_token: first_token, ..of("mei", "", "") };
    let reversed = ListAuditEventsRequest { page_size: -1, ..range(created(0), created(1)) };
    for (request, fields) in [(foreign, vec!["page_token"]), (reversed, vec!["created_before", "page_size"])]
    {
        let refused = administration.list_audit_events(bearing(&root, request)).await.unwrap_err();
        assert_eq!(violated(&refused), fields);
    }
    world.finish().await;
}

async fn what_changes_nothing_leaves_no_event(plan: Plan) {
    let world = plan.products(1).start().await;
    let root = world.make_admin().await;
    let mut administration = world.administration().await;
    let request = ResumeUpstreamRequest { target: UpstreamTarget::OrderPush.into() };
    administration.resume_upstream(bearing(&root, request)).await.unwrap();
    let logs = world.client().list_sync_logs(bearing(&root, Default::default())).await.unwrap().into_inner();
    let cancel = CancelSyncRequest { sync_log_id: logs.sync_logs[0].id };
    world.client().cancel_sync(bearing(&root, cancel)).await.unwrap();
    let revoke = RevokeApiTokenRequest { name: "root".to_owned() };
    administration.revoke_api_token(bearing(&root, revoke)).await.unwrap_err();
    assert_eq!(told(&world, &root).await, ["local Admin token.create root role:->admin token:->(set)"]);
    world.finish().await;
}
