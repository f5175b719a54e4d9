-- SPDX-License-Identifier: Apache-2.0
-- The types of columns, in the order asked; NULL where there is no such column (any more).
-- $1 text[]: tables as SQL writes them. $2 text[]: a column of each.
SELECT format_type(a.atttypid, a.atttypmod)
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (table_name, column_name, n)
LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(asked.table_name)
	AND a.attname = asked.column_name AND NOT a.attisdropped
ORDER BY n
