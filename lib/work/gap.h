/* SPDX-License-Identifier: Apache-2.0 */
/* gap.h -- may changes be missing between Postgres and the source topic?
 *
 * Debezium reads one slot of one Postgres. When that is another system or timeline than it
 * was at the last commit, or the slot is gone or was made again, changes in between may have
 * reached nobody: the order of what comes still holds, so enrich goes on and raises the alarm
 * gap_suspected; sluicectl verify --repair is a person's to ask for. A slot
 * has no name of its own: its count of transactions (pg_stat_replication_slots) only grows
 * while its statistics live, so a smaller one under the same epoch is another slot, and so is
 * one of an earlier epoch: pg_stat_reset_replication_slot() and a crash begin a later one.
 * What was seen travels in the metadata of enrich's commits. */
#ifndef WORK_GAP_H
#define WORK_GAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "link/pg.h"

enum { GAP_LOOK_MS = 5000, GAP_SEEN_MAX = 16 };

/* Zeros: not known. */
struct gap_world {
	int64_t system, timeline;
	int64_t epoch; /* when the server's or the slot's statistics began, us since 1970 */
	int64_t txns;  /* that the slot has decoded; -1: there is no slot */
};

/* Asks Postgres; slot NULL: the pipeline names no connector. RETRY: it is away. HALT: it
 * does not say (an old server, missing rights). */
enum fate gap_ask(
    struct pg *pg, const char *slot, struct gap_world *ret, struct err *err) NODISCARD;

/* In words why changes may be missing between the two; NULL: nothing says so. Pure. */
const char *gap_between(const struct gap_world *before, const struct gap_world *now);

/* What commits' metadata and the last look say of the world before. */
struct gap {
	struct gap_world seen[GAP_SEEN_MAX];
	size_t count;
};

/* Of one partition's metadata; zeros are passed over. */
void gap_remember(struct gap *gap, const struct gap_world *seen);
/* What is so now takes the place of all that was remembered. The reason why changes may be
 * missing, or NULL: as long as one of them fits, an alarm was raised before. */
const char *gap_judge(struct gap *gap, const struct gap_world *now);

#endif
