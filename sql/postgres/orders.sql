-- SPDX-License-Identifier: Apache-2.0
-- The orders pipeline's side of Postgres: tables with seed rows, what Debezium needs,
-- the two roles, and the enrichment query as a view. Run by a superuser in the
-- pipeline's database (app), as often as you like:
--   psql -d app -v ON_ERROR_STOP=1 -f sql/postgres/orders.sql
-- Passwords come as -v cdc_password=... -v enrich_password=... (defaults: for demos).
\set ON_ERROR_STOP 1
\if :{?cdc_password}
\else
\set cdc_password sluice_cdc
\endif
\if :{?enrich_password}
\else
\set enrich_password sluice_enrich
\endif
SET client_min_messages = warning;

BEGIN;
-- Two sessions that run this file, or engagement.sql with its roles, take turns.
SELECT pg_advisory_xact_lock(hashtext('sluice engagement.sql')) \g /dev/null

CREATE SCHEMA IF NOT EXISTS inventory;
CREATE TABLE IF NOT EXISTS inventory.customers (
	id         serial PRIMARY KEY,
	first_name varchar(50) NOT NULL,
	last_name  varchar(50) NOT NULL,
	email      varchar(100) UNIQUE NOT NULL,
	created_at timestamp DEFAULT now()
);
CREATE TABLE IF NOT EXISTS inventory.products (
	id          serial PRIMARY KEY,
	name        varchar(100) NOT NULL,
	description text,
	price       decimal(10,2) NOT NULL,
	created_at  timestamp DEFAULT now()
);
CREATE TABLE IF NOT EXISTS inventory.orders (
	id         serial PRIMARY KEY,
	order_date date NOT NULL,
	purchaser  integer NOT NULL, -- no foreign keys: a customer may arrive after its order
	quantity   integer NOT NULL,
	product_id integer NOT NULL,
	created_at timestamp DEFAULT now()
);
-- The default: an update carries no row before, a delete carries its key. The key is
-- all that places a row in its sinks, so that is enough.
ALTER TABLE inventory.customers REPLICA IDENTITY DEFAULT;
ALTER TABLE inventory.products REPLICA IDENTITY DEFAULT;
ALTER TABLE inventory.orders REPLICA IDENTITY DEFAULT;
-- Refresh looks facts up by these.
CREATE INDEX IF NOT EXISTS orders_purchaser ON inventory.orders (purchaser);
CREATE INDEX IF NOT EXISTS orders_product_id ON inventory.orders (product_id);

-- Signals and heartbeat of this pipeline's own connector.
CREATE TABLE IF NOT EXISTS inventory.sluice_signal (id text PRIMARY KEY, type text NOT NULL, data text);
CREATE TABLE IF NOT EXISTS inventory.sluice_heartbeat (id int PRIMARY KEY, at timestamptz);
INSERT INTO inventory.sluice_heartbeat VALUES (1, now()) ON CONFLICT DO NOTHING;

INSERT INTO inventory.customers (first_name, last_name, email)
SELECT seed.* FROM (VALUES
	('Amara', 'Okafor', 'amara.okafor@example.org'),
	('Jürgen', 'Weiß', 'juergen.weiss@example.org'),
	('Mei', 'Tanaka', 'mei.tanaka@example.org')
) AS seed
WHERE NOT EXISTS (SELECT FROM inventory.customers);
INSERT INTO inventory.products (name, description, price)
SELECT seed.* FROM (VALUES
	('fountain pen', 'steel nib, blue ink', 24.90),
	('notebook', 'A5, dotted, 192 pages', 12.50),
	('desk lamp', NULL, 89.00),
	('sticker', 'free with every order', 0.00)
) AS seed
WHERE NOT EXISTS (SELECT FROM inventory.products);
INSERT INTO inventory.orders (order_date, purchaser, quantity, product_id)
SELECT seed.* FROM (VALUES
	('2025-07-19'::date, 1, 2, 1),
	('2025-07-20'::date, 2, 10, 2),
	('2025-07-21'::date, 3, 1, 3),
	('2025-07-21'::date, 1001, 1, 4) -- its customer is not here yet
) AS seed
WHERE NOT EXISTS (SELECT FROM inventory.orders);

-- The same text as sql/enrich/orders.sql.
CREATE OR REPLACE VIEW inventory.orders_enriched AS
SELECT o.id, o.order_date, o.purchaser, c.first_name, c.last_name, c.email,
       o.product_id, p.name AS product_name, p.price, o.quantity,
       (o.quantity * p.price)::numeric(18,2) AS line_total
FROM inventory.orders o
LEFT JOIN inventory.customers c ON c.id = o.purchaser
LEFT JOIN inventory.products p ON p.id = o.product_id
;

-- Roles: sluice_cdc is Debezium's, sluice_enrich looks dimensions up and asks for refreshes.
SELECT 'CREATE ROLE sluice_cdc' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_cdc') \gexec
SELECT 'CREATE ROLE sluice_enrich' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_enrich') \gexec
ALTER ROLE sluice_cdc WITH LOGIN REPLICATION PASSWORD :'cdc_password';
ALTER ROLE sluice_enrich WITH LOGIN PASSWORD :'enrich_password';
GRANT USAGE ON SCHEMA inventory TO sluice_cdc, sluice_enrich;
GRANT SELECT ON ALL TABLES IN SCHEMA inventory TO sluice_cdc, sluice_enrich;
GRANT INSERT ON inventory.sluice_signal TO sluice_cdc, sluice_enrich;
GRANT UPDATE ON inventory.sluice_heartbeat TO sluice_cdc;

SELECT 'CREATE PUBLICATION sluice_orders'
WHERE NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'sluice_orders') \gexec
ALTER PUBLICATION sluice_orders
	SET TABLE inventory.orders, inventory.customers, inventory.products,
		inventory.sluice_signal, inventory.sluice_heartbeat;
COMMIT;
