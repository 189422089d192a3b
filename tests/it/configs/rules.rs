//! What an account must hold, and everything wrong with one at once.

use super::*;

on_both_databases!(
    everything_wrong_with_an_account_is_told_at_once,
    the_part_at_the_order_system_is_whole_or_absent,
    a_preset_fills_the_hosts,
    hosts_that_lead_inside_are_refused,
);

async fn everything_wrong_with_an_account_is_told_at_once(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    let nothing = create(&mut client, HaierConfig::default()).await.unwrap_err();
    let of = |fields: &[&str]| {
        let mut fields: Vec<_> = fields.iter().map(|field| format!("haier_config.{field}")).collect();
        fields.sort();
        fields
    };
    let required =
        ["name", "base_url", "client_id", "client_secret", "customer_code", "password", "seller_password"];
    assert_eq!(violated(&nothing), of(&required));
    let bad = HaierConfig {
        name: "environment".to_owned(),
        client_id: "x".repeat(201),
        base_url: "http://openplat.example.com".to_owned(),
        token_url: format!("https://user:{CANARY}@openplat.example.com"),
        authorization_scheme: "basic".to_owned(),
        preset: "prod".to_owned(),
        ylh: Some(YlhConfig { service_suffix: "dev".to_owned(), ..account("x").ylh.unwrap() }),
        ..account("x")
    };
    let refused = create(&mut client, bad.clone()).await.unwrap_err();
    assert_eq!(
        violated(&refused),
        of(&[
            "name",
            "client_id",
            "base_url",
            "token_url",
            "authorization_scheme",
            "preset",
            "ylh.service_suffix"
        ])
    );
    assert!(!format!("{refused:?}").contains(CANARY), "{refused:?}");
    for (name, why) in [(" x", "blanks"), ("x".repeat(65).as_str(), "64")] {
        let refused = create(&mut client, account(name)).await.unwrap_err();
        assert_eq!(violated(&refused), of(&["name"]));
        assert!(refused.message().contains(why), "{refused}");
    }
    let request = CreateHaierConfigRequest { haier_config: Some(account("fine")), validate_only: true };
    client.create_haier_config(request).await.unwrap();
    assert_eq!(world.database.number("SELECT count(*) FROM haier_configs").await, 0);
    world.finish().await;
}

async fn the_part_at_the_order_system_is_whole_or_absent(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    let half = HaierConfig { ylh: Some(YlhConfig::default()), ..account("half") };
    let fields = violated(&create(&mut client, half).await.unwrap_err());
    assert_eq!(fields.len(), 9, "{fields:?}");
    assert!(fields.iter().all(|field| field.starts_with("haier_config.ylh.")), "{fields:?}");
    let without = create(&mut client, HaierConfig { ylh: None, ..account("without") }).await.unwrap();
    assert!(without.ylh.is_none() && without.secrets.len() == 4, "{without:?}");

    // It comes and goes as a whole, with its secrets.
    let with = update(&mut client, account("without"), &["ylh"]).await.unwrap();
    assert_eq!((with.ylh.as_ref().unwrap().shop_name.as_str(), secrets_set(&with).len()), ("旗舰店", 6));
    let again = HaierConfig { ylh: None, ..account("without") };
    let gone = update(&mut client, again, &["ylh"]).await.unwrap();
    assert!(gone.ylh.is_none() && secrets_set(&gone).len() == 3, "{gone:?}");
    assert_eq!(world.database.number("SELECT count(*) FROM haier_config_secrets").await, 3);
    world.finish().await;
}

async fn a_preset_fills_the_hosts(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    let of = |preset: &str| {
        let ylh = YlhConfig { base_url: String::new(), ..account("x").ylh.unwrap() };
        HaierConfig { base_url: String::new(), preset: preset.to_owned(), ylh: Some(ylh), ..account(preset) }
    };
    let hosts = |config: &HaierConfig| {
        let ylh = config.ylh.clone().unwrap();
        [config.base_url.clone(), ylh.base_url, ylh.service_suffix]
    };
    let staging = ["https://openplat-bj-aliyun-stage.haier.net", "http://pre.yilihuo.com", "-pre"];
    let production = ["https://openplat-bj-aliyun.haier.net", "http://www.yilihuo.com", ""];
    for (preset, expected) in [
        ("test", ["https://openplat-test.haier.net", "http://dev.ylhtest.com", "-dev"]),
        ("staging", staging),
        ("production", production),
    ] {
        let made = create(&mut client, of(preset)).await.unwrap();
        assert_eq!(hosts(&made), expected, "{preset}");
        assert_eq!(made.preset, "");
    }
    // Moving over changes all of them, and what contradicts is told.
    let request =
        HaierConfig { name: "staging".to_owned(), preset: "production".to_owned(), ..Default::default() };
    let moved = update(&mut client, request.clone(), &["preset"]).await.unwrap();
    assert_eq!(hosts(&moved), production);
    let both = HaierConfig { base_url: "https://other.example.com".to_owned(), ..request };
    let refused = update(&mut client, both, &["preset", "base_url"]).await.unwrap_err();
    assert_eq!(violated(&refused), ["haier_config.base_url"]);
    world.finish().await;
}

async fn hosts_that_lead_inside_are_refused(plan: Plan) {
    let world = plan.keyed().settings(|settings| settings.allow_private_hosts = false).start().await;
    let mut client = administration(&world).await;
    for inside in [
        "https://10.0.0.1",
        "https://127.0.0.1:18080",
        "https://localhost",
        "https://[::1]",
        "https://0x7f.1",
    ] {
        let ylh = YlhConfig { base_url: inside.replace("https", "http"), ..account("x").ylh.unwrap() };
        let config = HaierConfig { base_url: inside.to_owned(), ylh: Some(ylh), ..account("x") };
        let refused = create(&mut client, config).await.unwrap_err();
        assert_eq!(violated(&refused), ["haier_config.base_url", "haier_config.ylh.base_url"], "{inside}");
        assert!(refused.message().contains("--allow-private-hosts"), "{refused}");
    }
    let outside = HaierConfig { base_url: "https://8.8.8.8".to_owned(), ylh: None, ..account("outside") };
    create(&mut client, outside.clone()).await.unwrap();
    let moved = HaierConfig { base_url: "https://192.168.1.1".to_owned(), ..outside };
    let refused = update(&mut client, moved, &["base_url"]).await.unwrap_err();
    assert_eq!(violated(&refused), ["haier_config.base_url"]);
    // What was stored while it was allowed is held against the rule again when it is to be used.
    let inside = "'{\"base_url\":\"https://192.168.1.1\",\"client_id\":\"i\",\"customer_code\":\"c\"}'";
    world.database.execute(&format!("UPDATE haier_configs SET settings = {inside}")).await.unwrap();
    assert_eq!(
        violated(&activate(&mut client, "outside", false).await.unwrap_err()),
        ["haier_config.base_url"]
    );
    world.finish().await;
}
