-- SPDX-License-Identifier: Apache-2.0
-- Which Postgres, and which slot of it, changes come from: lib/work/gap.h. $1: the slot's name.
SELECT (pg_control_system()).system_identifier::text,
	(pg_control_checkpoint()).timeline_id::text,
	(SELECT (extract(epoch FROM GREATEST(w.stats_reset, s.stats_reset)) * 1000000)::bigint FROM pg_stat_wal w
		LEFT JOIN pg_stat_replication_slots s ON s.slot_name = $1)::text,
	(SELECT COALESCE(t.total_txns, 0) FROM pg_replication_slots s
		LEFT JOIN pg_stat_replication_slots t USING (slot_name)
		WHERE s.slot_name = $1)::text
