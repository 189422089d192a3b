//! An order and the account under which it was first sent: that of its whole life.

use haier_integration::proto::{
    DeactivateHaierConfigRequest, DeleteHaierConfigRequest, HaierConfig, OrderState, RetryOrderRequest,
    UpdateHaierConfigRequest,
};
use serde_json::json;
use tonic::{Code, Status};

use super::{accept, booked, get, hurried, on_sale, order, push, until};
use crate::{
    support::{Plan, World, on_both_databases, refusal, within},
    switching::{activate, administration, create, seller, with_orders},
};

on_both_databases!(
    an_account_with_open_orders_is_not_deleted,
    an_order_is_sent_with_the_new_password_of_an_account_that_is_not_active,
);

async fn deactivate(world: &World, name: &str) {
    let request = DeactivateHaierConfigRequest { name: name.to_owned(), etag: String::new() };
    administration(world).await.deactivate_haier_config(request).await.unwrap();
}

async fn delete(world: &World, name: &str) -> Result<(), Status> {
    let request = DeleteHaierConfigRequest { name: name.to_owned(), etag: String::new() };
    administration(world).await.delete_haier_config(request).await.map(drop)
}

async fn an_account_with_open_orders_is_not_deleted(plan: Plan) {
    let world = plan.keyed().settings(hurried).start().await;
    let code = on_sale(&world).await;
    create(&world, with_orders(seller(&world, "first", 0))).await;
    activate(&world, "first").await;
    let pushed = push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    assert_eq!((pushed.state(), pushed.account.as_str()), (OrderState::Pushed, "first"));
    deactivate(&world, "first").await;
    // Nothing is to be done with it, and Haier's callback is to come.
    assert_eq!(world.database.number("SELECT count(*) FROM order_pushes").await, 0);
    for open in ["accepted", "in_doubt", "pushed", "cancelling"] {
        world.database.execute(&format!("UPDATE orders SET state = '{open}'")).await.unwrap();
        let refused = delete(&world, "first").await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::FailedPrecondition, "ACCOUNT_ACTIVE".to_owned()), "{open}");
        assert!(refused.message().contains("SO-1"), "{refused}");
    }
    world.database.execute("UPDATE orders SET state = 'confirmed'").await.unwrap();
    delete(&world, "first").await.unwrap();
    world.finish().await;
}

async fn an_order_is_sent_with_the_new_password_of_an_account_that_is_not_active(plan: Plan) {
    let world = plan.keyed().settings(hurried).start().await;
    let code = on_sale(&world).await;
    create(&world, with_orders(seller(&world, "first", 0))).await;
    activate(&world, "first").await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "server_error" })).await;
    accept(&world, order("SO-1", &code)).await.unwrap();
    until(&mut world.client(), "SO-1", OrderState::InDoubt).await;
    // Its password is wrong from now on, and the token that it had is void.
    let password = async |password: &str| {
        let mut config = with_orders(seller(&world, "first", 0));
        config.ylh.as_mut().unwrap().password = password.to_owned();
        let mask = Some(prost_types::FieldMask { paths: vec!["ylh.password".to_owned()] });
        let request = UpdateHaierConfigRequest {
            haier_config: Some(HaierConfig { name: "first".to_owned(), ..config }),
            update_mask: mask,
            same_place: false,
        };
        administration(&world).await.update_haier_config(request).await.unwrap();
    };
    let right = with_orders(seller(&world, "first", 0)).ylh.unwrap().password;
    password("wrong").await;
    deactivate(&world, "first").await;
    world.haier.clear_faults().await;
    world.haier.fault(json!({ "endpoint": "Y1", "kind": "unauthorized" })).await;
    let retry = async || {
        let request = RetryOrderRequest { so_id: "SO-1".to_owned() };
        // It may have been sent by itself by now; then there is nothing to retry.
        drop(world.client().retry_order(request).await);
    };
    retry().await;
    let refused = async || get(&mut world.client(), "SO-1").await.last_error.contains("AUTH_FAILED");
    within(async { while !refused().await {} }).await;
    world.haier.clear_faults().await;
    password(&right).await;
    retry().await;
    until(&mut world.client(), "SO-1", OrderState::Pushed).await;
    assert_eq!(booked(&world.haier, "SO-1").await.len(), 1);
    world.finish().await;
}
