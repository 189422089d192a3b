//! Secrets of accounts that are closed for a moment, or were replaced: what such an account's callbacks are answered.

use haier_integration::{
    keyring::Document,
    proto::{
        CreateHaierConfigRequest, HaierConfig, UpdateHaierConfigRequest, YlhConfig,
        haier_administration_client::HaierAdministrationClient,
    },
};
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;

use super::{assert_refused, confirm, count, now, served};
use crate::support::{Plan, account, on_both_databases, within};

on_both_databases!(
    while_an_account_is_closed_a_callback_is_answered_so_that_it_comes_again,
    a_secret_that_was_replaced_stays_good_for_a_while,
);

async fn while_an_account_is_closed_a_callback_is_answered_so_that_it_comes_again(plan: Plan) {
    let mut world = served(plan.keyed()).await;
    let stored = account("stored");
    let secret = stored.ylh.as_ref().unwrap().callback_secret.clone();
    let callback = confirm("A").with("AppKey", "app").with_secret(&secret);
    let mut client = HaierAdministrationClient::new(world.channel().connect().await.unwrap());
    let request = CreateHaierConfigRequest { haier_config: Some(stored), validate_only: false };
    client.create_haier_config(request).await.unwrap();
    world.stop().await;
    // The key file is another one for a moment.
    let right = std::fs::read_to_string(world.key_file()).unwrap();
    let wrong = Document::generate(now()).unwrap().to_text();
    std::fs::write(world.key_file(), wrong.expose_secret()).unwrap();
    world.serve().await;
    let refused = callback.clone().send(&world).await;
    assert_refused(&refused, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    // What an open account signed is taken meanwhile.
    confirm("B").taken(&world).await;
    std::fs::write(world.key_file(), right).unwrap();
    within(async { while callback.clone().send(&world).await.1["success"] != true {} }).await;
    assert_eq!(count(&world, "platform_order_no = 'A'").await, 1);
    // Now that every account is open, a wrong signature is a wrong one.
    let forged = confirm("C").with_secret("guessed");
    assert_refused(&forged.send(&world).await, StatusCode::OK, "invalid_signature");
    world.finish().await;
}

async fn a_secret_that_was_replaced_stays_good_for_a_while(plan: Plan) {
    let world = served(plan.keyed()).await;
    let stored = account("stored");
    let mut client = HaierAdministrationClient::new(world.channel().connect().await.unwrap());
    let request = CreateHaierConfigRequest { haier_config: Some(stored.clone()), validate_only: false };
    client.create_haier_config(request).await.unwrap();
    let signed = |secret: &str, number: &str| confirm(number).with("AppKey", "app").with_secret(secret);
    let former = stored.ylh.clone().unwrap().callback_secret;
    within(async { while signed(&former, "A").send(&world).await.1["success"] != true {} }).await;
    let ylh = YlhConfig { callback_secret: "another".to_owned(), ..stored.ylh.clone().unwrap() };
    let request = UpdateHaierConfigRequest {
        haier_config: Some(HaierConfig { ylh: Some(ylh), ..stored }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["ylh.callback_secret".to_owned()] }),
        same_place: false,
    };
    client.update_haier_config(request).await.unwrap();
    within(async { while signed("another", "B").send(&world).await.1["success"] != true {} }).await;
    // Haier has not changed it everywhere yet.
    signed(&former, "C").taken(&world).await;
    world.finish().await;
}
