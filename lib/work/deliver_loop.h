/* SPDX-License-Identifier: Apache-2.0 */
/* deliver_loop.h -- what the deliver*.c files share; nobody else's business.
 *
 * deliver.c turns the loop, _assign.c takes partitions and gives them back, _take.c
 * makes records of messages, _commit.c retires and commits. */
#ifndef WORK_DELIVER_LOOP_H
#define WORK_DELIVER_LOOP_H

#include "base/metrics.h"
#include "link/kafka_consumer.h"
#include "work/bury.h"
#include "work/deliver.h"
#include "work/ledger.h"

enum {
	DELIVER_ROUND_MAX = 2000, /* messages taken in one round */
	DELIVER_META_SIZE = 640,
	DELIVER_ASK_MS = 2000, /* for end offsets */
};

enum {
	M_DONE,
	M_REJECTED,
	M_REPEATED,
	M_RETRIES,
	M_COMMITS,
	M_PENDING,
	M_LAG,
	M_PARTITIONS,
	M_TS,
	M_COUNT
};
#define DELIVER_SINK "sink" /* a nameless target's name in the metadata */
extern struct metric deliver_metrics[M_COUNT];

/* One target and what this round brings it. */
struct route {
	const struct deliver_route *d;
	const char *name;
	struct sink *sink;
	struct pipeline *secrets; /* that the sink may borrow from; NULL: the first ones */
	struct record *round[DELIVER_ROUND_MAX];
	size_t round_count;
	struct pause pause;
	int64_t resume_ms; /* it answers again then, perhaps; 0: now */
	bool waiting;
};

/* Offsets that a predecessor froze and did not commit: they go again in one piece, so that
 * its token stops what arrives late, and must fit into what is in hand. */
struct frozen_room {
	const char *topic;
	int32_t partition;
	int64_t end;
	size_t rows;
};

struct loop {
	const struct deliver *d;
	struct route *routes;
	const char *topics[DELIVER_ROUTES_MAX]; /* each once */
	size_t topic_count;
	struct kafka_consumer *consumer;
	struct ledger *ledger;
	struct bury *bury;
	struct kafka_part parts[LEDGER_PARTITIONS_MAX];
	char (*metadata)[DELIVER_META_SIZE]; /* LEDGER_PARTITIONS_MAX of them */
	struct frozen_room *rooms;           /* LEDGER_PARTITIONS_MAX of them */
	size_t room_count;
	size_t frozen_rows; /* of all rooms: there is room for as many, whatever rows_max */
	bool paused;
	int64_t room_ms;            /* when there last was room */
	int64_t polled_ms;          /* when the group last heard of us */
	struct kafka_message stuck; /* cannot be read before Postgres answers */
	struct pause stuck_pause;
	int64_t stuck_until_ms;
	char *carried_reason; /* another route refused the message at hand */
	unsigned carried_attempts;
	int64_t next_commit_ms, next_tick_ms, next_lag_ms;
	int64_t acknowledged;
};

/* --- deliver.c --- */

void loop_forget(struct loop *loop); /* nothing is in hand any more */
/* Works until nothing is pending, for a bounded time. */
void loop_drain(struct loop *loop);
/* After a SIGHUP; called by every loop that waits. */
void loop_take_secrets(struct loop *loop);
/* Takes the pipeline over: it is freed when no sink borrows from it any more. RETRY: a sink
 * is busy, all should be given them again. HALT: one refuses them. */
enum fate loop_give_secrets(struct loop *loop, struct pipeline *now, struct err *err) NODISCARD;

/* --- deliver_assign.c --- */

enum fate loop_on_assign(
    void *ctx, struct kafka_part *parts, size_t count, struct err *err) NODISCARD;
void loop_on_revoke(void *ctx, const struct kafka_part *parts, size_t count, bool lost);
/* A sink lost its place (a flushed Redis): read again from where it says. */
enum fate loop_reseek(struct loop *loop, struct err *err) NODISCARD;

/* --- deliver_take.c --- */

/* Polls until there is nothing more to take or no room, and pushes it. DONE or HALT. */
enum fate loop_gather(struct loop *loop, struct err *err) NODISCARD;
bool loop_has_room(const struct loop *loop);
/* A partition that starts at its committed offset with what was frozen; once in an assignment
 * for each target. */
void loop_room_make(struct loop *loop, const struct sink_part *part);
void loop_room_pass(struct loop *loop, const char *topic, int32_t partition, int64_t position);
void loop_rooms_clear(struct loop *loop);
void loop_hold_partitions(struct loop *loop);

/* --- deliver_commit.c --- */

/* Retires, buries, commits; now: without waiting for the next time. RETRY leaves
 * everything for the next time. */
enum fate loop_settle(struct loop *loop, bool now, struct err *err) NODISCARD;
void loop_measure_lag(struct loop *loop);
/* What a commit's metadata says: the version fence, and a target's frozen offsets. */
uint64_t loop_metadata_version(struct slice metadata);
struct sink_range loop_metadata_frozen(struct slice metadata, const char *name);

#endif
