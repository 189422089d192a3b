//! Keys: what a database without them gives away, and how they are changed while the service works.

use std::fs;

use chrono::DateTime;
use haier_integration::{
    config::KeySource,
    keyring::{Document, file},
    proto::{
        ActivateHaierConfigRequest, CreateHaierConfigRequest, Key, ListKeysRequest, RotateKeysProgress,
        RotateKeysRequest, haier_administration_client::HaierAdministrationClient,
    },
    service::Service,
};
use secrecy::ExposeSecret as _;
use tonic::{Code, Status, Streaming, transport::Channel};

use crate::support::{CANARY, Plan, World, account, on_both_databases, refusal, within};

on_both_databases!(
    a_ciphertext_opens_in_its_own_place_only,
    a_rotation_that_is_killed_half_way_is_gone_on_with,
    a_database_without_its_key_gives_nothing_up,
    what_missing_keys_sealed_is_said,
    keys_that_cannot_be_used_stop_the_start,
);

type Administration = HaierAdministrationClient<Channel>;

async fn administration(world: &World) -> Administration {
    HaierAdministrationClient::new(world.channel().connect().await.unwrap())
}

async fn create(client: &mut Administration, name: &str) {
    let request = CreateHaierConfigRequest { haier_config: Some(account(name)), validate_only: false };
    client.create_haier_config(request).await.unwrap();
}

/// Opens every secret of an account, and switches nothing.
async fn open(client: &mut Administration, name: &str) -> Result<(), Status> {
    let request =
        ActivateHaierConfigRequest { name: name.to_owned(), etag: String::new(), validate_only: true };
    client.activate_haier_config(request).await.map(drop)
}

async fn keys(client: &mut Administration) -> Vec<Key> {
    client.list_keys(ListKeysRequest {}).await.unwrap().into_inner().keys
}

async fn rotate(client: &mut Administration) -> Streaming<RotateKeysProgress> {
    client.rotate_keys(RotateKeysRequest {}).await.unwrap().into_inner()
}

async fn to_its_end(mut stream: Streaming<RotateKeysProgress>) -> RotateKeysProgress {
    let mut last = None;
    while let Some(progress) = within(stream.message()).await.unwrap() {
        last = Some(progress);
    }
    last.unwrap()
}

/// Adds a key to the service's file, and lets it seal.
async fn change_key(world: &World, client: &mut Administration) -> String {
    let text = file::read(&world.key_file()).unwrap();
    let mut document = Document::parse(text.expose_secret()).unwrap();
    let id = document.add(DateTime::UNIX_EPOCH).unwrap();
    document.promote(&id);
    file::replace(&world.key_file(), &document.to_text()).unwrap();
    let in_use = async { while !keys(client).await.iter().any(|key| key.primary && key.id == id) {} };
    within(in_use).await;
    id
}

/// Seals everything with another key; how many values.
pub(crate) async fn rotated(world: &World) -> i64 {
    let mut client = administration(world).await;
    change_key(world, &mut client).await;
    let end = to_its_end(rotate(&mut client).await).await;
    assert_eq!((end.failed_count, end.remaining_count), (0, 0));
    end.resealed_count
}

async fn a_ciphertext_opens_in_its_own_place_only(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    for name in ["a", "b"] {
        create(&mut client, name).await;
        open(&mut client, name).await.unwrap();
    }
    let of = |name: &str| format!("(SELECT id FROM haier_configs WHERE name = '{name}')");
    let sealed = |name: &str, field: &str| {
        format!(
            "(SELECT sealed FROM haier_config_secrets WHERE config_id = {} AND field = '{field}')",
            of(name)
        )
    };
    // From another field of the row, from another row, and with a letter changed.
    for (name, from) in [("a", sealed("a", "seller_password")), ("b", sealed("a", "client_secret"))] {
        let swap = format!(
            "UPDATE haier_config_secrets SET sealed = {from} WHERE config_id = {} AND field = 'client_secret'",
            of(name)
        );
        world.database.execute(&swap).await.unwrap();
        let refused = open(&mut client, name).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::Internal, "INTERNAL".to_owned()), "{name}");
    }
    create(&mut client, "c").await;
    let cut = format!(
        "UPDATE haier_config_secrets SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE config_id = {}",
        of("c")
    );
    world.database.execute(&cut).await.unwrap();
    assert_eq!(open(&mut client, "c").await.unwrap_err().code(), Code::Internal);
    world.database.execute("UPDATE haier_config_secrets SET sealed = 'plain'").await.unwrap_err();
    world.finish().await;
}

async fn a_rotation_that_is_killed_half_way_is_gone_on_with(plan: Plan) {
    const ACCOUNTS: i64 = 34;
    // Client secret, two passwords, and three of the order system.
    const ALL: i64 = 6 * ACCOUNTS;
    let mut world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    for n in 0..ACCOUNTS {
        create(&mut client, &format!("account {n}")).await;
    }
    let first = keys(&mut client).await.remove(0);
    assert_eq!((first.primary, first.sealed_count), (true, ALL));
    let second = change_key(&world, &mut client).await;

    let mut stream = rotate(&mut client).await;
    let begun = within(stream.message()).await.unwrap().unwrap();
    assert_eq!(
        (begun.key_id.as_str(), begun.resealed_count, begun.remaining_count),
        (second.as_str(), 0, ALL)
    );
    let step = within(stream.message()).await.unwrap().unwrap();
    assert!(step.resealed_count > 0 && step.resealed_count < ALL, "{step:?}");
    drop((stream, client));
    world.stop().await;

    world.serve().await;
    let mut client = administration(&world).await;
    let count = |keys: &[Key], id: &str| keys.iter().find(|key| key.id == id).unwrap().sealed_count;
    let half = keys(&mut client).await;
    let (old, new) = (count(&half, &first.id), count(&half, &second));
    assert!(old > 0 && new > 0 && old + new == ALL, "{half:?}");
    open(&mut client, "account 0").await.unwrap();
    open(&mut client, "account 33").await.unwrap();

    // Two at once do not hurt each other, nor one who writes meanwhile.
    let (mut one, mut other) = (client.clone(), client.clone());
    let (one, other, ()) = tokio::join!(
        async { to_its_end(rotate(&mut one).await).await },
        async { to_its_end(rotate(&mut other).await).await },
        create(&mut client, "late"),
    );
    assert_eq!((one.failed_count, other.failed_count, one.remaining_count), (0, 0, 0));
    assert_eq!(one.resealed_count + other.resealed_count, old);
    let done = keys(&mut client).await;
    assert_eq!((count(&done, &first.id), count(&done, &second)), (0, ALL + 6));
    for n in 0..ACCOUNTS {
        open(&mut client, &format!("account {n}")).await.unwrap();
    }
    assert_eq!(to_its_end(rotate(&mut client).await).await.resealed_count, 0);
    let recorded = "SELECT count(*) FROM audit_events WHERE action = 'keys.rotate'";
    assert_eq!(world.database.number(recorded).await, 4);
    world.finish().await;
}

async fn a_database_without_its_key_gives_nothing_up(plan: Plan) {
    let mut world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    create(&mut client, "a").await;
    let canary = CANARY.as_bytes();
    if !world.database.is_postgres() {
        for file in fs::read_dir(world.database.folder()).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(canary.len()).any(|some| some == canary), "{}", path.display());
        }
    }
    drop(client);
    world.stop().await;
    // Another key, even under the same name, and no key at all.
    let text = file::read(&world.key_file()).unwrap();
    let known = Document::parse(text.expose_secret()).unwrap().primary().to_owned();
    let other = Document::generate(DateTime::UNIX_EPOCH).unwrap();
    let unknown = other.to_text();
    let same_name = unknown.expose_secret().replace(other.primary(), &known);
    for (keys, code, reason) in [
        (Some(unknown.expose_secret().to_owned()), Code::FailedPrecondition, "NO_KEY"),
        (Some(same_name), Code::Internal, "INTERNAL"),
        (None, Code::FailedPrecondition, "NO_KEY"),
    ] {
        world.settings.keys = keys.map(|text| KeySource::Text(text.into()));
        world.serve().await;
        let mut client = administration(&world).await;
        let refused = open(&mut client, "a").await.unwrap_err();
        assert_eq!(refusal(&refused), (code, reason.to_owned()));
        assert!(!refused.message().contains(CANARY));
        assert_eq!(world.products().await.len(), 45, "what needs no key still runs");
        drop(client);
        world.stop().await;
    }
    world.settings.keys = Some(KeySource::File(world.key_file()));
    world.serve().await;
    open(&mut administration(&world).await, "a").await.unwrap();
    world.finish().await;
}

async fn what_missing_keys_sealed_is_said(plan: Plan) {
    let mut world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    create(&mut client, "a").await;
    drop(client);
    world.stop().await;
    let fresh = Document::generate(DateTime::UNIX_EPOCH).unwrap();
    world.settings.keys = Some(KeySource::Text(fresh.to_text()));
    world.serve().await;
    let mut client = administration(&world).await;
    let shown = keys(&mut client).await;
    let [key, missing] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!((key.id.as_str(), key.primary, key.sealed_count), (fresh.primary(), true, 0));
    assert_eq!((missing.id.as_str(), missing.missing, missing.sealed_count), ("", true, 6));
    let end = to_its_end(rotate(&mut client).await).await;
    assert_eq!((end.resealed_count, end.failed_count, end.remaining_count), (0, 6, 0));
    world.finish().await;
}

async fn keys_that_cannot_be_used_stop_the_start(plan: Plan) {
    let mut world = plan.keyed().prepare().await;
    fs::write(world.key_file(), "primary = \"a\"\n[keys]\na = \"c2hvcnQ=\"\n").unwrap();
    let told = Service::start(world.settings.clone()).await.err().unwrap().to_string();
    assert!(told.contains("`hmac` is missing") && told.contains("`keys.a` is not 32 bytes"), "{told}");
    assert!(!told.contains("c2hvcnQ"), "{told}");
    fs::remove_file(world.key_file()).unwrap();
    let told = Service::start(world.settings.clone()).await.err().unwrap().to_string();
    assert!(told.contains("keys generate"), "{told}");
    world.settings.keys = None;
    world.serve().await;
    world.finish_leaving_open().await;
}
