//! Upstream accounts: their rules, masks and etags, and that at most one is active.

mod activation;
mod rules;

use futures_util::future::join_all;
use haier_integration::{
    config::Settings,
    proto::{
        ActivateHaierConfigRequest, ActivateHaierConfigResponse, CreateHaierConfigRequest,
        DeactivateHaierConfigRequest, DeleteHaierConfigRequest, GetHaierConfigRequest, HaierConfig,
        ListHaierConfigsRequest, UpdateHaierConfigRequest, YlhConfig,
        haier_administration_client::HaierAdministrationClient,
    },
};
use prost_types::FieldMask;
use tonic::{Code, Status, transport::Channel};

use crate::support::{CANARY, Plan, World, account, on_both_databases, refusal, violated};

on_both_databases!(
    an_account_is_stored_and_its_secrets_never_return,
    a_mask_changes_what_it_names_and_keeps_the_rest,
    a_change_of_what_was_changed_meanwhile_is_refused,
    accounts_are_found_by_filter_and_page,
    without_a_key_accounts_are_refused_and_the_rest_works,
    every_change_of_an_account_is_recorded_and_masked,
);

type Administration = HaierAdministrationClient<Channel>;

async fn administration(world: &World) -> Administration {
    HaierAdministrationClient::new(world.channel().connect().await.unwrap())
}

async fn create(client: &mut Administration, config: HaierConfig) -> Result<HaierConfig, Status> {
    let request = CreateHaierConfigRequest { haier_config: Some(config), validate_only: false };
    client.create_haier_config(request).await.map(tonic::Response::into_inner)
}

async fn get(client: &mut Administration, name: &str) -> Result<HaierConfig, Status> {
    let request = GetHaierConfigRequest { name: name.to_owned() };
    client.get_haier_config(request).await.map(tonic::Response::into_inner)
}

async fn update(
    client: &mut Administration,
    config: HaierConfig,
    mask: &[&str],
) -> Result<HaierConfig, Status> {
    let paths = mask.iter().map(|path| (*path).to_owned()).collect();
    let request = UpdateHaierConfigRequest {
        haier_config: Some(config),
        update_mask: Some(FieldMask { paths }),
        same_place: false,
    };
    client.update_haier_config(request).await.map(tonic::Response::into_inner)
}

async fn activate(
    client: &mut Administration,
    name: &str,
    validate_only: bool,
) -> Result<ActivateHaierConfigResponse, Status> {
    let request = ActivateHaierConfigRequest { name: name.to_owned(), etag: String::new(), validate_only };
    client.activate_haier_config(request).await.map(tonic::Response::into_inner)
}

async fn deactivate(client: &mut Administration, name: &str) -> HaierConfig {
    let request = DeactivateHaierConfigRequest { name: name.to_owned(), etag: String::new() };
    client.deactivate_haier_config(request).await.unwrap().into_inner()
}

async fn delete(client: &mut Administration, name: &str, etag: &str) -> Result<(), Status> {
    let request = DeleteHaierConfigRequest { name: name.to_owned(), etag: etag.to_owned() };
    client.delete_haier_config(request).await.map(drop)
}

fn secrets_set(config: &HaierConfig) -> Vec<&str> {
    config
        .secrets
        .iter()
        .filter(|secret| secret.set_at.is_some())
        .map(|secret| secret.field.as_str())
        .collect()
}

async fn an_account_is_stored_and_its_secrets_never_return(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    let created = create(&mut client, account("first")).await.unwrap();
    let read = get(&mut client, "first").await.unwrap();
    let listed = client.list_haier_configs(ListHaierConfigsRequest::default()).await.unwrap().into_inner();
    assert_eq!(created, read);
    assert_eq!(listed.haier_configs, std::slice::from_ref(&read));
    assert!(!format!("{read:?}").contains(CANARY), "{read:?}");
    assert_eq!((read.client_id.as_str(), read.send_to_code.as_str()), ("client-of-first", ""));
    assert!(!read.active && !read.etag.is_empty() && read.created_at.is_some());
    assert_eq!(read.warnings.len(), 1, "an order system without TLS is warned of: {:?}", read.warnings);
    assert_eq!(read.secrets.len(), 7);
    assert_eq!(
        secrets_set(&read),
        [
            "client_secret",
            "password",
            "seller_password",
            "ylh.password",
            "ylh.client_secret",
            "ylh.callback_secret"
        ]
    );
    assert_eq!(refusal(&create(&mut client, account("first")).await.unwrap_err()).1, "ALREADY_EXISTS");
    assert_eq!(
        refusal(&get(&mut client, "second").await.unwrap_err()),
        (Code::NotFound, "NOT_FOUND".to_owned())
    );

    let readable = format!("SELECT count(*) FROM haier_config_secrets WHERE sealed LIKE '%{CANARY}%'");
    assert_eq!(world.database.number(&readable).await, 0);
    assert_eq!(world.database.number("SELECT count(*) FROM haier_config_secrets").await, 6);
    world.finish().await;
}

async fn a_mask_changes_what_it_names_and_keeps_the_rest(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    let before = create(&mut client, account("a")).await.unwrap();
    let new = || HaierConfig {
        name: "a".to_owned(),
        client_id: "new".to_owned(),
        send_to_code: "8800000009".to_owned(),
        ..HaierConfig::default()
    };
    let after = update(&mut client, new(), &["send_to_code"]).await.unwrap();
    let expected = HaierConfig {
        send_to_code: "8800000009".to_owned(),
        etag: after.etag.clone(),
        updated_at: after.updated_at,
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert_ne!(after.etag, before.etag);

    // Without a mask whatever is not empty counts; a field that is named and empty goes back to its default.
    let after = update(&mut client, new(), &[]).await.unwrap();
    assert_eq!((after.client_id.as_str(), after.customer_code.as_str()), ("new", "8800000001"));
    let cleared = HaierConfig { name: "a".to_owned(), ..HaierConfig::default() };
    let after = update(&mut client, cleared.clone(), &["send_to_code"]).await.unwrap();
    assert_eq!(after.send_to_code, "");
    // A required one cannot go, secrets neither.
    let refused =
        update(&mut client, cleared.clone(), &["client_secret", "customer_code", "ylh.password"]).await;
    let gone = ["haier_config.client_secret", "haier_config.customer_code", "haier_config.ylh.password"];
    assert_eq!(violated(&refused.unwrap_err()), gone);
    let refused = update(&mut client, cleared, &["name", "etag", "colour"]).await.unwrap_err();
    assert_eq!(violated(&refused), ["update_mask"; 3]);

    // An optional secret comes and goes by its name alone.
    let secret = HaierConfig { customer_password: format!("{CANARY}-x"), ..new() };
    assert_eq!(secrets_set(&update(&mut client, secret, &["customer_password"]).await.unwrap()).len(), 7);
    // Everything, as a client writes back what it read: what is secret stays, what is left out goes.
    let read = get(&mut client, "a").await.unwrap();
    let all =
        update(&mut client, HaierConfig { supplier_code: "1002".to_owned(), ..read }, &["*"]).await.unwrap();
    assert_eq!((secrets_set(&all).len(), all.supplier_code.as_str()), (7, "1002"));
    let after = update(&mut client, new(), &["customer_password"]).await.unwrap();
    assert_eq!(secrets_set(&after).len(), 6);
    // A secret that is set anew is younger than the others.
    let secret = HaierConfig { password: format!("{CANARY}-y"), ..new() };
    let after = update(&mut client, secret, &["password"]).await.unwrap();
    let at = |field: &str| {
        let set_at = after.secrets.iter().find(|secret| secret.field == field).unwrap().set_at.unwrap();
        (set_at.seconds, set_at.nanos)
    };
    assert!(at("password") > at("client_secret"));
    let missing = HaierConfig { name: "nobody".to_owned(), ..new() };
    assert_eq!(refusal(&update(&mut client, missing, &["client_id"]).await.unwrap_err()).1, "NOT_FOUND");
    world.finish().await;
}

async fn a_change_of_what_was_changed_meanwhile_is_refused(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    let first = create(&mut client, account("a")).await.unwrap();
    let change = HaierConfig { supplier_code: "1002".to_owned(), ..first.clone() };
    update(&mut client, change.clone(), &["supplier_code"]).await.unwrap();
    let refused = update(&mut client, change, &["supplier_code"]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let refused = delete(&mut client, "a", &first.etag).await.unwrap_err();
    assert_eq!(refusal(&refused).1, "ETAG_MISMATCH");
    let request = ActivateHaierConfigRequest { name: "a".to_owned(), etag: first.etag, validate_only: false };
    assert_eq!(refusal(&client.activate_haier_config(request).await.unwrap_err()).1, "ETAG_MISMATCH");

    // Of changes made at once with one etag one counts; without any all of them do, one after the other.
    let now = get(&mut client, "a").await.unwrap();
    let at_once = |etag: &str| {
        let change = HaierConfig { etag: etag.to_owned(), ..now.clone() };
        let client = client.clone();
        join_all((0..6).map(move |n| {
            let change = HaierConfig { send_to_code: format!("880000001{n}"), ..change.clone() };
            let mut client = client.clone();
            async move { update(&mut client, change, &["send_to_code"]).await }
        }))
    };
    let won = at_once(&now.etag).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
    let made = world.database.number("SELECT version FROM haier_configs").await;
    let won = at_once("").await.into_iter().filter(Result::is_ok).count();
    let after = world.database.number("SELECT version FROM haier_configs").await;
    assert!(won >= 1 && after > made, "{won}, {made}, {after}");
    let present = get(&mut client, "a").await.unwrap().etag;
    delete(&mut client, "a", &present).await.unwrap();
    assert_eq!(world.database.number("SELECT count(*) FROM haier_config_secrets").await, 0);
    world.finish().await;
}

async fn accounts_are_found_by_filter_and_page(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    for name in ["生产环境", "Staging 1", "staging_2", "测试"] {
        create(&mut client, account(name)).await.unwrap();
    }
    let middle = get(&mut client, "staging_2").await.unwrap().created_at;
    let mut names = async |request: ListHaierConfigsRequest| {
        let page = client.list_haier_configs(request).await?.into_inner();
        let names: Vec<_> = page.haier_configs.into_iter().map(|config| config.name).collect();
        Ok::<_, Status>((names, page.next_page_token))
    };
    let all = ListHaierConfigsRequest::default;
    assert_eq!(names(all()).await.unwrap().0, ["测试", "staging_2", "Staging 1", "生产环境"]);
    let query = |text: &str| ListHaierConfigsRequest { query: text.to_owned(), ..all() };
    assert_eq!(names(query("STAGING")).await.unwrap().0, ["staging_2", "Staging 1"]);
    assert_eq!(names(query("g_")).await.unwrap().0, ["staging_2"]);
    assert_eq!(names(query("环境")).await.unwrap().0, ["生产环境"]);
    assert_eq!(names(ListHaierConfigsRequest { active: Some(true), ..all() }).await.unwrap().0.len(), 0);
    let after = ListHaierConfigsRequest { created_after: middle, ..all() };
    assert_eq!(names(after).await.unwrap().0, ["测试", "staging_2"]);
    let before = ListHaierConfigsRequest { created_before: middle, ..all() };
    assert_eq!(names(before).await.unwrap().0, ["Staging 1", "生产环境"]);

    let (first, token) = names(ListHaierConfigsRequest { page_size: 3, ..all() }).await.unwrap();
    let rest = ListHaierConfigsRequest { page_size: 3, page_token: token.clone(), ..all() };
    assert_eq!((first.len(), names(rest).await.unwrap()), (3, (vec!["生产环境".to_owned()], String::new())));
    let other = ListHaierConfigsRequest { page_token: token, page_size: -1, ..query("x") };
    assert_eq!(violated(&names(other).await.unwrap_err()), ["page_size", "page_token"]);
    let reversed = ListHaierConfigsRequest {
        created_after: middle,
        created_before: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        ..all()
    };
    assert_eq!(violated(&names(reversed).await.unwrap_err()), ["created_before"]);
    world.finish().await;
}

async fn without_a_key_accounts_are_refused_and_the_rest_works(plan: Plan) {
    let without = |settings: &mut Settings| {
        settings.allow_private_hosts = true;
        settings.keys = None;
    };
    let world = plan.settings(without).start().await;
    let mut client = administration(&world).await;
    let refused = create(&mut client, account("a")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "NO_KEY".to_owned()));
    assert!(refused.message().contains("haier-integration keys generate"), "{refused}");
    assert_eq!(world.database.number("SELECT count(*) FROM haier_configs").await, 0);
    let none = client.list_haier_configs(ListHaierConfigsRequest::default()).await.unwrap().into_inner();
    assert_eq!(none.haier_configs, []);
    assert_eq!(world.products().await.len(), 45);
    world.finish().await;
}

async fn every_change_of_an_account_is_recorded_and_masked(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    create(&mut client, account("a")).await.unwrap();
    let change =
        HaierConfig { password: format!("{CANARY}-x"), supplier_code: "1002".to_owned(), ..account("a") };
    update(&mut client, change, &["password", "supplier_code"]).await.unwrap();
    activate(&mut client, "a", false).await.unwrap();
    deactivate(&mut client, "a").await;
    delete(&mut client, "a", "").await.unwrap();
    let count = async |filter: &str| {
        world
            .database
            .number(&format!("SELECT count(*) FROM audit_events WHERE subject = 'a' AND {filter}"))
            .await
    };
    for action in ["create", "update", "activate", "deactivate", "delete"] {
        assert_eq!(count(&format!("action = 'account.{action}'")).await, 1, "{action}");
    }
    let text = "CAST(changes AS text)";
    assert_eq!(count(&format!("{text} LIKE '%{CANARY}%'")).await, 0);
    assert_eq!(
        count(&format!("action = 'account.update' AND {text} LIKE '%(set anew)%' AND {text} LIKE '%1002%'"))
            .await,
        1
    );
    // A change that changes nothing is none.
    create(&mut client, account("b")).await.unwrap();
    update(&mut client, HaierConfig { client_id: "client-of-b".to_owned(), ..account("b") }, &["client_id"])
        .await
        .unwrap();
    let updates = "SELECT count(*) FROM audit_events WHERE action = 'account.update'";
    assert_eq!(world.database.number(updates).await, 1);
    world.finish_leaving_open().await;
}
