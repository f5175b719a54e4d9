/* SPDX-License-Identifier: Apache-2.0 */
#include "work/mark.h"

#include <inttypes.h>
#include <stdio.h>

void
mark_parse(struct slice metadata, struct mark *ret_mark, struct mark_world *ret_world)
{
	char text[MARK_TEXT];
	struct mark mark;
	struct mark_world world = { 0 };
	struct gap_world *pg = &world.postgres;

	*ret_mark = (struct mark){ 0 };
	*ret_world = (struct mark_world){ 0 };
	(void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(metadata));
	if (sscanf(text,
		"v1 %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
		" %" SCNd64 " %" SCNd64 " %" SCNd64,
		&mark.sequence, &mark.lsn, &mark.ts_us, &world.partitions, &world.generation,
		&pg->system, &pg->timeline, &pg->epoch, &pg->txns) < 4)
		return;
	*ret_mark = mark;
	*ret_world = world;
}

void
mark_print(const struct mark *mark, const struct mark_world *world, char *ret, size_t size)
{
	const struct gap_world *pg = &world->postgres;

	(void)snprintf(ret, size,
	    "v1 %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
	    " %" PRId64 " %" PRId64 " %" PRId64,
	    mark->sequence, mark->lsn, mark->ts_us, world->partitions, world->generation,
	    pg->system, pg->timeline, pg->epoch, pg->txns);
}
