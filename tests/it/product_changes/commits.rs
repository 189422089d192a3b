//! Entries of the feed and the commits that write them, with several writers at once.

use std::{collections::BTreeMap, ops::Range};

use chrono::{DateTime, Utc};
use haier_integration::{
    domain::{
        decimal::Money,
        product_changes::Origin,
        products::{CatalogueRecord, PriceRecord, ProductCode},
    },
    store::{
        Store,
        catalogue::{self, CatalogueBatch},
        migrations, prices,
        product_changes::{self, Changes, Newcomers},
    },
};

use crate::support::{Plan, on_both_databases};

on_both_databases!(numbers_are_dense_and_in_the_order_of_commits);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

fn code(number: i64) -> ProductCode {
    ProductCode::parse(&format!("C{number:03}")).unwrap()
}

fn changes(seconds: i64) -> Changes {
    Changes::new(Origin { sync_log_id: None, at: at(seconds) }, Newcomers::Tell)
}

const WRITERS: i64 = 4;
const ROUNDS: i64 = 25;

/// Writes prices of these products, which nobody else has written.
async fn write_round(store: &Store, products: Range<i64>, writer: i64, round: i64) {
    let price = |number: i64| PriceRecord {
        code: code(number),
        supply_price: Some(Money { e4: writer * 1_000_000 + round * 10_000 }),
        invoice_price: None,
        market_price: None,
        stock_rebate: None,
        rebate_policy: None,
        rebate_money: None,
        is_sales: None,
        reason: None,
        asked_at: at(round * WRITERS + writer),
    };
    let mut tx = store.begin().await.unwrap();
    let mut changes = changes(round);
    prices::upsert(&mut tx, products.map(price).collect(), &mut changes).await.unwrap();
    product_changes::record(&mut tx, changes, &[]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Writes new prices of three products, which it shares with its neighbours.
async fn write(store: Store, writer: i64) {
    for round in 1..=ROUNDS {
        write_round(&store, writer..writer + 3, writer, round).await;
    }
}

async fn numbers_are_dense_and_in_the_order_of_commits(plan: Plan) {
    let store = plan.database.store().await.unwrap();
    migrations::run(&store).await.unwrap();
    let record = |number: i64| CatalogueRecord {
        code: code(number),
        model: None,
        name: Some(number.to_string()),
        group: None,
        brand: None,
        image_url: None,
        page_urls: None,
        is_sales: None,
        no_sales_reason: None,
        bad_pictures: 0,
        asked_at: at(0),
    };
    let records = (0..WRITERS + 2).map(record).collect();
    let batch = CatalogueBatch { records, assign_category: None, assign_brand: None, now: at(0) };
    let mut tx = store.begin().await.unwrap();
    let mut first = changes(0);
    catalogue::upsert(&mut tx, batch, &mut first).await.unwrap();
    product_changes::record(&mut tx, first, &[]).await.unwrap();
    tx.commit().await.unwrap();

    write_round(&store, 0..WRITERS + 2, 0, 0).await;
    let writers: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer))).collect();
    let (mut seen, mut done) = (Vec::new(), false);
    loop {
        let last = i64::try_from(seen.len()).unwrap();
        let entries = product_changes::list(&mut store.read().await.unwrap(), last, 1_000).await.unwrap();
        if entries.is_empty() && done {
            break;
        }
        seen.extend(entries);
        done = writers.iter().all(tokio::task::JoinHandle::is_finished);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    // What was read at a number stays the only entry there, and each old value is the new one of the entry before.
    let again = product_changes::list(&mut store.read().await.unwrap(), 0, 10_000).await.unwrap();
    assert_eq!(seen, again);
    assert!(seen.iter().zip(1..).all(|(entry, number)| entry.seq == number));
    let mut prices: BTreeMap<ProductCode, Option<String>> = BTreeMap::new();
    for entry in &seen[usize::try_from(WRITERS + 2).unwrap()..] {
        let change = &entry.changes[0];
        let before = prices.insert(entry.code.clone().unwrap(), change.new.clone()).flatten();
        assert_eq!(change.old, before, "{entry:?}");
    }
    assert!(prices.len() == 6 && seen.len() > 100, "{}", seen.len());
}
