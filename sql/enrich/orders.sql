-- SPDX-License-Identifier: Apache-2.0
-- One order with who bought what, and what it comes to.
-- psql runs this file as it is; sluice-enrich runs it row by row.
SELECT o.id, o.order_date, o.purchaser, c.first_name, c.last_name, c.email,
       o.product_id, p.name AS product_name, p.price, o.quantity,
       (o.quantity * p.price)::numeric(18,2) AS line_total
FROM inventory.orders o
LEFT JOIN inventory.customers c ON c.id = o.purchaser
LEFT JOIN inventory.products p ON p.id = o.product_id
