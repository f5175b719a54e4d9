-- SPDX-License-Identifier: Apache-2.0
-- The last state of every engagement row. One statement a request. Run again, it changes nothing.
CREATE DATABASE IF NOT EXISTS thm;

CREATE TABLE IF NOT EXISTS thm.enriched_events
(
    id                 Int64,
    content_id         UUID,
    user_id            UUID,
    event_type         LowCardinality(String),
    event_ts           DateTime64(6, 'UTC'),
    duration_ms        Nullable(Int32),
    device             LowCardinality(Nullable(String)),
    content_type       LowCardinality(Nullable(String)),
    length_seconds     Nullable(Int32),
    engagement_seconds Nullable(Decimal(18, 3)),
    engagement_pct     Nullable(Decimal(18, 2)),
    raw_payload        Nullable(String),
    _version           UInt64,
    _deleted           UInt8
)
ENGINE = ReplacingMergeTree(_version, _deleted)
ORDER BY (event_ts, id);

CREATE VIEW IF NOT EXISTS thm.enriched_events_current AS
SELECT id, content_id, user_id, event_type, event_ts, duration_ms, device, content_type,
       length_seconds, engagement_seconds, engagement_pct, raw_payload
FROM thm.enriched_events FINAL
WHERE NOT _deleted;
