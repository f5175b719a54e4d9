-- SPDX-License-Identifier: Apache-2.0
-- What the generator's events are about; a second run with the same seed adds nothing.
INSERT INTO content (id, slug, title, content_type, length_seconds, publish_ts)
SELECT id::uuid, slug, title, content_type, length_seconds::int,
       timestamptz 'epoch' + publish_us::bigint * interval '1 microsecond'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
	AS c (id, slug, title, content_type, length_seconds, publish_us)
ON CONFLICT DO NOTHING
