/* SPDX-License-Identifier: Apache-2.0 */
#include "work/memory.h"

/* Parts of a thousand of what MEMORY_BASE leaves. A fetch of the queue's size stands beside the
 * queue, and both unfold: five times. A batch's bytes of enrich stand six times (messages pin
 * what was fetched with them; texts; the producer's copies): 225 + 300 + 240 + 235. Of
 * clickhouse two batches are in hand, in a block and packed: 225 + 6 * 110. Of the others:
 * 225 + 500. */
static const int64_t parts[] = {
	[MEMORY_QUEUE] = 45,
	[MEMORY_CACHE] = 300,
	[MEMORY_BATCH] = 40,
	[MEMORY_BLOCK] = 110,
	[MEMORY_ARENA] = 235,
	[MEMORY_HAND] = 500,
};

int64_t
memory_share(int64_t memory_max, enum memory_use use, int64_t otherwise)
{
	int64_t share;

	if (memory_max == 0)
		return otherwise;
	share = (memory_max - MEMORY_BASE) / 1000 * parts[use];
	return otherwise < share ? otherwise : share;
}

int64_t
memory_wanted(enum memory_use use, int64_t bytes)
{
	return MEMORY_BASE + (bytes / parts[use] + 1) * 1000;
}
