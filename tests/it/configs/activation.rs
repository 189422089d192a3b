//! At most one account is active, and activating says what it changes.

use super::*;

on_both_databases!(
    of_many_activated_at_once_one_is_active,
    activating_says_what_it_changes,
    the_active_account_is_not_deleted,
);

async fn of_many_activated_at_once_one_is_active(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    let names = ["a", "b", "c", "d"];
    for name in names {
        create(&mut client, account(name)).await.unwrap();
    }
    let switched = (0..16).map(|n| {
        let mut client = client.clone();
        async move { activate(&mut client, names[n % names.len()], false).await }
    });
    for answer in join_all(switched).await {
        answer.unwrap();
    }
    let active = ListHaierConfigsRequest { active: Some(true), ..Default::default() };
    let active = client.list_haier_configs(active).await.unwrap().into_inner().haier_configs;
    let [active] = active.as_slice() else { panic!("{active:?}") };
    assert_eq!(world.database.number("SELECT count(*) FROM haier_configs WHERE active").await, 1);
    // Nobody gets past the database.
    world.database.execute("UPDATE haier_configs SET active = true").await.unwrap_err();
    assert!(!deactivate(&mut client, &active.name).await.active);
    assert!(!deactivate(&mut client, &active.name).await.active, "twice is harmless");
    world.finish_leaving_open().await;
}

async fn activating_says_what_it_changes(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    create(&mut client, account("a")).await.unwrap();
    let ylh = YlhConfig { shop_name: "专卖店".to_owned(), ..account("a").ylh.unwrap() };
    let other =
        HaierConfig { name: "b".to_owned(), password: format!("{CANARY}-x"), ylh: Some(ylh), ..account("a") };
    create(&mut client, other).await.unwrap();
    let first = activate(&mut client, "a", true).await.unwrap();
    assert_eq!(first.previous, "environment");
    let fields: Vec<_> = first.changes.iter().map(|change| change.field.as_str()).collect();
    assert!(fields.contains(&"base_url") && fields.contains(&"ylh.shop_name"), "{fields:?}");
    assert_eq!(world.database.number("SELECT count(*) FROM haier_configs WHERE active").await, 0);

    activate(&mut client, "a", false).await.unwrap();
    let second = activate(&mut client, "b", true).await.unwrap();
    assert_eq!(second.previous, "a");
    let shown: Vec<_> = second
        .changes
        .iter()
        .map(|change| (change.field.as_str(), change.before.as_str(), change.after.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("password", "(set)", "(set anew)"),
            ("customer_password", "(set)", "(set anew)"),
            ("ylh.shop_name", "旗舰店", "专卖店"),
        ]
    );
    let switched = activate(&mut client, "b", false).await.unwrap();
    assert!(switched.haier_config.unwrap().active && switched.previous == "a");
    assert!(!get(&mut client, "a").await.unwrap().active);
    assert_eq!(activate(&mut client, "b", false).await.unwrap().changes, [], "it is the one already");
    deactivate(&mut client, "b").await;
    world.finish_leaving_open().await;
}

async fn the_active_account_is_not_deleted(plan: Plan) {
    let world = plan.keyed().start().await;
    let mut client = administration(&world).await;
    create(&mut client, account("a")).await.unwrap();
    activate(&mut client, "a", false).await.unwrap();
    let refused = delete(&mut client, "a", "").await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "ACCOUNT_ACTIVE".to_owned()));
    deactivate(&mut client, "a").await;
    delete(&mut client, "a", "").await.unwrap();
    assert_eq!(refusal(&delete(&mut client, "a", "").await.unwrap_err()).1, "NOT_FOUND");
    world.finish_leaving_open().await;
}
