/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h -- does the stream hold what the query returns?
 *
 * Postgres is read in pages by key (no snapshot is held), then a barrier is waited for,
 * then the enriched topic is read to its end and ClickHouse (FINAL, not deleted) in pages
 * by a hash of the key. Each side leaves a checksum a key in one table, so memory is
 * bounded by keys (about 120 bytes each, VERIFY_KEYS_MAX of them), never by rows. Keys
 * that do not agree are read again on every side at another barrier, until they agree or
 * until settle_ms have brought none of them to: so a running application, or facts on
 * their way again after a dimension change, do not look like a fault. "Agrees" says that
 * what Postgres held when it was read has arrived. It leaves out a ClickHouse whose worker does
 * not run. It changes nothing, unless it shall repair: then rows that are missing or differ are
 * asked of Debezium again (an incremental snapshot of those keys), extra rows get a tombstone,
 * what differs in ClickHouse alone is sent to it again, and all of it is compared once more.
 * Where dimension changes are not carried to facts
 * (keep, or no signal table) only fact columns are compared. */
#ifndef CTL_VERIFY_H
#define CTL_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "work/pipeline.h"

enum { VERIFY_EVIDENCE_MAX = 100 };

struct verify_options {
	int64_t barrier_ms;                 /* how long to wait for the workers, each time */
	int64_t settle_ms;                  /* see above */
	bool repair;                        /* see above */
	int64_t delete_max;                 /* of extra rows; are there more, none is deleted */
	size_t evidence;                    /* of how many keys; VERIFY_EVIDENCE_MAX at most */
	void (*say)(const char *line);      /* a line a target, then the evidence */
	void (*progress)(const char *text); /* what it is at, ten times a second; or NULL */
};

/* *ret_clean: nothing differs but what is excused (the key's newest change is a dead
 * letter). RETRY: not now (somebody does not answer, or a worker is behind or stopped).
 * HALT: it cannot be asked. */
enum fate verify_run(const struct pipeline *pipeline, const struct verify_options *options,
    bool *ret_clean, struct err *err) NODISCARD;

#endif
