-- SPDX-License-Identifier: Apache-2.0
-- Customers and products in turn; a second run with the same seed adds nothing.
WITH c AS (
	SELECT kind, id::int, name, other
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS c (kind, id, name, other)
), customers AS (
	INSERT INTO inventory.customers (id, first_name, last_name, email)
	SELECT id, name, other, 'customer.' || id || '@example.org' FROM c WHERE kind = 'customer'
	ON CONFLICT DO NOTHING
)
INSERT INTO inventory.products (id, name, description, price)
SELECT id, name, 'No. ' || id, other::numeric FROM c WHERE kind = 'product'
ON CONFLICT DO NOTHING
