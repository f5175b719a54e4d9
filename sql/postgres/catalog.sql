-- SPDX-License-Identifier: Apache-2.0
-- What lib/sql/catalog.h reads, as one JSON document. $1 text[]: table names as SQL
-- writes them (quoted where needed, with or without schema). $2 bool: with the
-- database's case mapping (some 3,000 pairs).
WITH asked AS (
	SELECT name, to_regclass(name)::oid AS oid FROM unnest($1::text[]) AS name
), database AS (
	SELECT datname, datlocprovider, CASE
		WHEN datlocprovider <> 'c' THEN 'locale'
		WHEN datcollate IN ('C', 'POSIX') AND datctype IN ('C', 'POSIX') THEN 'C'
		WHEN datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8') THEN 'bytes'
		ELSE 'locale' END AS ordering
	FROM pg_database
	WHERE datname = current_database()
), cols AS (
	SELECT a.attrelid, json_build_object(
		'name', a.attname,
		'attnum', a.attnum,
		'type', format_type(a.atttypid, a.atttypmod),
		'type_name', t.typname,
		'oid', CASE WHEN t.typtype = 'd' THEN b.oid ELSE t.oid END::bigint,
		'typmod', CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
		'domain', t.typtype = 'd',
		'typtype', b.typtype,
		'base', b.typname,
		'elem', CASE WHEN b.typcategory = 'A' THEN b.typelem ELSE 0 END::bigint,
		'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)
			FROM pg_enum e WHERE e.enumtypid = b.oid),
		'not_null', a.attnotnull OR (t.typtype = 'd' AND t.typnotnull),
		'toastable', a.attstorage <> 'p',
		'identity', CASE c.relreplident
			WHEN 'f' THEN true
			WHEN 'n' THEN false
			ELSE COALESCE((SELECT bool_or(a.attnum = ANY (i.indkey::int2[])) FROM pg_index i
				WHERE i.indrelid = c.oid
				AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END),
				false) END,
		'collation', CASE
			WHEN a.attcollation = 0 THEN 'none'
			WHEN NOT l.collisdeterministic THEN 'nondeterministic'
			WHEN l.collname IN ('C', 'POSIX', 'ucs_basic') THEN 'C'
			WHEN l.collname = 'default' THEN d.ordering
			ELSE 'other' END
	) AS doc, a.attnum
	FROM asked
	JOIN pg_class c ON c.oid = asked.oid
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_type t ON t.oid = a.atttypid
	JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
	LEFT JOIN pg_collation l ON l.oid = a.attcollation
	CROSS JOIN database d
), keys AS (
	SELECT i.indrelid, json_build_object(
		'name', x.relname,
		'primary', i.indisprimary,
		'deferrable', NOT i.indimmediate,
		'columns', (SELECT json_agg(a.attname ORDER BY k.ord)
			FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, ord)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
			WHERE k.ord <= i.indnkeyatts)
	) AS doc, i.indisprimary, x.relname
	FROM asked
	JOIN pg_index i ON i.indrelid = asked.oid
	JOIN pg_class x ON x.oid = i.indexrelid
	WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
), indexes AS (
	SELECT i.indrelid, json_build_object('name', x.relname, 'column', a.attname) AS doc, x.relname
	FROM asked
	JOIN pg_index i ON i.indrelid = asked.oid
	JOIN pg_class x ON x.oid = i.indexrelid
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
	WHERE i.indisvalid AND i.indpred IS NULL
), points AS (
	SELECT i, chr(i) AS c FROM generate_series(128, 125251) AS i
	WHERE $2::bool AND i NOT BETWEEN 55296 AND 57343 AND getdatabaseencoding() = 'UTF8'
)
SELECT json_build_object(
	'database', (SELECT datname FROM database),
	'server_version', current_setting('server_version'),
	'default_collation', (SELECT ordering FROM database),
	'missing', COALESCE((SELECT json_agg(name) FROM asked WHERE oid IS NULL), '[]'),
	'case', CASE WHEN $2::bool AND (SELECT datlocprovider = 'c' FROM database)
		AND getdatabaseencoding() = 'UTF8' THEN json_build_object(
		'upper', COALESCE((SELECT json_agg(json_build_array(i, ascii(upper(c))) ORDER BY i)
			FROM points WHERE upper(c) <> c), '[]'),
		'lower', COALESCE((SELECT json_agg(json_build_array(i, ascii(lower(c))) ORDER BY i)
			FROM points WHERE lower(c) <> c), '[]')) END,
	'tables', COALESCE((SELECT json_agg(json_build_object(
		'schema', n.nspname,
		'name', c.relname,
		'relkind', c.relkind,
		'replica_identity', c.relreplident,
		'row_estimate', c.reltuples::bigint,
		'columns', (SELECT json_agg(cols.doc ORDER BY attnum) FROM cols WHERE attrelid = c.oid),
		'keys', COALESCE((SELECT json_agg(keys.doc ORDER BY indisprimary DESC, relname)
			FROM keys WHERE indrelid = c.oid), '[]'),
		'indexes', COALESCE((SELECT json_agg(indexes.doc ORDER BY relname)
			FROM indexes WHERE indrelid = c.oid), '[]')
	) ORDER BY n.nspname, c.relname)
	FROM (SELECT DISTINCT oid FROM asked WHERE oid IS NOT NULL) AS known
	JOIN pg_class c ON c.oid = known.oid
	JOIN pg_namespace n ON n.oid = c.relnamespace), '[]')
)::text
