/* SPDX-License-Identifier: Apache-2.0 */
/* row.h -- the enriched row of 14 columns that the ClickHouse benches send. */
#ifndef TESTS_BENCH_ROW_H
#define TESTS_BENCH_ROW_H

#include <stdint.h>

#include "base/buf.h"

static uint64_t row_seed = 42;

static inline uint64_t
row_draw(uint64_t below)
{
	row_seed ^= row_seed << 13;
	row_seed ^= row_seed >> 7;
	row_seed ^= row_seed << 17;
	return row_seed % below;
}

static inline void
row_uuid(struct buf *out, uint64_t n)
{
	uint64_t mixed = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);

	buf_printf(out, "%08x-%04x-4%03x-9%03x-%012llx", (unsigned)(mixed >> 32),
	    (unsigned)(mixed >> 16 & 0xffff), (unsigned)(mixed & 0xfff),
	    (unsigned)(mixed >> 20 & 0xfff), (unsigned long long)(mixed * 31 >> 16));
}

/* An engagement event as sluice-generate makes them: event_ts in the last twenty
 * minutes in no order, a payload in half of the rows. */
static inline void
row_make(struct buf *out, uint64_t id)
{
	static const char *const types[] = { "play", "pause", "finish", "click" };
	static const char *const devices[] = { "ios", "android", "web", "tv" };
	static const char *const kinds[] = { "podcast", "newsletter", "video" };
	uint64_t duration = row_draw(1800000), seconds = row_draw(1200);

	buf_printf(out, "{\"id\":%llu,\"content_id\":\"", (unsigned long long)id);
	row_uuid(out, row_draw(500));
	buf_cstr(out, "\",\"user_id\":\"");
	row_uuid(out, 1000 + row_draw(100000));
	buf_printf(out,
	    "\",\"event_type\":\"%s\",\"event_ts\":\"2026-11-21T08:%02u:%02u.%06uZ\"",
	    types[row_draw(4)], (unsigned)(seconds / 60), (unsigned)(seconds % 60),
	    (unsigned)row_draw(1000000));
	if (row_draw(10) == 0)
		buf_cstr(out, ",\"duration_ms\":null");
	else
		buf_printf(out, ",\"duration_ms\":%llu", (unsigned long long)duration);
	buf_printf(out, ",\"device\":\"%s\",\"content_type\":\"%s\",\"length_seconds\":%u,",
	    devices[row_draw(4)], kinds[row_draw(3)], (unsigned)row_draw(7200));
	buf_printf(out, "\"engagement_seconds\":%llu.%03u,\"engagement_pct\":%u.%02u,",
	    (unsigned long long)(duration / 1000), (unsigned)(duration % 1000),
	    (unsigned)row_draw(100), (unsigned)row_draw(100));
	if (row_draw(2))
		buf_printf(out,
		    "\"raw_payload\":\"{\\\"v\\\": \\\"1.%u\\\", \\\"session\\\": %u}\"}",
		    (unsigned)row_draw(20), (unsigned)row_draw(1000000));
	else
		buf_cstr(out, "\"raw_payload\":null}");
}

#endif
