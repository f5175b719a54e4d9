-- SPDX-License-Identifier: Apache-2.0
-- what: t moves event_ts (and with it the identity), c content_id, e the kind of event,
-- p raw_payload. What is not named keeps its value, a TOASTed payload untouched.
UPDATE engagement_events AS e SET
	event_ts = CASE WHEN n.what LIKE '%t%'
		THEN timestamptz 'epoch' + n.event_us::bigint * interval '1 microsecond'
		ELSE e.event_ts END,
	content_id = CASE WHEN n.what LIKE '%c%' THEN n.content_id::uuid ELSE e.content_id END,
	event_type = CASE WHEN n.what LIKE '%e%' THEN n.event_type ELSE e.event_type END,
	duration_ms = CASE WHEN n.what LIKE '%e%' THEN n.duration_ms::int ELSE e.duration_ms END,
	device = CASE WHEN n.what LIKE '%e%' THEN n.device ELSE e.device END,
	raw_payload = CASE WHEN n.what LIKE '%p%' THEN n.raw_payload::jsonb ELSE e.raw_payload END
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
	$8::text[])
	AS n (id, what, content_id, event_type, event_us, duration_ms, device, raw_payload)
WHERE e.id = n.id::bigint
