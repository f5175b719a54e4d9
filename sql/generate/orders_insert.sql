-- SPDX-License-Identifier: Apache-2.0
-- One row an element; the new ids come back.
INSERT INTO inventory.orders (order_date, purchaser, quantity, product_id)
SELECT order_date::date, purchaser::int, quantity::int, product_id::int
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
	WITH ORDINALITY AS o (order_date, purchaser, quantity, product_id, n)
ORDER BY n
RETURNING id
