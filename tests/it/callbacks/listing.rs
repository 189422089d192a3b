//! Stored callbacks as an operator sees them: which were applied, which wait, and what a reader is not shown.

use haier_integration::proto::{Callback, CallbackState, ListCallbacksRequest, Role};
use prost_types::Timestamp;

use super::{
    matching::{pushed, tell},
    until as counted,
};
use crate::{
    orders::{on_sale, order},
    support::{Plan, World, bearing, on_both_databases, violated},
};

on_both_databases!(callbacks_are_listed_with_what_became_of_them,);

pub(super) async fn list(world: &World, request: ListCallbacksRequest) -> (Vec<Callback>, String) {
    let answer = world.administration().await.list_callbacks(request).await.unwrap().into_inner();
    (answer.callbacks, answer.next_page_token)
}

fn numbers(callbacks: &[Callback]) -> Vec<&str> {
    callbacks.iter().map(|callback| callback.platform_order_no.as_str()).collect()
}

async fn callbacks_are_listed_with_what_became_of_them(plan: Plan) {
    let world = plan.start().await;
    let code = on_sale(&world).await;
    pushed(&world, order("S-1", &code)).await;
    tell(&world, "confirm", "SO.1", "S-1", 1).await;
    tell(&world, "oostock", "", "X-1", 0).await;
    tell(&world, "oostock", "", "X-2", 0).await;
    counted(&world, "applied_at IS NOT NULL", 1).await;
    counted(&world, "parked_at IS NOT NULL", 2).await;

    let (all, token) = list(&world, ListCallbacksRequest::default()).await;
    assert_eq!((numbers(&all), token.as_str()), (vec!["X-2", "X-1", "S-1"], ""));
    let (parked, applied) = (&all[0], &all[2]);
    assert_eq!((parked.state(), parked.so_id.as_str()), (CallbackState::Parked, ""));
    assert!(parked.parked_at.is_some() && parked.applied_at.is_none() && !parked.success);
    assert_eq!(parked.words, "*********** 缺货");
    assert_eq!((applied.state(), applied.so_id.as_str()), (CallbackState::Applied, "S-1"));
    assert_eq!((applied.haier_order_no.as_str(), applied.success), ("SO.1", true));
    assert_eq!((applied.app_key.as_str(), applied.accounts.len()), ("sandbox-app", 1));
    assert!(applied.received_at.is_some() && applied.sent_at.is_some() && applied.applied_at.is_some());

    let wanted = |state: CallbackState| ListCallbacksRequest {
        state: state.into(),
        page_size: 1,
        ..Default::default()
    };
    let (first, token) = list(&world, wanted(CallbackState::Parked)).await;
    let next = ListCallbacksRequest { page_token: token.clone(), ..wanted(CallbackState::Parked) };
    let (second, end) = list(&world, next).await;
    assert_eq!([numbers(&first), numbers(&second)].concat(), ["X-2", "X-1"]);
    assert_eq!(end, "");
    assert_eq!(numbers(&list(&world, wanted(CallbackState::Applied)).await.0), ["S-1"]);
    assert!(list(&world, wanted(CallbackState::New)).await.0.is_empty());
    let received_before = applied.received_at;
    let before = ListCallbacksRequest { received_before, ..Default::default() };
    assert!(list(&world, before).await.0.is_empty());

    let mut administration = world.administration().await;
    let wrong = ListCallbacksRequest {
        state: 9,
        received_after: Some(Timestamp { seconds: 2, nanos: 0 }),
        received_before: Some(Timestamp { seconds: 1, nanos: 0 }),
        page_token: token,
        page_size: -1,
    };
    let status = administration.list_callbacks(wrong).await.unwrap_err();
    assert_eq!(violated(&status), ["page_size", "page_token", "received_before", "state"]);

    let admin = world.make_admin().await;
    let reader = world.make_token(&admin, "reader", Role::Reader).await;
    let request = bearing(&reader, ListCallbacksRequest::default());
    let shown = administration.list_callbacks(request).await.unwrap().into_inner().callbacks;
    assert!(shown.iter().all(|callback| callback.words == "****"), "{shown:?}");
    world.finish().await;
}
