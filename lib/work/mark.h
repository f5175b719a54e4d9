/* SPDX-License-Identifier: Apache-2.0 */
/* mark.h -- the replay mark: how far a source partition has been seen, as the metadata of a
 * committed offset: "v1 SEQUENCE LSN TS_US PARTITIONS GENERATION SYSTEM TIMELINE EPOCH TXNS",
 * at most MARK_TEXT bytes.
 * With it stand what the order of a key hangs on, the topic's partitions and the pipeline's
 * generation, and the Postgres that the changes came from (gap.h). Metadata of any other shape,
 * or of an older one, reads as zeros. */
#ifndef WORK_MARK_H
#define WORK_MARK_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "work/gap.h"

enum { MARK_TEXT = 208 };

/* The highest (sequence, lsn) that a partition has shown, and its time. */
struct mark {
	int64_t sequence, lsn, ts_us;
};

/* What a commit's metadata says beside the mark; zeros when it says nothing. */
struct mark_world {
	int64_t partitions; /* of the source topic; 0: unknown */
	int64_t generation;
	struct gap_world postgres;
};

void mark_parse(struct slice metadata, struct mark *ret_mark, struct mark_world *ret_world);
void mark_print(
    const struct mark *mark, const struct mark_world *world, char *ret, size_t size);

#endif
