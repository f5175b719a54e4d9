/* SPDX-License-Identifier: Apache-2.0 */
/* refresh.h -- when a dimension row changes, its facts are sent again.
 *
 * The worker that owns a dimension's partition gathers the keys of changed rows for
 * REFRESH_GATHER_MS, then inserts one row into Debezium's signal table: an incremental
 * snapshot of the fact table, filtered to those keys. Debezium re-emits the facts as r,
 * in their own partitions and in stream order. The dimension's offset is committed only
 * after the signal row stands, and the row's id names the offsets, so a crash asks again
 * and changes nothing. No signal asks for more than refresh_rows_max facts (Postgres counts
 * them first): where the rows have more together, each is counted and they become several
 * signals. A row that has more alone raises an alarm instead: its facts wait for a repair by
 * hand, the others' do not. So does one whose count Postgres cancels (statement_timeout):
 * that is too many, and to try again would find no end; after three of those the rest of the
 * rows gathered with them is refused, too. A count that waits for a lock is tried again.
 * Snapshot rows (r) ask for nothing. Format of the signal: Debezium 3.3 documentation,
 * "Sending signals to a Debezium connector". */
#ifndef WORK_REFRESH_H
#define WORK_REFRESH_H

#include "link/kafka.h"
#include "work/enrich_plan.h"

enum { REFRESH_GATHER_MS = 1000, REFRESH_KEYS_MAX = 1000 };

struct refresh;

/* signal_table: schema.table. HALT with code CONFIG: a dimension is joined by something
 * else than plain columns, so the facts of a key cannot be named. */
enum fate refresh_open(struct enrich_plan *plan, struct pg *pg, const char *signal_table,
    struct refresh **ret_refresh, struct err *err) NODISCARD;
void refresh_close(struct refresh *refresh); /* accepts NULL */

/* An event of the topic of dimension `source`, told once for each source of the topic;
 * the message stays the caller's. */
void refresh_take(struct refresh *refresh, size_t source, const struct kafka_message *message,
    int64_t mono_ms);
/* A partition has REFRESH_KEYS_MAX keys: before they are asked for no more of it should be
 * taken. */
bool refresh_full(const struct refresh *refresh);
void refresh_clear(struct refresh *refresh); /* on assignment and revocation */

/* Inserts what is due: for about a second and at most one statement more, and goes on at the
 * next call; feeds the watchdog. RETRY: Postgres is away or the fact table locked, nothing is
 * lost. *ret_count: parts whose offsets may be committed now (next to read), valid until the
 * next call. */
enum fate refresh_step(struct refresh *refresh, int64_t mono_ms,
    const struct kafka_part **ret_parts, size_t *ret_count, struct err *err) NODISCARD;

#endif
