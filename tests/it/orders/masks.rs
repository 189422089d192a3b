//! Who sees whom an order is for: whoever may act on it, and nobody else.

use haier_integration::proto::{BatchGetOrdersRequest, ListOrdersRequest, Role, WatchOrderRequest};

use super::*;
use crate::support::{bearing, on_both_databases};

on_both_databases!(a_reader_sees_masks_and_an_operator_sees_whom_it_is_for);

/// The order, by every call that answers with one.
async fn seen_by(world: &World, token: &str) -> Vec<Order> {
    let mut client = world.client();
    let so_id = || "SO-1".to_owned();
    let one = client.get_order(bearing(token, GetOrderRequest { so_id: so_id() })).await.unwrap();
    let several = BatchGetOrdersRequest { so_ids: vec![so_id()] };
    let several = client.batch_get_orders(bearing(token, several)).await.unwrap().into_inner();
    let page = client.list_orders(bearing(token, ListOrdersRequest::default())).await.unwrap().into_inner();
    let watch = client.watch_order(bearing(token, WatchOrderRequest { so_id: so_id() })).await.unwrap();
    let first = within(watch.into_inner().message()).await.unwrap().expect("it begins with the order");
    let [one, first] = [one.into_inner().order, first.order].map(Option::unwrap);
    [vec![one, first], several.orders, page.orders].concat()
}

async fn a_reader_sees_masks_and_an_operator_sees_whom_it_is_for(plan: Plan) {
    let (world, code) = shop(plan).await;
    push(&mut world.client(), order("SO-1", &code)).await.unwrap();
    let admin = world.make_admin().await;
    for role in [Role::Reader, Role::Operator, Role::Admin] {
        let token = world.make_token(&admin, role.as_str_name(), role).await;
        let seen = seen_by(&world, &token).await;
        assert_eq!(seen.len(), 4);
        let expected =
            if role == Role::Reader { ["欧*", "139****5678", "长安****", "****"] } else { PERSONAL };
        for order in seen {
            let personal = [order.consignee_name, order.consignee_mobile, order.detail_address, order.remark];
            assert_eq!(personal, expected, "{role:?}");
            assert_eq!((order.so_id.as_str(), order.area.as_str()), ("SO-1", "东城区"));
        }
    }
    world.finish().await;
}
