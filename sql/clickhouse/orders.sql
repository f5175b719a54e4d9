-- SPDX-License-Identifier: Apache-2.0
-- The last state of every order. One statement a request. Run again, it changes nothing.
CREATE DATABASE IF NOT EXISTS inventory;

CREATE TABLE IF NOT EXISTS inventory.orders_enriched
(
    id           Int32,
    order_date   Date32,
    purchaser    Int32,
    first_name   Nullable(String),
    last_name    Nullable(String),
    email        Nullable(String),
    product_id   Int32,
    product_name LowCardinality(Nullable(String)),
    price        Nullable(Decimal(10, 2)),
    quantity     Int32,
    line_total   Nullable(Decimal(18, 2)),
    _version     UInt64,
    _deleted     UInt8
)
ENGINE = ReplacingMergeTree(_version, _deleted)
ORDER BY (id);

CREATE VIEW IF NOT EXISTS inventory.orders_enriched_current AS
SELECT id, order_date, purchaser, first_name, last_name, email, product_id, product_name,
       price, quantity, line_total
FROM inventory.orders_enriched FINAL
WHERE NOT _deleted;
