-- SPDX-License-Identifier: Apache-2.0
-- 10,000 contents with the ids that event.h names; one in a hundred has no length.
INSERT INTO content (id, slug, title, content_type, length_seconds, publish_ts)
SELECT (lpad(to_hex(i * 2654435761 % 4294967296), 8, '0') || '-c0de-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid,
       'bench-' || i, 'Bench title ' || i, (ARRAY['podcast', 'newsletter', 'video'])[i % 3 + 1],
       CASE WHEN i % 100 <> 99 THEN 60 + i % 3600 END, '2026-11-21 08:48:36.637801+00'
FROM generate_series(0::bigint, 9999) i
ON CONFLICT DO NOTHING;
