-- SPDX-License-Identifier: Apache-2.0
-- Whether a publication sends what a connector captures. $1: its name; $2 text[]: tables, quoted;
-- $3 text[]: those that a pattern may capture, of which only row filters matter.
-- NULL in the first column: there is none. Lists are NULL when nothing is wrong.
WITH asked AS (
	SELECT name, to_regclass(name) AS oid FROM unnest($2::text[]) AS name
), sent AS (
	SELECT format('%I.%I', schemaname, tablename) AS name, to_jsonb(t) ->> 'rowfilter' AS rows
	FROM pg_publication_tables t
	WHERE pubname = $1
)
SELECT (SELECT pubviaroot::text FROM pg_publication WHERE pubname = $1),
	(SELECT string_agg(op, ', ') FROM pg_publication, LATERAL (VALUES ('insert', pubinsert),
		('update', pubupdate), ('delete', pubdelete), ('truncate', pubtruncate)) AS ops (op, yes)
		WHERE pubname = $1 AND NOT yes),
	(SELECT string_agg(name, ', ') FROM asked
		WHERE oid IS NOT NULL AND oid NOT IN (SELECT sent.name::regclass FROM sent)
		AND NOT EXISTS (SELECT FROM pg_partition_tree(oid) p, sent WHERE sent.name::regclass = p.relid)),
	(SELECT string_agg(name, ', ') FROM sent WHERE rows IS NOT NULL
		AND EXISTS (SELECT FROM unnest($2::text[] || $3::text[]) AS t (name)
			WHERE sent.name::regclass = to_regclass(t.name)
			OR sent.name::regclass IN (SELECT relid FROM pg_partition_tree(to_regclass(t.name))))),
	current_setting('max_slot_wal_keep_size'),
	(SELECT string_agg(asked.name, ', ') FROM asked JOIN pg_class c ON c.oid = asked.oid AND c.relkind = 'p')
