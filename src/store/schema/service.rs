//! The service itself: accounts, callers, replicas and what they share.

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Nullable, Text};
    use crate::store::instant::Instant;

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
    use diesel::sql_types::{BigInt, Json, Text};
    use crate::store::instant::Instant;

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
    use diesel::sql_types::{BigInt, Bool, Json, Text};
    use crate::store::instant::Instant;

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
    use crate::store::instant::Instant;

    haier_config_secrets (config_id, field) {
        config_id -> BigInt,
        field -> Text,
        sealed -> Text,
        set_at -> Instant,
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
    use crate::store::instant::Instant;

    upstream_tokens (account) {
        account -> Text,
        sealed -> Nullable<Binary>,
        fetcher -> Nullable<Text>,
        lease_until -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::store::instant::Instant;

    upstream_pauses (target) {
        target -> Text,
        reason -> Text,
        until_at -> Nullable<Instant>,
        paused_by -> Text,
        since -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Json, Nullable, Text};
    use crate::store::instant::Instant;

    replicas (name) {
        name -> Text,
        version -> Text,
        started_at -> Instant,
        seen_at -> Instant,
        status -> Json,
        process_number -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::instant::Instant;

    database_identity (id) {
        id -> BigInt,
        identity -> Nullable<Text>,
        generation -> Nullable<BigInt>,
        orders_frozen_at -> Nullable<Instant>,
        records_lost_at -> Nullable<Instant>,
    }
}
