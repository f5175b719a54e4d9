/* SPDX-License-Identifier: Apache-2.0 */
#include "router/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/must.h"
#include "engine/decide.h"
#include "wire/json.h"

struct slot {
	struct history_entry entry;
	char id[40];
	struct buf sql; /* kept when the slot is used again */
	bool cut;
};

struct router_history {
	size_t max;
	uint64_t added; /* the slot of the next is added % max */
	struct slot slots[];
};

struct router_history *
router_history_new(size_t max)
{
	struct router_history *h = calloc(1, sizeof *h + max * sizeof h->slots[0]);

	must(h && max);
	h->max = max;
	return h;
}

void
router_history_free(struct router_history *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->max; i++)
		buf_finish(&h->slots[i].sql);
	free(h);
}

/* Not inside a character. */
static size_t
cut(struct slice text)
{
	size_t len = text.len < HISTORY_TEXT_MAX ? text.len : HISTORY_TEXT_MAX;

	while (len && len < text.len && ((unsigned char)text.p[len] & 0xc0) == 0x80)
		len--;
	return len;
}

void
router_history_add(struct router_history *h, const struct history_entry *entry)
{
	struct slot *slot;

	if (!h)
		return;
	slot = &h->slots[h->added++ % h->max];
	slot->entry = *entry;
	(void)snprintf(slot->id, sizeof slot->id, "%s", entry->id);
	slot->cut = entry->sql.len > HISTORY_TEXT_MAX;
	slot->sql.len = 0;
	buf_put(&slot->sql, entry->sql.p, cut(entry->sql));
}

/* "2026-11-30T15:12:07.123Z" */
static void
at_write(int64_t wall_ms, struct buf *out)
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	char text[32];

	must(gmtime_r(&s, &tm));
	(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(out, "%s.%03dZ", text, (int)(wall_ms % 1000));
}

static void
slot_write(const struct slot *slot, const struct registry *registry, struct buf *out)
{
	const struct history_entry *e = &slot->entry;

	buf_printf(out, "{\"id\":\"%s\",\"at\":\"", slot->id);
	at_write(e->wall_ms, out);
	buf_cstr(out, "\",\"sql\":");
	json_quote(out, buf_view(&slot->sql));
	if (slot->cut)
		buf_cstr(out, ",\"sql_cut\":true");
	if (e->engine >= 0)
		buf_printf(out, ",\"engine\":\"%s\"", registry->engines[e->engine].name);
	else if (e->engine == DECIDED_REGISTRY)
		buf_cstr(out, ",\"engine\":\"registry\"");
	if (e->error)
		buf_cstr(out, ",\"row_count\":null");
	else
		buf_printf(out, ",\"row_count\":%" PRIu64, e->rows);
	buf_printf(out,
	    ",\"reason\":\"%s\",\"status\":%u,\"elapsed_ms\":", e->reason ? e->reason : "",
	    e->status);
	buf_millis(out, e->elapsed_us);
	buf_printf(out, ",\"cost\":%.9g", e->cost);
	if (e->degraded)
		buf_cstr(out, ",\"degraded\":true");
	if (e->truncated)
		buf_cstr(out, ",\"truncated\":true");
	buf_printf(out, ",\"outcome\":\"%s\"", e->error ? e->error : "answered");
	buf_byte(out, '}');
}

void
router_history_write(const struct router_history *h, const struct registry *registry,
    const struct principal *who, size_t count, struct buf *out)
{
	uint64_t kept = !h ? 0 : h->added < h->max ? h->added : h->max;
	size_t written = 0;

	buf_cstr(out, "{\"entries\":[");
	for (uint64_t i = 0; i < kept && written < count; i++) {
		const struct slot *slot = &h->slots[(h->added - 1 - i) % h->max];

		if (slot->entry.who != who)
			continue;
		if (written++)
			buf_byte(out, ',');
		slot_write(slot, registry, out);
	}
	buf_printf(out, "],\"kept\":%" PRIu64 ",\"dropped\":%" PRIu64 "}\n", kept,
	    h ? h->added - kept : 0);
}
