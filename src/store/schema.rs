//! The tables, once for both databases.

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Json, Nullable, Text};
    use super::super::instant::Instant;

    products (id) {
        id -> BigInt,
        product_code -> Text,
        product_model -> Nullable<Text>,
        name -> Nullable<Text>,
        product_group -> Nullable<Text>,
        category -> Nullable<Text>,
        category_assigned -> Bool,
        brand -> Nullable<Text>,
        brand_assigned -> Bool,
        product_image_url -> Nullable<Text>,
        product_page_urls -> Json,
        is_sales -> Bool,
        no_sales_reason -> Nullable<Text>,
        source -> Text,
        created_at -> Instant,
        updated_at -> Instant,
        delisted_at -> Nullable<Instant>,
        created_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable};
    use super::super::instant::Instant;

    product_sync (product_id) {
        product_id -> BigInt,
        catalogue_at -> Nullable<Instant>,
        catalogue_hash -> Nullable<BigInt>,
        stock_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use super::super::instant::Instant;

    product_prices (product_id) {
        product_id -> BigInt,
        price_at -> Instant,
        price_hash -> BigInt,
        supply_price_e4 -> Nullable<BigInt>,
        invoice_price_e4 -> Nullable<BigInt>,
        market_price_e4 -> Nullable<BigInt>,
        stock_rebate -> Nullable<Text>,
        rebate_policy -> Nullable<Text>,
        rebate_money_e4 -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use super::super::instant::Instant;

    stock_levels (product_id, county_code) {
        product_id -> BigInt,
        county_code -> Text,
        stock -> BigInt,
        warehouse_code -> Nullable<Text>,
        warehouse_grade -> Nullable<Text>,
        as_of -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Json, Nullable, Text};
    use super::super::instant::Instant;

    sync_logs (id) {
        id -> BigInt,
        sync_type -> Text,
        status -> Text,
        end_reason -> Nullable<Text>,
        message -> Text,
        message_parts -> Nullable<Json>,
        total_count -> BigInt,
        success_count -> BigInt,
        failed_count -> BigInt,
        planned_count -> Nullable<BigInt>,
        trigger -> Text,
        requested_by -> Text,
        parent_id -> Nullable<BigInt>,
        account -> Text,
        request -> Nullable<Json>,
        created_at -> Instant,
        started_at -> Nullable<Instant>,
        completed_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use super::super::instant::Instant;

    sync_failures (sync_log_id, seq) {
        sync_log_id -> BigInt,
        seq -> BigInt,
        product_code -> Text,
        stage -> Text,
        reason -> Text,
        detail -> Text,
        attempt -> BigInt,
        county_code -> Text,
        category -> Text,
        brand -> Text,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Json, Nullable, Text};
    use super::super::instant::Instant;

    sync_runs (log_id) {
        log_id -> BigInt,
        sync_type -> Text,
        over_everything -> Bool,
        request -> Json,
        account -> Text,
        epoch -> BigInt,
        worker -> Nullable<Text>,
        lease_until -> Nullable<Instant>,
        stage -> Nullable<Text>,
        checkpoint -> Nullable<Text>,
        bad_pictures -> BigInt,
        delisted -> BigInt,
        loading -> Bool,
        takeovers -> BigInt,
    }
}

diesel::table! {
    poison_codes (product_code, stage) {
        product_code -> Text,
        stage -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use super::super::instant::Instant;

    upstream_pauses (target) {
        target -> Text,
        reason -> Text,
        until_at -> Nullable<Instant>,
        paused_by -> Text,
        since -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Json, Text};
    use super::super::instant::Instant;

    replicas (name) {
        name -> Text,
        version -> Text,
        started_at -> Instant,
        seen_at -> Instant,
        status -> Json,
    }
}

diesel::table! {
    upstream_slots (account) {
        account -> Text,
        next_slot -> BigInt,
        bulk_last -> BigInt,
        held_until -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use super::super::instant::Instant;

    upstream_tokens (account) {
        account -> Text,
        sealed -> Nullable<Binary>,
        fetcher -> Nullable<Text>,
        lease_until -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Json, Text};
    use super::super::instant::Instant;

    audit_events (id) {
        id -> BigInt,
        at -> Instant,
        caller -> Text,
        role -> Text,
        address -> Text,
        action -> Text,
        subject -> Text,
        changes -> Json,
    }
}

diesel::table! {
    product_feed_head (id) {
        id -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Json, Nullable, Text};
    use super::super::instant::Instant;

    product_changes (seq) {
        seq -> BigInt,
        kind -> Text,
        product_code -> Nullable<Text>,
        changes -> Json,
        products -> BigInt,
        sync_log_id -> Nullable<BigInt>,
        changed_at -> Instant,
    }
}

diesel::table! {
    new_products (product_id) {
        product_id -> BigInt,
        sync_log_id -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use super::super::instant::Instant;

    product_history (product_id, field) {
        product_id -> BigInt,
        field -> Text,
        value -> Nullable<Text>,
        before -> Nullable<Text>,
        since -> Instant,
        sync_log_id -> Nullable<BigInt>,
    }
}

diesel::joinable!(product_sync -> products (product_id));
diesel::allow_tables_to_appear_in_same_query!(
    products,
    product_sync,
    product_prices,
    stock_levels,
    new_products
);

diesel::define_sql_function! {
    /// Lower case, for searches that ignore it.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
