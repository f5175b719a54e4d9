-- SPDX-License-Identifier: Apache-2.0
-- The engagement pipeline's side of Postgres: tables with seed rows, what Debezium
-- needs, the two roles, and the enrichment query as a view. Run by a superuser in
-- the pipeline's database (app), as often as you like:
--   psql -d app -v ON_ERROR_STOP=1 -f sql/postgres/engagement.sql
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
SET search_path = public;

BEGIN;
-- Two sessions that run this file at once take turns.
SELECT pg_advisory_xact_lock(hashtext('sluice engagement.sql')) \g /dev/null

CREATE TABLE IF NOT EXISTS content (
	id             uuid PRIMARY KEY,
	slug           text UNIQUE NOT NULL,
	title          text NOT NULL,
	content_type   text CHECK (content_type IN ('podcast', 'newsletter', 'video')),
	length_seconds int,
	publish_ts     timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS engagement_events (
	id          bigserial PRIMARY KEY,
	content_id  uuid NOT NULL, -- no foreign key: content may arrive after its events
	user_id     uuid NOT NULL,
	event_type  text CHECK (event_type IN ('play', 'pause', 'finish', 'click')),
	event_ts    timestamptz NOT NULL,
	duration_ms int,
	device      text,
	raw_payload jsonb
);
-- Deletes and updates carry the whole row before, unchanged TOAST values included.
ALTER TABLE content REPLICA IDENTITY FULL;
ALTER TABLE engagement_events REPLICA IDENTITY FULL;
-- Refresh and the leaderboard's proof look facts up by these.
CREATE INDEX IF NOT EXISTS engagement_events_content_id ON engagement_events (content_id);
CREATE INDEX IF NOT EXISTS engagement_events_event_ts ON engagement_events (event_ts);

-- Debezium's signals (its documented varchar(42) and varchar(2048) are too small) and
-- the row whose update moves the slot when nothing else changes.
CREATE TABLE IF NOT EXISTS sluice_signal (id text PRIMARY KEY, type text NOT NULL, data text);
CREATE TABLE IF NOT EXISTS sluice_heartbeat (id int PRIMARY KEY, at timestamptz);
INSERT INTO sluice_heartbeat VALUES (1, now()) ON CONFLICT DO NOTHING;

INSERT INTO content (id, slug, title, content_type, length_seconds, publish_ts) VALUES
	('0b0e6a5e-0000-4000-8000-000000000001', 'morning-brief', 'The Morning Brief', 'podcast', 1260, '2025-01-06 05:00:00+00'),
	('0b0e6a5e-0000-4000-8000-000000000002', 'deep-water', 'Deep Water', 'podcast', 3480, '2025-01-13 05:00:00+00'),
	('0b0e6a5e-0000-4000-8000-000000000003', 'city-at-night', 'The City at Night', 'video', 612, '2025-02-01 18:30:00+00'),
	('0b0e6a5e-0000-4000-8000-000000000004', 'sunday-letter', 'The Sunday Letter', 'newsletter', NULL, '2025-02-02 07:00:00+00'),
	('0b0e6a5e-0000-4000-8000-000000000005', 'how-locks-work', 'How Locks Work', 'video', 905, '2025-02-20 12:00:00+00'),
	('0b0e6a5e-0000-4000-8000-000000000006', 'quiet-hours', 'Quiet Hours', 'podcast', 2700, '2025-03-03 05:00:00+00'),
	('0b0e6a5e-0000-4000-8000-000000000007', 'market-notes', 'Market Notes', 'newsletter', NULL, '2025-03-10 06:00:00+00'),
	('0b0e6a5e-0000-4000-8000-000000000008', 'trailer', 'Trailer', 'video', 0, '2025-03-15 12:00:00+00')
ON CONFLICT DO NOTHING;
INSERT INTO engagement_events (content_id, user_id, event_type, event_ts, duration_ms, device, raw_payload)
SELECT seed.* FROM (VALUES
	('0b0e6a5e-0000-4000-8000-000000000001'::uuid, 'a11ce000-0000-4000-8000-000000000001'::uuid, 'play', now() - interval '5 min', 1500, 'ios', '{"pos": 0}'::jsonb),
	('0b0e6a5e-0000-4000-8000-000000000001'::uuid, 'a11ce000-0000-4000-8000-000000000001'::uuid, 'finish', now() - interval '4 min', 1260000, 'ios', '{"pos": 1260}'::jsonb),
	('0b0e6a5e-0000-4000-8000-000000000003'::uuid, 'b0b00000-0000-4000-8000-000000000002'::uuid, 'pause', now() - interval '3 min', 306000, 'web-safari', NULL),
	('0b0e6a5e-0000-4000-8000-000000000004'::uuid, 'b0b00000-0000-4000-8000-000000000002'::uuid, 'click', now() - interval '2 min', NULL, NULL, '{"url": "https://example.org/über"}'::jsonb),
	('0b0e6a5e-0000-4000-8000-000000000008'::uuid, 'ca401000-0000-4000-8000-000000000003'::uuid, 'play', now() - interval '1 min', 900, 'tv', NULL)
) AS seed
WHERE NOT EXISTS (SELECT FROM engagement_events);

-- The same text as sql/enrich/engagement.sql; a unit test compares the two.
CREATE OR REPLACE VIEW enriched_events AS
SELECT e.id, e.content_id, e.user_id, e.event_type, e.event_ts, e.duration_ms, e.device,
       c.content_type, c.length_seconds,
       (e.duration_ms / 1000.0)::numeric(18,3)                                      AS engagement_seconds,
       (e.duration_ms / 10.0 / NULLIF(c.length_seconds, 0))::numeric(18,2)            AS engagement_pct,
       e.raw_payload
FROM engagement_events e
LEFT JOIN content c ON c.id = e.content_id
;

-- Roles: sluice_cdc is Debezium's, sluice_enrich looks dimensions up and asks for refreshes.
SELECT 'CREATE ROLE sluice_cdc' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_cdc') \gexec
SELECT 'CREATE ROLE sluice_enrich' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_enrich') \gexec
ALTER ROLE sluice_cdc WITH LOGIN REPLICATION PASSWORD :'cdc_password';
ALTER ROLE sluice_enrich WITH LOGIN PASSWORD :'enrich_password';
GRANT USAGE ON SCHEMA public TO sluice_cdc, sluice_enrich;
GRANT SELECT ON content, engagement_events, sluice_signal, sluice_heartbeat, enriched_events
	TO sluice_cdc, sluice_enrich;
GRANT INSERT ON sluice_signal TO sluice_cdc, sluice_enrich;
GRANT UPDATE ON sluice_heartbeat TO sluice_cdc;

SELECT 'CREATE PUBLICATION sluice_engagement'
WHERE NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'sluice_engagement') \gexec
ALTER PUBLICATION sluice_engagement
	SET TABLE content, engagement_events, sluice_signal, sluice_heartbeat;
COMMIT;
