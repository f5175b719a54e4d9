-- SPDX-License-Identifier: Apache-2.0
-- One engagement event with what its content is and how much of it was consumed.
-- psql runs this file as it is; sluice-enrich runs it row by row.
SELECT e.id, e.content_id, e.user_id, e.event_type, e.event_ts, e.duration_ms, e.device,
       c.content_type, c.length_seconds,
       (e.duration_ms / 1000.0)::numeric(18,3)                                      AS engagement_seconds,
       (e.duration_ms / 10.0 / NULLIF(c.length_seconds, 0))::numeric(18,2)            AS engagement_pct,
       e.raw_payload
FROM engagement_events e
LEFT JOIN content c ON c.id = e.content_id
