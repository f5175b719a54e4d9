/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_consumer.h -- a read_committed consumer whose positions are never left to chance.
 *
 * In a group it starts each assigned partition at an explicit, stable committed
 * offset (librdkafka alone would restart at auto.offset.reset when it meets an
 * open transaction), and freezes the group metadata at that moment. Callbacks
 * come from inside kafka_consumer_poll and kafka_consumer_close only. It never
 * commits by itself and never starts a partition without being told where. */
#ifndef LINK_KAFKA_CONSUMER_H
#define LINK_KAFKA_CONSUMER_H

#include "base/arena.h"
#include "link/kafka.h"

struct kafka_consumer;

struct kafka_consumer_conf {
	struct kafka_conf common;
	const char *group;      /* NULL: kafka_consumer_assign only */
	const char *instance;   /* group.instance.id; NULL: a dynamic member */
	int64_t session_ms;     /* 0: 10 s */
	int64_t max_poll_ms;    /* 0: 5 min; above the longest batch with its lookups */
	int64_t queue_kbytes;   /* 0: 16 MB */
	int64_t stable_wait_ms; /* 0: 60 s; how long an open transaction may hold us up */

	/* Partitions came. Each offset is the group's committed one, stable, or
	 * KAFKA_NO_OFFSET; metadata is what was committed with it. The callee may
	 * change offsets; every one must be >= 0 when it returns DONE. Another fate
	 * refuses the assignment, and the poll returns that error. NULL: a
	 * partition without a committed offset is HALT. May block for less than
	 * max_poll_ms. parts are valid during the call. */
	enum fate (*on_assign)(
	    void *ctx, struct kafka_part *parts, size_t count, struct err *err);
	/* Partitions go. lost: others may own them already, so drop what is in
	 * hand; else finish and commit it now. parts have no offsets. */
	void (*on_revoke)(void *ctx, const struct kafka_part *parts, size_t count, bool lost);
	void *ctx;
};

/* HALT: a property was refused. Connects in the background. conf is copied, its
 * strings are borrowed. */
enum fate kafka_consumer_open(struct kafka_consumer **ret_consumer,
    const struct kafka_consumer_conf *conf, struct err *err) NODISCARD;
/* Leaves the group (a static member stays in it until session_ms), calling
 * on_revoke. Accepts NULL. False when that took longer than bound_ms: then the
 * memory is abandoned and the process should _exit soon. */
bool kafka_consumer_close(struct kafka_consumer *consumer, int64_t bound_ms);

enum fate kafka_consumer_subscribe(struct kafka_consumer *consumer, const char *const *topics,
    size_t count, struct err *err) NODISCARD;
/* By hand, without a group; replaces what was assigned. Offsets are where to start. */
enum fate kafka_consumer_assign(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err) NODISCARD;

enum kafka_polled {
	KAFKA_NOTHING, /* timeout, or only callbacks ran */
	KAFKA_MESSAGE, /* ret_message is the caller's to free */
	KAFKA_EOF,   /* ret_message: topic, partition, and offset = its end; nothing to free */
	KAFKA_ERROR, /* err: RETRY (poll again after a pause) or HALT */
};
/* Blocks for up to timeout_ms. Callbacks run inside. */
enum kafka_polled kafka_consumer_poll(struct kafka_consumer *consumer, int64_t timeout_ms,
    struct kafka_message *ret_message, struct err *err) NODISCARD;

/* What is assigned now, up to max; *ret_count is how many there are. No offsets. */
void kafka_consumer_assignment(
    struct kafka_consumer *consumer, struct kafka_part *parts, size_t max, size_t *ret_count);
/* The group has taken the assignment away without asking. */
bool kafka_consumer_lost(struct kafka_consumer *consumer);
/* parts NULL: all that are assigned. Keep polling: a member that stops is expelled. */
enum fate kafka_consumer_pause(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err) NODISCARD;
enum fate kafka_consumer_resume(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err) NODISCARD;
/* Next messages come from these offsets. Blocks for up to 10 s. RETRY: a rebalance
 * or a broker stands in the way. */
enum fate kafka_consumer_seek(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err) NODISCARD;
/* All assigned partitions back to their stable committed offsets, after an
 * aborted transaction. HALT without one. RETRY: partial; harmless if a rebalance follows. */
enum fate kafka_consumer_rewind(struct kafka_consumer *consumer, struct err *err) NODISCARD;

/* offset is the next one to read. RETRY with a rebalance under way: poll first,
 * on_revoke will say what is lost. HALT: this member was fenced. */
enum fate kafka_consumer_commit(struct kafka_consumer *consumer, const struct kafka_part *parts,
    size_t count, struct err *err) NODISCARD;
/* Does not wait; a later failure is a KAFKA_EVENT_COMMIT out of poll. */
enum fate kafka_consumer_commit_async(struct kafka_consumer *consumer,
    const struct kafka_part *parts, size_t count, struct err *err) NODISCARD;

/* Fills offset (KAFKA_NO_OFFSET: never committed) and metadata, copied into arena
 * (NULL: not wanted). Waits until stable, for up to stable_wait_ms. */
enum fate kafka_consumer_committed(struct kafka_consumer *consumer, struct kafka_part *parts,
    size_t count, struct arena *arena, struct err *err) NODISCARD;

/* Fills offset with the first record at or after the time (ms since 1970), or with the
 * end when there is none: every record that comes after the call lies at or behind it.
 * KAFKA_AT_END is the end that read_committed sees: before the first open transaction. */
enum fate kafka_consumer_offsets_at(struct kafka_consumer *consumer, int64_t at_ms,
    struct kafka_part *parts, size_t count, int64_t timeout_ms, struct err *err) NODISCARD;
/* Fills offset with the high watermark: the end of all that has been written, in transactions
 * that are open too. */
enum fate kafka_consumer_high_watermarks(struct kafka_consumer *consumer,
    struct kafka_part *parts, size_t count, int64_t timeout_ms, struct err *err) NODISCARD;
/* HALT: no such topic. */
enum fate kafka_consumer_partitions(struct kafka_consumer *consumer, const char *topic,
    int64_t timeout_ms, int32_t *ret_count, struct err *err) NODISCARD;

#endif
