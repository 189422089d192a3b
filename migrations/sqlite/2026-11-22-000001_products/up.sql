-- The shop's copy of the catalogue. Instants are fixed-width RFC 3339 UTC text.
CREATE TABLE products (
    id                 integer PRIMARY KEY AUTOINCREMENT,
    product_code       text NOT NULL UNIQUE,
    product_model      text,
    name               text,
    product_group      text,
    category           text,
    category_assigned  boolean NOT NULL DEFAULT false,
    brand              text,
    brand_assigned     boolean NOT NULL DEFAULT false,
    product_image_url  text,
    product_page_urls  json NOT NULL DEFAULT '[]',
    is_sales           boolean NOT NULL DEFAULT true,
    no_sales_reason    text,
    source             text NOT NULL DEFAULT 'haier',
    created_at         text NOT NULL,
    updated_at         text NOT NULL,
    delisted_at        text
);
CREATE INDEX products_category ON products (category, product_code);
CREATE INDEX products_brand ON products (brand, product_code);

-- What every sync touches, apart from the wide row.
-- Each *_at is when the request was sent; a write applies only where its own is newer. No foreign key: products are
-- never deleted, and its check would lock and look up a wide row for every narrow one.
CREATE TABLE product_sync (
    product_id      integer PRIMARY KEY NOT NULL,
    catalogue_at    text,
    catalogue_hash  bigint,
    stock_at        text
);

-- Prices, in 1/10,000 yuan: they change by themselves and far more often than the wide row.
CREATE TABLE product_prices (
    product_id        integer PRIMARY KEY NOT NULL,
    price_at          text NOT NULL,
    price_hash        bigint NOT NULL,
    supply_price_e4   bigint,
    invoice_price_e4  bigint,
    market_price_e4   bigint,
    stock_rebate      text,
    rebate_policy     text,
    rebate_money_e4   bigint
);

-- Stock per product and county: the sum over Haier's warehouses, and which of them is the fullest.
CREATE TABLE stock_levels (
    product_id       bigint NOT NULL,
    county_code      text NOT NULL,
    stock            bigint NOT NULL,
    warehouse_code   text,
    warehouse_grade  text,
    as_of            text NOT NULL,
    PRIMARY KEY (product_id, county_code)
) WITHOUT ROWID;
