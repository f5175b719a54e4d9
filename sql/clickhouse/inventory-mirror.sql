-- SPDX-License-Identifier: Apache-2.0
-- The inventory tables as they stand in Postgres, and every change of an order. One
-- statement a request. Run again, it changes nothing.
CREATE DATABASE IF NOT EXISTS inventory;

CREATE TABLE IF NOT EXISTS inventory.orders
(
    id         Int32,
    order_date Date32,
    purchaser  Int32,
    quantity   Int32,
    product_id Int32,
    created_at Nullable(DateTime64(6, 'UTC')),
    _version   UInt64,
    _deleted   UInt8
)
ENGINE = ReplacingMergeTree(_version, _deleted)
ORDER BY (id);

CREATE TABLE IF NOT EXISTS inventory.customers
(
    id         Int32,
    first_name String,
    last_name  String,
    email      String,
    created_at Nullable(DateTime64(6, 'UTC')),
    _version   UInt64,
    _deleted   UInt8
)
ENGINE = ReplacingMergeTree(_version, _deleted)
ORDER BY (id);

CREATE TABLE IF NOT EXISTS inventory.products
(
    id          Int32,
    name        String,
    description Nullable(String),
    price       Decimal(10, 2),
    created_at  Nullable(DateTime64(6, 'UTC')),
    _version    UInt64,
    _deleted    UInt8
)
ENGINE = ReplacingMergeTree(_version, _deleted)
ORDER BY (id);

-- Every change once. A delete tells its key alone; the other columns are the defaults.
-- The window remembers the inserts of more than ten minutes of each partition, so that
-- one that arrives late is dropped.
CREATE TABLE IF NOT EXISTS inventory.orders_final
(
    order_id       UInt32,
    order_date     Date,
    purchaser      UInt32,
    quantity       UInt32,
    product_id     UInt32,
    operation_type String,
    _synced_at     DateTime DEFAULT now(),
    _topic         LowCardinality(String),
    _partition     Int32,
    _offset        Int64
)
ENGINE = MergeTree
ORDER BY (order_id, _synced_at)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE VIEW IF NOT EXISTS inventory.orders_current AS
SELECT id, order_date, purchaser, quantity, product_id, created_at
FROM inventory.orders FINAL
WHERE NOT _deleted;

CREATE VIEW IF NOT EXISTS inventory.customers_current AS
SELECT id, first_name, last_name, email, created_at
FROM inventory.customers FINAL
WHERE NOT _deleted;

CREATE VIEW IF NOT EXISTS inventory.products_current AS
SELECT id, name, description, price, created_at
FROM inventory.products FINAL
WHERE NOT _deleted;
