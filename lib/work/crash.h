/* SPDX-License-Identifier: Apache-2.0 */
/* crash.h -- a record that aborts the process must not do so for ever.
 *
 * A worker notes which offsets it has in hand in a small file that is mapped into its memory,
 * $RUNTIME_DIRECTORY/MEMBER.crash; losing it costs nothing, and without that folder there is
 * no note. enrich notes facts, not the rows of dimensions that it follows. Only the handler of
 * SIGABRT, SIGSEGV, SIGBUS, SIGFPE and SIGILL marks it (kill -9 and the OOM killer do not).
 * After CRASH_ABORTS aborts with common offsets in hand, the worker takes one record at a time
 * until those are behind it; one of them that aborts alone is guilty, and its next reader makes
 * a dead letter of class crash of it. One note a process; all calls from its one working
 * thread. */
#ifndef WORK_CRASH_H
#define WORK_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/kafka.h"

enum {
	CRASH_ABORTS = 3,
	CRASH_PARTS_MAX = 128,
	CRASH_GUILTY_MAX = 16, /* more stay suspects until these are dead letters */
};

/* The class and the sentence of its dead letter. */
#define CRASH_CLASS "crash"
#define CRASH_REASON                                                                           \
	"the worker aborted with this record alone in hand, after others with it among them"

/* Reads what the last process left, draws and logs the conclusions, begins the new note and
 * installs the handlers. A file that cannot be made is logged, and there is no note. */
void crash_open(const char *member);

/* A record is taken into hand; records of a partition come in order. Partitions beyond
 * CRASH_PARTS_MAX are not noted. */
void crash_take(const char *topic, int32_t partition, int64_t offset);
/* Everything of the partition below the offset is done. */
void crash_done(const char *topic, int32_t partition, int64_t offset);
/* Nothing is in hand any more; it will be read again, perhaps by another. */
void crash_drop(void);

/* True while suspected offsets are ahead: take one record, and the next when it is done. */
bool crash_alone(void);
bool crash_guilty(const char *topic, int32_t partition, int64_t offset);

/* These are all partitions of this worker: suspects in others are another's now, and
 * forgotten. */
void crash_keep(const struct kafka_part *mine, size_t count);

#endif
