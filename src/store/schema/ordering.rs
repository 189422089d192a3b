//! Orders, their facts, and what Haier calls back about them.

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Json, Nullable, Text};
    use crate::store::instant::Instant;

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
        told_times -> Nullable<Json>,
    }
}

diesel::table! {
    use diesel::sql_types::BigInt;
    use crate::store::instant::Instant;

    order_warnings (order_id) {
        order_id -> BigInt,
        warned_at -> Instant,
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
    use crate::store::instant::Instant;

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
    use crate::store::instant::Instant;

    order_pushes (order_id) {
        order_id -> BigInt,
        step -> Text,
        next_attempt_at -> Instant,
        epoch -> BigInt,
        worker -> Nullable<Text>,
        lease_until -> Nullable<Instant>,
        deferred_reason -> Nullable<Text>,
        deferred_words -> Nullable<Text>,
    }
}

diesel::table! {
    order_feed_head (id) {
        id -> BigInt,
        seq -> BigInt,
        epoch -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::instant::Instant;

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
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::instant::Instant;

    unnumbered_order_changes (id) {
        id -> BigInt,
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
    use crate::store::instant::Instant;

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
        sealed -> Nullable<Text>,
        digest -> Binary,
        order_id -> Nullable<BigInt>,
        applied_at -> Nullable<Instant>,
        parked_at -> Nullable<Instant>,
        warned_at -> Nullable<Instant>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(orders, order_pushes, callbacks, order_warnings);
