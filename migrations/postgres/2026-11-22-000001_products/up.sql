-- The shop's copy of the catalogue.
CREATE TABLE products (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_code       text COLLATE "C" NOT NULL UNIQUE,
    product_model      text,
    name               text,
    product_group      text,
    category           text COLLATE "C",
    category_assigned  boolean NOT NULL DEFAULT false,
    brand              text COLLATE "C",
    brand_assigned     boolean NOT NULL DEFAULT false,
    product_image_url  text,
    product_page_urls  json NOT NULL DEFAULT '[]',
    is_sales           boolean NOT NULL DEFAULT true,
    no_sales_reason    text,
    source             text NOT NULL DEFAULT 'haier',
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    delisted_at        timestamptz
);
-- Without the code behind: few values, so that equal ones are kept as one, at half the cost of an insert. A page of a
-- common value is read along the codes, one of a rare value is sorted.
CREATE INDEX products_category ON products (category);
CREATE INDEX products_brand ON products (brand);

-- What every sync touches, apart from the wide row, so that an unchanged product costs one narrow HOT update.
-- Each *_at is when the request was sent; a write applies only where its own is newer. No foreign key: products are
-- never deleted, and its check would lock and look up a wide row for every narrow one.
CREATE TABLE product_sync (
    product_id      bigint PRIMARY KEY,
    catalogue_at    timestamptz,
    catalogue_hash  bigint,
    stock_at        timestamptz
) WITH (fillfactor = 45);

-- Prices, in 1/10,000 yuan: they change by themselves and far more often than the wide row, which has four indexes.
CREATE TABLE product_prices (
    product_id        bigint PRIMARY KEY,
    price_at          timestamptz NOT NULL,
    price_hash        bigint NOT NULL,
    supply_price_e4   bigint,
    invoice_price_e4  bigint,
    market_price_e4   bigint,
    stock_rebate      text,
    rebate_policy     text,
    rebate_money_e4   bigint
) WITH (fillfactor = 45);

-- Stock per product and county: the sum over Haier's warehouses, and which of them is the fullest.
CREATE TABLE stock_levels (
    product_id       bigint NOT NULL,
    county_code      text NOT NULL,
    stock            bigint NOT NULL,
    warehouse_code   text,
    warehouse_grade  text,
    as_of            timestamptz NOT NULL,
    PRIMARY KEY (product_id, county_code)
) WITH (fillfactor = 70);
