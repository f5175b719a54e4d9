-- SPDX-License-Identifier: Apache-2.0
-- The router's side of Postgres: two roles that can do what the registry says and nothing
-- else. Run by a superuser in the pipeline's database, after sql/postgres/engagement.sql:
--   psql -d app -v ON_ERROR_STOP=1 -f sql/postgres/router.sql
-- Passwords come as -v router_password=... (default: for demos). Neither role is a
-- superuser, reads or writes files of the server, runs programs, or makes tables: TEMP is
-- taken from everybody, since temporary tables shadow real ones.
\set ON_ERROR_STOP 1
\if :{?router_password}
\else
\set router_password sluice_router
\endif
SET client_min_messages = warning;

BEGIN;
SELECT pg_advisory_xact_lock(hashtext('sluice router.sql')) \g /dev/null

SELECT 'CREATE ROLE router_read' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'router_read') \gexec
SELECT 'CREATE ROLE router_write' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'router_write') \gexec
ALTER ROLE router_read WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'router_password';
ALTER ROLE router_write WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'router_password';
ALTER ROLE router_read SET default_transaction_read_only = on;

SELECT format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()) \gexec
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO router_read, router_write;
GRANT SELECT ON content, engagement_events, enriched_events TO router_read, router_write;
GRANT INSERT, UPDATE, DELETE ON content, engagement_events TO router_write;
GRANT USAGE ON SEQUENCE engagement_events_id_seq TO router_write;
COMMIT;
