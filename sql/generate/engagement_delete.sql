-- SPDX-License-Identifier: Apache-2.0
DELETE FROM engagement_events WHERE id = ANY ($1::text[]::bigint[])
