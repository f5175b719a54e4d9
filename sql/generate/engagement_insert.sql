-- SPDX-License-Identifier: Apache-2.0
-- One row an element; the new ids come back.
INSERT INTO engagement_events
	(content_id, user_id, event_type, event_ts, duration_ms, device, raw_payload)
SELECT content_id::uuid, user_id::uuid, event_type,
       timestamptz 'epoch' + event_us::bigint * interval '1 microsecond',
       duration_ms::int, device, raw_payload::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
	WITH ORDINALITY
	AS e (content_id, user_id, event_type, event_us, duration_ms, device, raw_payload, n)
ORDER BY n
RETURNING id
