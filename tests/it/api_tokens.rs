//! Tokens: made, used, revoked; and what an operator sees of the runs of others.

use std::time::{Duration, Instant};

use haier_integration::{
    proto::{
        ApiToken, CancelSyncRequest, CreateApiTokenRequest, GetSyncLogRequest, GetUpstreamStatusRequest,
        ListApiTokensRequest, ListSyncFailuresRequest, ListSyncLogsRequest, RetrySyncRequest,
        RevokeApiTokenRequest, Role, SyncProductsRequest, WatchSyncRequest,
        haier_administration_client::HaierAdministrationClient,
    },
    service::Service,
};
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{Plan, World, bearing, collect, on_both_databases, refusal, violated, within};

on_both_databases!(
    the_first_token_is_an_admins_and_closes_the_door,
    a_token_that_makes_no_sense_is_refused,
    a_name_is_given_once,
    the_last_admin_cannot_be_revoked,
    a_revoked_token_opens_no_replica,
    a_stream_ends_with_the_token_that_opened_it,
    a_token_that_is_used_says_when,
    tokens_come_in_pages_by_name,
    an_operator_sees_his_own_runs_and_the_services,
);

fn new(name: &str, role: Role) -> CreateApiTokenRequest {
    CreateApiTokenRequest { name: name.to_owned(), role: role.into(), expires_at: None }
}

async fn create(world: &World, by: &str, request: CreateApiTokenRequest) -> Result<ApiToken, Status> {
    let made = world.administration().await.create_api_token(bearing(by, request)).await?.into_inner();
    Ok(made.api_token.unwrap())
}

async fn revoke(world: &World, by: &str, name: &str) -> Result<ApiToken, Status> {
    let request = RevokeApiTokenRequest { name: name.to_owned() };
    Ok(world.administration().await.revoke_api_token(bearing(by, request)).await?.into_inner())
}

async fn tokens(world: &World, by: &str) -> Vec<ApiToken> {
    let request = bearing(by, ListApiTokensRequest::default());
    world.administration().await.list_api_tokens(request).await.unwrap().into_inner().api_tokens
}

async fn status(world: &World, token: &str) -> Result<(), Status> {
    let request = bearing(token, GetUpstreamStatusRequest {});
    world.administration().await.get_upstream_status(request).await.map(drop)
}

async fn the_first_token_is_an_admins_and_closes_the_door(plan: Plan) {
    let world = plan.products(1).start().await;
    status(&world, "whatever").await.unwrap();
    for role in [Role::Reader, Role::Operator] {
        assert_eq!(violated(&create(&world, "", new("mei", role)).await.unwrap_err()), ["role"]);
    }
    let request = new("mei", Role::Admin);
    let made = world.administration().await.create_api_token(request).await.unwrap().into_inner();
    let token = made.api_token.unwrap();
    assert_eq!((token.name.as_str(), token.role(), token.created_by.as_str()), ("mei", Role::Admin, "local"));
    assert!(made.token.starts_with("hi_") && token.last_used_at.is_none() && token.revoked_at.is_none());

    let refused = status(&world, "whatever").await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()));
    let refused =
        world.client().list_products(haier_integration::proto::ListProductsRequest::default()).await;
    assert!(refused.unwrap_err().message().contains("`Bearer TOKEN` in the header authorization"));
    status(&world, &made.token).await.unwrap();
    assert_eq!(create(&world, &made.token, new("ci", Role::Reader)).await.unwrap().created_by, "mei");
    // What is kept is a hash.
    let kept = format!("SELECT count(*) FROM api_tokens WHERE hash = '{}'", made.token);
    assert_eq!(world.database.number(&kept.replace("hash", "name")).await, 0);
    world.finish().await;
}

async fn a_token_that_makes_no_sense_is_refused(plan: Plan) {
    let world = plan.products(1).start().await;
    let admin = world.make_admin().await;
    let request = CreateApiTokenRequest {
        name: "two words".to_owned(),
        role: 9,
        expires_at: Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
    };
    let refused = create(&world, &admin, request).await.unwrap_err();
    assert_eq!(violated(&refused), ["expires_at", "name", "role"]);
    let past = Some(Timestamp { seconds: 1_700_000_000, nanos: 0 });
    let request = CreateApiTokenRequest { expires_at: past, ..new("ci", Role::Reader) };
    assert_eq!(violated(&create(&world, &admin, request).await.unwrap_err()), ["expires_at"]);
    assert_eq!(violated(&create(&world, &admin, new("local", Role::Reader)).await.unwrap_err()), ["name"]);
    assert_eq!(violated(&revoke(&world, &admin, "").await.unwrap_err()), ["name"]);
    let unknown = revoke(&world, &admin, "nobody").await.unwrap_err();
    assert_eq!(refusal(&unknown), (Code::NotFound, "NOT_FOUND".to_owned()));
    assert_eq!(tokens(&world, &admin).await.len(), 1);
    world.finish().await;
}

async fn a_name_is_given_once(plan: Plan) {
    let world = plan.products(1).start().await;
    let admin = world.make_admin().await;
    create(&world, &admin, new("ci", Role::Reader)).await.unwrap();
    revoke(&world, &admin, "ci").await.unwrap();
    let refused = create(&world, &admin, new("ci", Role::Operator)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));
    assert!(refused.message().contains("ci"), "{refused}");
    world.finish().await;
}

async fn the_last_admin_cannot_be_revoked(plan: Plan) {
    let world = plan.products(1).start().await;
    let root = world.make_admin().await;
    let ending = Some(Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let request = CreateApiTokenRequest { expires_at: ending, ..new("second", Role::Admin) };
    let mut client = world.administration().await;
    let second = client.create_api_token(bearing(&root, request)).await.unwrap().into_inner().token;
    let first = revoke(&world, &second, "root").await.unwrap();
    assert!(first.revoked_at.is_some());
    let again = revoke(&world, &second, "root").await.unwrap();
    assert_eq!((again.name, again.revoked_at), (first.name, first.revoked_at), "once is enough");
    let refused = revoke(&world, &second, "second").await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "LAST_ADMIN".to_owned()));
    status(&world, &second).await.unwrap();
    let refused = status(&world, &root).await.unwrap_err();
    assert!(refused.message().contains("root was revoked at"), "{refused}");
    world.finish().await;
}

async fn a_revoked_token_opens_no_replica(plan: Plan) {
    let mut world = plan.products(1).start().await;
    let root = world.make_admin().await;
    let ci = world.make_token(&root, "ci", Role::Reader).await;
    status(&world, &ci).await.unwrap();
    if !world.database.is_postgres() {
        // One process at a time holds an SQLite file: it obeys at once, and after a restart.
        revoke(&world, &root, "ci").await.unwrap();
        assert_eq!(refusal(&status(&world, &ci).await.unwrap_err()).0, Code::Unauthenticated);
        world.stop().await;
        world.serve().await;
        assert_eq!(refusal(&status(&world, &ci).await.unwrap_err()).0, Code::Unauthenticated);
        world.finish().await;
        return;
    }
    let second = within(Service::start(world.settings.clone())).await.unwrap();
    let address = format!("http://{}", second.grpc_addr());
    let other = HaierAdministrationClient::connect(address).await.unwrap();
    let ask_other = async |token: &str| {
        other.clone().get_upstream_status(bearing(token, GetUpstreamStatusRequest {})).await
    };
    ask_other(&ci).await.unwrap();
    let began = Instant::now();
    revoke(&world, &root, "ci").await.unwrap();
    assert!(status(&world, &ci).await.is_err());
    within(async { while ask_other(&ci).await.is_ok() {} }).await;
    // Two seconds are promised.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // A new one opens there as soon.
    let new = world.make_token(&root, "ci-2", Role::Reader).await;
    within(async { while ask_other(&new).await.is_err() {} }).await;
    within(second.stop()).await;
    world.finish().await;
}

async fn a_stream_ends_with_the_token_that_opened_it(plan: Plan) {
    let world = plan.products(2).start().await;
    let root = world.make_admin().await;
    let mei = world.make_token(&root, "mei", Role::Operator).await;
    world.haier.fault(json!({ "kind": "hang", "endpoint": "H1" })).await;
    let request = bearing(&mei, SyncProductsRequest::default());
    let mut stream = world.client().sync_products(request).await.unwrap().into_inner();
    let run = within(stream.message()).await.unwrap().unwrap().sync_log_id;
    revoke(&world, &root, "mei").await.unwrap();
    // Its end is the next thing to be told, and not to him any more.
    world.client().cancel_sync(bearing(&root, CancelSyncRequest { sync_log_id: run })).await.unwrap();
    let told = async {
        loop {
            match stream.message().await {
                // What was on its way already.
                Ok(Some(progress)) => assert!(!progress.status().as_str_name().ends_with("FAILED")),
                other => return other,
            }
        }
    };
    let refused = within(told).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()));
    world.haier.clear_faults().await;
    world.finish().await;
}

async fn a_token_that_is_used_says_when(plan: Plan) {
    let world = plan.products(1).start().await;
    let root = world.make_admin().await;
    let ci = world.make_token(&root, "ci", Role::Reader).await;
    world.make_token(&root, "idle", Role::Reader).await;
    let used = async |name: &str| {
        let all = tokens(&world, &root).await;
        all.into_iter().find(|token| token.name == name).unwrap().last_used_at
    };
    assert_eq!(used("ci").await, None);
    status(&world, &ci).await.unwrap();
    within(async { while used("ci").await.is_none() {} }).await;
    let first = used("ci").await;
    status(&world, &ci).await.unwrap();
    assert_eq!(used("idle").await, None);
    // Once a minute at most, also when the service stops.
    let database = world.finish_leaving_open().await;
    assert!(first.is_some());
    let unused = "SELECT count(*) FROM api_tokens WHERE last_used_at IS NULL";
    assert_eq!(database.number(unused).await, 1);
}

async fn tokens_come_in_pages_by_name(plan: Plan) {
    let world = plan.products(1).start().await;
    let root = world.make_admin().await;
    for name in ["delta", "alpha", "charlie", "bravo"] {
        world.make_token(&root, name, Role::Reader).await;
    }
    let (mut seen, mut request) = (Vec::new(), ListApiTokensRequest { page_size: 2, ..Default::default() });
    loop {
        let page = world.administration().await.list_api_tokens(bearing(&root, request.clone())).await;
        let page = page.unwrap().into_inner();
        seen.extend(page.api_tokens.into_iter().map(|token| token.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["alpha", "bravo", "charlie", "delta", "root"]);
    request = ListApiTokensRequest { page_size: -1, page_token: "nonsense".to_owned() };
    let refused = world.administration().await.list_api_tokens(bearing(&root, request)).await.unwrap_err();
    assert_eq!(violated(&refused), ["page_size", "page_token"]);
    world.finish().await;
}

async fn sync(world: &World, token: &str) -> i64 {
    let request = SyncProductsRequest { product_codes: vec!["ZZ1".to_owned()], ..Default::default() };
    let stream = world.client().sync_products(bearing(token, request)).await.unwrap().into_inner();
    collect(stream).await.unwrap().pop().unwrap().sync_log_id
}

/// Ids of all logs that this token is shown, read page by page.
async fn logs(world: &World, token: &str) -> Vec<i64> {
    let (mut seen, mut request) = (Vec::new(), ListSyncLogsRequest { page_size: 2, ..Default::default() });
    loop {
        let page = world.client().list_sync_logs(bearing(token, request.clone())).await.unwrap().into_inner();
        assert!(page.sync_logs.len() == 2 || page.next_page_token.is_empty(), "a page with a gap");
        seen.extend(page.sync_logs.into_iter().map(|log| log.id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return seen;
        }
    }
}

async fn an_operator_sees_his_own_runs_and_the_services(plan: Plan) {
    let world = plan.products(2).start().await;
    let first = world.first_sync().await.sync_log_id;
    let root = world.make_admin().await;
    let mei = world.make_token(&root, "mei", Role::Operator).await;
    let li = world.make_token(&root, "li", Role::Operator).await;
    let (of_mei, of_li) = (sync(&world, &mei).await, sync(&world, &li).await);
    let (again, of_root) = (sync(&world, &mei).await, sync(&world, &root).await);
    assert_eq!(logs(&world, &root).await, [of_root, again, of_li, of_mei, first]);
    assert_eq!(logs(&world, &mei).await, [again, of_mei, first]);
    assert_eq!(logs(&world, &li).await, [of_li, first]);

    let client = world.client();
    for (token, id, shown) in
        [(&mei, of_mei, true), (&mei, first, true), (&mei, of_li, false), (&root, of_li, true)]
    {
        let get = bearing(token, GetSyncLogRequest { id });
        let failures = ListSyncFailuresRequest { sync_log_id: id, ..Default::default() };
        let answers = [
            client.clone().get_sync_log(get).await.map(drop),
            client.clone().list_sync_failures(bearing(token, failures)).await.map(drop),
            client.clone().watch_sync(bearing(token, WatchSyncRequest { sync_log_id: id })).await.map(drop),
            client.clone().cancel_sync(bearing(token, CancelSyncRequest { sync_log_id: id })).await.map(drop),
        ];
        for answer in answers {
            let refused = answer.err().map(|status| refusal(&status).1);
            assert_eq!(refused.as_deref(), (!shown).then_some("NOT_FOUND"), "{id}");
        }
    }
    let retry = bearing(&mei, RetrySyncRequest { sync_log_id: of_li });
    assert_eq!(refusal(&client.clone().retry_sync(retry).await.unwrap_err()).1, "NOT_FOUND");
    world.finish().await;
}
