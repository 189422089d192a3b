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
    use diesel::sql_types::{BigInt, Json, Nullable, Text};
    use super::super::instant::Instant;

    held_findings (sync_log_id, product_code) {
        sync_log_id -> BigInt,
        product_code -> Text,
        kind -> Text,
        asked_at -> Instant,
        answer -> Nullable<Json>,
        changes -> Json,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use super::super::instant::Instant;

    held_runs (sync_log_id) {
        sync_log_id -> BigInt,
        sync_type -> Text,
        account -> Text,
        over_everything -> Bool,
        delisted -> BigInt,
        listed -> BigInt,
        moved -> BigInt,
        priced -> BigInt,
        held_at -> Instant,
        expires_at -> Instant,
        decision -> Nullable<Text>,
        decided_by -> Text,
        decided_at -> Nullable<Instant>,
        successor_id -> Nullable<BigInt>,
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
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};
    use super::super::instant::Instant;

    api_tokens (id) {
        id -> BigInt,
        name -> Text,
        role -> Text,
        hash -> Binary,
        created_at -> Instant,
        created_by -> Text,
        expires_at -> Nullable<Instant>,
        revoked_at -> Nullable<Instant>,
        last_used_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Json, Text};
    use super::super::instant::Instant;

    haier_configs (id) {
        id -> BigInt,
        name -> Text,
        settings -> Json,
        active -> Bool,
        version -> BigInt,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use super::super::instant::Instant;

    haier_config_secrets (config_id, field) {
        config_id -> BigInt,
        field -> Text,
        sealed -> Text,
        set_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Json, Nullable, Text};
    use super::super::instant::Instant;

    orders (id) {
        id -> BigInt,
        so_id -> Text,
        online_no -> Text,
        source_system -> Nullable<Text>,
        shop_name -> Nullable<Text>,
        consignee_name -> Text,
        consignee_mobile -> Text,
        province -> Text,
        city -> Text,
        area -> Text,
        town -> Nullable<Text>,
        detail_address -> Text,
        remark -> Nullable<Text>,
        total_amount_e4 -> BigInt,
        distribution_time -> Nullable<Instant>,
        install_time -> Nullable<Instant>,
        government_order -> Bool,
        requested_by -> Text,
        account -> Nullable<Text>,
        sender -> Nullable<Json>,
        body -> Nullable<Text>,
        state -> Text,
        retail_order_no -> Nullable<Text>,
        haier_order_no -> Nullable<Text>,
        error_reason -> Nullable<Text>,
        error_words -> Nullable<Text>,
        in_doubt -> Bool,
        deadline_at -> Instant,
        sync_log_id -> Nullable<BigInt>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    order_secrets (order_id, field) {
        order_id -> BigInt,
        field -> Text,
        sealed -> Text,
    }
}

diesel::table! {
    order_items (order_id, line) {
        order_id -> BigInt,
        line -> BigInt,
        product_code -> Text,
        retail_price_e4 -> BigInt,
        discount_amount_e4 -> BigInt,
        actual_price_e4 -> BigInt,
        is_gift -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Json, Text};
    use super::super::instant::Instant;

    order_facts (order_id, seq) {
        order_id -> BigInt,
        seq -> BigInt,
        at -> Instant,
        kind -> Text,
        data -> Json,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use super::super::instant::Instant;

    order_pushes (order_id) {
        order_id -> BigInt,
        step -> Text,
        next_attempt_at -> Instant,
        epoch -> BigInt,
        worker -> Nullable<Text>,
        lease_until -> Nullable<Instant>,
    }
}

diesel::table! {
    order_feed_head (id) {
        id -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use super::super::instant::Instant;

    order_changes (seq) {
        seq -> BigInt,
        so_id -> Text,
        online_no -> Text,
        state_before -> Nullable<Text>,
        state -> Text,
        retail_order_no -> Nullable<Text>,
        haier_order_no -> Nullable<Text>,
        error_reason -> Nullable<Text>,
        error_words -> Nullable<Text>,
        changed_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Json, Nullable, Text};
    use super::super::instant::Instant;

    callbacks (id) {
        id -> BigInt,
        received_at -> Instant,
        app_key -> Text,
        signers -> Json,
        method -> Text,
        time_stamp -> Text,
        platform_order_no -> Text,
        ext_order_no -> Nullable<Text>,
        success -> Bool,
        words -> Text,
        data -> Text,
        digest -> Binary,
        order_id -> Nullable<BigInt>,
        applied_at -> Nullable<Instant>,
        parked_at -> Nullable<Instant>,
        warned_at -> Nullable<Instant>,
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

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use super::super::instant::Instant;

    schedules (name) {
        name -> Text,
        every_micros -> Nullable<BigInt>,
        daily_at -> Nullable<Text>,
        jitter_micros -> BigInt,
        paused -> Bool,
        seed -> BigInt,
        version -> BigInt,
        epoch -> BigInt,
        next_at -> Instant,
        wanted -> Nullable<Text>,
        last_at -> Nullable<Instant>,
        last_outcome -> Nullable<Text>,
        last_detail -> Text,
        last_log_id -> Nullable<BigInt>,
        updated_at -> Instant,
    }
}

diesel::table! {
    product_attention (product_id) {
        product_id -> BigInt,
        watched -> Bool,
        low_stock -> Nullable<BigInt>,
    }
}

diesel::joinable!(product_sync -> products (product_id));
diesel::allow_tables_to_appear_in_same_query!(
    products,
    product_sync,
    product_prices,
    stock_levels,
    new_products,
    product_attention
);
diesel::allow_tables_to_appear_in_same_query!(orders, order_pushes, callbacks);

diesel::define_sql_function! {
    /// Lower case, for searches that ignore it.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
