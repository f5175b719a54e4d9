/* SPDX-License-Identifier: Apache-2.0 */
/* sink.h -- a place that enriched records go to: ClickHouse, a Redis board, HTTP.
 *
 * The worker pushes records and the sink sets each one's outcome when it is known;
 * until then the record and its bytes are the sink's to read. The lowest pending
 * offset of a partition bounds what the worker commits. A sink belongs to one
 * thread. What was delivered before and is pushed again changes nothing in a table or on a
 * board, in mode append as far as the frozen offsets were told; a receiver of webhooks gets
 * it again under the id that it had. */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/record.h"

struct sink;
struct sink_ops;

enum { SINK_OFFSET_COMMITTED = -1 }; /* start where the consumer group stands */

enum { SINK_FORM_SIZE = 40 };

/* Offsets from first up to end, which is not in it; end <= first: none. */
struct sink_range {
	int64_t first, end;
	char form[SINK_FORM_SIZE]; /* what they are sent as, without ';'; "": not said */
};

/* A partition of the sink's topic that this worker was given. */
struct sink_part {
	const char *topic; /* outlives the sink */
	int32_t partition;
	int64_t committed;        /* the group's offset */
	struct sink_range frozen; /* what was committed with it, see sink_frozen */
	int64_t end;              /* end offset, read committed */
	int64_t window;           /* first offset not older than sink_replay_ms; end if none */
	int64_t start;            /* out: where to read from, or SINK_OFFSET_COMMITTED */
};

/* config is the driver's own (sink/clickhouse.h ...). Does not connect. */
enum fate sink_open(const struct sink_ops *ops, const void *config, struct sink **ret_sink,
    struct err *err) NODISCARD;

/* Connects and checks the target (tables, scripts, login). RETRY or HALT. */
enum fate sink_connect(struct sink *sink, struct err *err) NODISCARD;

/* New assignment, nothing pending. A sink that keeps its own position sets .start.
 * RETRY (the worker asks again later) or HALT. */
enum fate sink_assign(
    struct sink *sink, struct sink_part *parts, size_t count, struct err *err) NODISCARD;

/* Hands over count records, in order of offset a partition. The sink keeps the
 * pointers until it has set each outcome, which for some may be at once. Never blocks and
 * always takes them: the worker keeps what is pending below its limits. */
void sink_push(struct sink *sink, struct record *const *records, size_t count);

/* Works, sets outcomes. Waits for up to wait_ms for answers and for a batch to be due; what
 * cannot be done in pieces (a delivery, a question) blocks up to the target's own timeout.
 * DONE: all fine or nothing to do. RETRY: the target is busy or gone, pending records stay
 * pending and the worker calls again after a pause. HALT: stop without committing what is
 * pending. */
enum fate sink_work(struct sink *sink, int wait_ms, struct err *err) NODISCARD;

/* What is pending is to be finished: until nothing is, none of it is held back for the sake
 * of a bigger batch. */
void sink_flush(struct sink *sink);

/* The offsets that the sink inserts or sends, or did last: they must stand in the metadata
 * of every commit of the partition whose position is below their end. False: none. */
bool sink_frozen(const struct sink *sink, const char *topic, int32_t partition,
    struct sink_range *ret_range);
/* The sink waits for a commit with all of these before it goes on, or has one to take back. */
bool sink_freezing(const struct sink *sink);
/* That commit stands. */
void sink_froze(struct sink *sink);

/* Forgets all pending records without touching them again (revoked or rewound). */
void sink_drop(struct sink *sink);

/* Called about once a second while there are partitions, also when no record comes: ticks,
 * pings. RETRY and HALT as sink_work. */
enum fate sink_tick(struct sink *sink, int64_t wall_ms, struct err *err) NODISCARD;

/* The sink has lost or changed its own position: drop all and assign again. */
bool sink_moved(const struct sink *sink);

/* Takes the secrets and certificates of config, and nothing else of it; what it borrows of
 * it (texts; the struct is copied) lives until the sink's next one that is DONE. Blocks for
 * seconds, while what is in flight is answered. RETRY: that takes longer, and HALT: they
 * cannot be used; the sink goes on with those it has. */
enum fate sink_secrets(struct sink *sink, const void *config, struct err *err) NODISCARD;

/* What the sink waits for while it goes on working, or NULL: for people to read. Valid
 * until the next call. */
const char *sink_waiting(const struct sink *sink);

/* Age in ms up to which records must be read again when the target is empty; 0 if
 * the group's offset is the position. */
int64_t sink_replay_ms(const struct sink *sink);

/* Its target shows each change, and so one that comes twice; else the newest state of a row
 * alone, which a change that comes again does not touch. */
bool sink_every_change(const struct sink *sink);

size_t sink_pending(const struct sink *sink);
const char *sink_name(const struct sink *sink);
void sink_close(struct sink *sink); /* accepts NULL */

#endif
