-- SPDX-License-Identifier: Apache-2.0
-- what: d changes order_date, b who buys, q quantity, p the product; l leaves the order's
-- date as it is and has its customer arrive, if it is not there yet: late, as customers do.
WITH n AS (
	SELECT id::int, what, order_date::date, purchaser::int, quantity::int, product_id::int
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
		AS n (id, what, order_date, purchaser, quantity, product_id)
), late AS (
	INSERT INTO inventory.customers (id, first_name, last_name, email)
	SELECT DISTINCT o.purchaser, 'Late', 'No. ' || o.purchaser,
	       'customer.' || o.purchaser || '@example.org'
	FROM n JOIN inventory.orders o ON o.id = n.id
	WHERE n.what LIKE '%l%'
	ON CONFLICT DO NOTHING
)
UPDATE inventory.orders AS o SET
	order_date = CASE WHEN n.what LIKE '%d%' THEN n.order_date ELSE o.order_date END,
	purchaser = CASE WHEN n.what LIKE '%b%' THEN n.purchaser ELSE o.purchaser END,
	quantity = CASE WHEN n.what LIKE '%q%' THEN n.quantity ELSE o.quantity END,
	product_id = CASE WHEN n.what LIKE '%p%' THEN n.product_id ELSE o.product_id END
FROM n
WHERE o.id = n.id
