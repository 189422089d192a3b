//! An order and the account under which it was first sent: that of its whole life.

use haier_integration::proto::{
    DeactivateHaierConfigRequest, DeleteHaierConfigRequest, HaierConfig, OrderState, RetryOrderRequest,
    UpdateHaierConfigRequest, WatchOrderRequest,
};
use tonic::{Code, Status};

use super::{hurried, on_sale, order, push};
use crate::{
    support::{Plan, World, on_both_databases, refusal},
    switching::{activate, administration, create, seller, with_orders},
};

on_both_databases!(
    an_account_with_open_orders_is_not_deleted,
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
