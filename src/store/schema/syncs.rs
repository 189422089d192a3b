//! Runs: what started them, how they went, and what they left.

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Json, Nullable, Text};
    use crate::store::instant::Instant;

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
    use crate::store::instant::Instant;

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
        waited_micros -> BigInt,
        wait -> Nullable<Json>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use crate::store::instant::Instant;

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
    poison_codes (product_code, stage) {
        product_code -> Text,
        stage -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Json, Nullable, Text};
    use crate::store::instant::Instant;

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
    use crate::store::instant::Instant;

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
    use diesel::sql_types::{BigInt, Bool, Nullable, Text};
    use crate::store::instant::Instant;

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
