//! The record of runs as it is listed, paged and worded.

use haier_integration::proto::{
    GetSyncLogRequest, ListSyncFailuresRequest, ListSyncLogsRequest, SyncLog, SyncProductsRequest,
    SyncStatus, SyncType,
};
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Code, Request};

use crate::support::{Plan, World, on_both_databases, refusal};

on_both_databases!(
    logs_are_listed_newest_first_and_filtered,
    logs_come_in_pages_of_ten_unless_asked_otherwise,
    words_are_chinese_unless_english_is_preferred,
    failures_come_in_pages_in_the_order_of_the_codes,
    what_does_not_exist_is_not_found,
);

async fn sync(world: &World, codes: &[&str]) -> i64 {
    let product_codes = codes.iter().map(|code| (*code).to_owned()).collect();
    world.sync(SyncProductsRequest { product_codes, ..Default::default() }).await.sync_log_id
}

fn ids(logs: &[SyncLog]) -> Vec<i64> {
    logs.iter().map(|log| log.id).collect()
}

async fn logs_are_listed_newest_first_and_filtered(plan: Plan) {
    let world = plan.start().await;
    let known = world.codes(1).await.remove(0);
    let first = world.first_sync().await.sync_log_id;
    let success = sync(&world, &[&known]).await;
    let partial = sync(&world, &[&known, "ZZ1"]).await;
    let failed = sync(&world, &["ZZ1"]).await;
    world.haier.fault(json!({ "kind": "html", "endpoint": "H1" })).await;
    let broken = world.sync(SyncProductsRequest::default()).await.sync_log_id;
    let all = world.logs(ListSyncLogsRequest::default()).await;
    assert_eq!(ids(&all), [broken, failed, partial, success, first]);

    let status = |status: SyncStatus| ListSyncLogsRequest { status: status.into(), ..Default::default() };
    let kind = |kind: SyncType| ListSyncLogsRequest { sync_type: kind.into(), ..Default::default() };
    let text = |query: &str| ListSyncLogsRequest { query: query.to_owned(), ..Default::default() };
    let created = |index: usize| all[index].created_at;
    let range = |after: Option<Timestamp>, before: Option<Timestamp>| ListSyncLogsRequest {
        created_after: after,
        created_before: before,
        ..Default::default()
    };
    for (request, expected) in [
        (status(SyncStatus::Success), vec![success, first]),
        (status(SyncStatus::Partial), vec![partial]),
        (status(SyncStatus::Failed), vec![broken, failed]),
        (status(SyncStatus::Pending), vec![]),
        (kind(SyncType::Products), vec![broken, failed, partial, success, first]),
        (kind(SyncType::Stock), vec![]),
        (ListSyncLogsRequest { sync_type: 1, ..status(SyncStatus::Failed) }, vec![broken, failed]),
        (text("未知产品"), vec![partial]),
        (text("unknown_code"), vec![partial]),
        (text("返回空数据"), vec![failed]),
        (text("html PAGE"), vec![broken]),
        (text("css PAGE"), vec![]),
        (text("malformed_answer"), vec![broken]),
        (text("%"), vec![]),
        (text("成功 1，"), vec![partial, success]),
        (range(created(2), None), vec![broken, failed, partial]),
        (range(None, created(2)), vec![success, first]),
        (range(created(3), created(1)), vec![partial, success]),
        (range(created(1), created(1)), vec![]),
    ] {
        assert_eq!(ids(&world.logs(request.clone()).await), expected, "{request:?}");
    }
    world.finish().await;
}

async fn logs_come_in_pages_of_ten_unless_asked_otherwise(plan: Plan) {
    let world = plan.start().await;
    for _ in 0..11 {
        sync(&world, &["ZZ1"]).await;
    }
    assert_eq!(world.logs(ListSyncLogsRequest::default()).await.len(), 10);
    assert_eq!(world.logs(ListSyncLogsRequest { page_size: 5_000, ..Default::default() }).await.len(), 12);
    let (mut seen, mut request) =
        (Vec::new(), ListSyncLogsRequest { page_size: 5, status: 4, ..Default::default() });
    loop {
        let page = world.client().list_sync_logs(request.clone()).await.unwrap().into_inner();
        seen.extend(ids(&page.sync_logs));
        // What is added meanwhile is newer than every page to come.
        sync(&world, &["ZZ1"]).await;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 11);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));
    world.finish().await;
}

async fn words_are_chinese_unless_english_is_preferred(plan: Plan) {
    let world = plan.start().await;
    let known = world.codes(1).await.remove(0);
    let id = sync(&world, &[&known, "ZZ1"]).await;
    for (language, kind, status, words) in [
        (None, "商品同步", "部分成功", "UNKNOWN_CODE 未知产品编码 1"),
        (Some("zh-CN,en;q=0.5"), "商品同步", "部分成功", "已完成"),
        (Some("fr"), "商品同步", "部分成功", "已完成"),
        (Some("en-GB,zh;q=0.5"), "product sync", "partly successful", "UNKNOWN_CODE unknown product code 1"),
    ] {
        let mut request = Request::new(GetSyncLogRequest { id });
        if let Some(language) = language {
            request.metadata_mut().insert("accept-language", language.parse().unwrap());
        }
        let log = world.client().get_sync_log(request).await.unwrap().into_inner();
        assert_eq!(
            (log.sync_type_display.as_str(), log.status_display.as_str()),
            (kind, status),
            "{language:?}"
        );
        assert!(log.message.starts_with("COMPLETED ") && log.message.contains(words), "{}", log.message);
    }
    world.finish().await;
}

async fn failures_come_in_pages_in_the_order_of_the_codes(plan: Plan) {
    let world = plan.start().await;
    let known = world.codes(1).await.remove(0);
    let unknown: Vec<String> = (0..7).map(|n| format!("ZZ{n}")).collect();
    let mut codes: Vec<&str> = unknown.iter().map(String::as_str).rev().collect();
    codes.push(&known);
    let sync_log_id = sync(&world, &codes).await;
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    let mut request = ListSyncFailuresRequest { sync_log_id, page_size: 3, ..Default::default() };
    loop {
        let page = world.client().list_sync_failures(request.clone()).await.unwrap().into_inner();
        sizes.push(page.failures.len());
        seen.extend(page.failures.into_iter().map(|failure| failure.product_code));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!((seen, sizes), (unknown, vec![3, 3, 1]));
    world.finish().await;
}

async fn what_does_not_exist_is_not_found(plan: Plan) {
    let world = plan.start().await;
    let not_found = (Code::NotFound, "NOT_FOUND".to_owned());
    for id in [0, 1, -1, i64::MIN, i64::MAX] {
        let refused = world.client().get_sync_log(GetSyncLogRequest { id }).await.unwrap_err();
        assert_eq!(refusal(&refused), not_found);
        assert!(refused.message().contains(&id.to_string()), "{refused}");
        let request = ListSyncFailuresRequest { sync_log_id: id, ..Default::default() };
        assert_eq!(refusal(&world.client().list_sync_failures(request).await.unwrap_err()), not_found);
    }
    world.finish().await;
}
