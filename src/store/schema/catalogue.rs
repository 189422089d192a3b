//! The catalogue: products, what is known of them, and what changed.

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Json, Nullable, Text};
    use crate::store::instant::Instant;

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
    use crate::store::instant::Instant;

    product_sync (product_id) {
        product_id -> BigInt,
        catalogue_at -> Nullable<Instant>,
        catalogue_hash -> Nullable<BigInt>,
        stock_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::instant::Instant;

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
    use crate::store::instant::Instant;

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
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::store::instant::Instant;

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
    product_attention (product_id) {
        product_id -> BigInt,
        watched -> Bool,
        low_stock -> Nullable<BigInt>,
    }
}

diesel::table! {
    product_feed_head (id) {
        id -> BigInt,
        seq -> BigInt,
        epoch -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Json, Nullable, Text};
    use crate::store::instant::Instant;

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

diesel::joinable!(product_sync -> products (product_id));
diesel::allow_tables_to_appear_in_same_query!(
    products,
    product_sync,
    product_prices,
    stock_levels,
    new_products,
    product_attention
);
