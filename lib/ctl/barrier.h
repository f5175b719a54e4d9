/* SPDX-License-Identifier: Apache-2.0 */
/* barrier.h -- how far everything is: "this sink holds every commit up to LSN L".
 *
 * A probe reads the slot's confirmed LSN (Debezium moves it only after Kafka has
 * acknowledged all up to that commit), then the source topics' ends; when enrich's
 * committed offsets pass them it reads the enriched topic's ends (read committed);
 * when a sink's offsets reach those, the sink is complete up to L as of the time at
 * which L was read. Source topics are the fact's, and those of dimensions whose facts
 * enrich asks for again: past them means asked for, the facts come later. An LSN counts
 * when it has been seen to move: a slot that stands may stand where it was made, and the
 * rows of the first snapshot, which are before that, are in no topic yet. Several
 * probes are under way at once, so a sink that stands still does not hold up what is
 * known of the others. All that is known becomes void when the system identifier, the
 * timeline or the slot changes or L goes back. It needs the connector's heartbeat, else
 * L stands still while the database is idle. It borrows the survey and asks nothing
 * else; who calls barrier_step() says how often. */
#ifndef CTL_BARRIER_H
#define CTL_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ctl/survey.h"

enum { BARRIER_PROBES_MAX = 16, BARRIER_STEP_MS = 200, BARRIER_SOURCE_TOPICS_MAX = 17 };

struct barrier;

/* dimensions: topics that enrich's group reads beside the fact's; borrowed until the
 * barrier is closed. HALT: a topic is not there. RETRY: nobody answers. */
enum fate barrier_open(struct survey *survey, const char *const *dimensions,
    size_t dimension_count, struct barrier **ret_barrier, struct err *err) NODISCARD;
void barrier_close(struct barrier *barrier); /* accepts NULL */

/* One round of questions: begins a probe, moves those under way. Blocks for the answers
 * only, and up to 3 s a group for its open transaction. RETRY: somebody did not answer,
 * or there is no slot; what is known stays. */
enum fate barrier_step(struct barrier *barrier, struct err *err) NODISCARD;

/* What is known of a worker: "enrich" speaks for the enriched topic, the sinks for
 * themselves. */
struct barrier_point {
	bool known;
	uint64_t lsn;    /* complete up to this commit */
	int64_t wall_ms; /* as of then, ms since 1970 */
};
struct barrier_point barrier_at(const struct barrier *barrier, const char *worker);

/* Postgres' system identifier and timeline that all of it speaks of; 0 before the first
 * answer. */
void barrier_history(
    const struct barrier *barrier, uint64_t *ret_system, uint32_t *ret_timeline);

/* Steps until every one of the workers is complete up to the LSN at least. RETRY: not
 * within timeout_ms; err names who is behind and by what. */
enum fate barrier_wait(struct barrier *barrier, uint64_t lsn, const char *const *workers,
    size_t count, int64_t timeout_ms, struct err *err) NODISCARD;

/* Postgres' pg_current_wal_insert_lsn(): all that is committed by now is below it. */
enum fate barrier_now(struct survey *survey, uint64_t *ret_lsn, struct err *err) NODISCARD;

/* --- for tests: the arithmetic alone --- */

/* Whether each offset has reached its end; a missing offset has not. */
bool barrier_reached(const struct kafka_part *at, const struct kafka_part *ends, size_t count);

#endif
