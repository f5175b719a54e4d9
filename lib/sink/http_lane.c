/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/http_lane.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/sink_ops.h"

enum { LANES = 64, BATCH_BYTES = 256 << 10 };

enum fate
http_lanes_init(
    struct http_lanes *lanes, const struct sink_http_config *config, struct err *err)
{
	lanes->config = config;
	lanes->count = config->lanes ? config->lanes : LANES;
	must(lanes->count <= SINK_HTTP_LANES_MAX && config->batch_rows <= SINK_HTTP_BATCH_MAX);
	lanes->lanes = calloc(lanes->count, sizeof *lanes->lanes);
	must(lanes->lanes);
	for (size_t i = 0; i < lanes->count; i++) {
		lanes->lanes[i].tail = &lanes->lanes[i].head;
		lanes->lanes[i].most = config->batch_rows ? config->batch_rows : 1;
	}
	if (config->format != HTTP_SELECT)
		return FATE_DONE;
	return http_select_new(
	    config->select, config->columns, config->column_count, &lanes->select, err);
}

void
http_lanes_finish(struct http_lanes *lanes)
{
	http_lanes_clear(lanes);
	for (size_t i = 0; i < lanes->count; i++) {
		buf_finish(&lanes->lanes[i].body);
		buf_finish(&lanes->lanes[i].signature);
	}
	free(lanes->lanes);
	http_select_free(lanes->select);
	while (lanes->free_items) {
		struct http_item *item = lanes->free_items;

		lanes->free_items = item->next;
		free(item);
	}
}

static struct http_lane *
lane_of(struct http_lanes *lanes, struct slice key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
	return &lanes->lanes[(hash ^ hash >> 32) % lanes->count];
}

void
http_lanes_add(struct http_lanes *lanes, struct record *record)
{
	struct http_lane *lane = lane_of(lanes, record->key);
	struct http_item *item = lanes->free_items;

	if (item)
		lanes->free_items = item->next;
	else
		item = malloc(sizeof *item);
	must(item);
	*item = (struct http_item){ .record = record };
	*lane->tail = item;
	lane->tail = &item->next;
	lanes->pending++;
}

/* Takes the item out that *at points to; its record has an outcome, or is forgotten. */
static void
item_remove(struct http_lanes *lanes, struct http_lane *lane, struct http_item **at)
{
	struct http_item *item = *at;

	*at = item->next;
	if (!*at)
		lane->tail = at;
	item->next = lanes->free_items;
	lanes->free_items = item;
	lanes->pending--;
}

static void
forget_body(struct http_lane *lane)
{
	lane->rows = 0;
	lane->attempt = 0;
	lane->due_ms = 0;
}

void
http_lanes_clear(struct http_lanes *lanes)
{
	for (size_t i = 0; i < lanes->count; i++) {
		struct http_lane *lane = &lanes->lanes[i];

		while (lane->head)
			item_remove(lanes, lane, &lane->head);
		lane->in_flight = false;
		forget_body(lane);
	}
}

static enum fate
write_item(
    struct http_lanes *lanes, const struct record *record, struct buf *out, struct err *err)
{
	switch (lanes->config->format) {
	case HTTP_CHANGE: http_body(record, out); return FATE_DONE;
	case HTTP_ROW:
		buf_slice(out, record->value.p ? record->value : record->key);
		return FATE_DONE;
	case HTTP_CLOUDEVENTS:
		http_cloudevent(record, lanes->config->source, out);
		return FATE_DONE;
	case HTTP_SELECT: return http_select_write(lanes->select, record, out, err);
	}
	never("a format out of range");
}

/* A row's body after those that are there; false: it makes none and is rejected. */
static bool
add_row(struct http_lanes *lanes, struct http_lane *lane, struct record *record)
{
	size_t before = lane->body.len;
	struct err err = { 0 };

	if (lane->rows)
		buf_byte(&lane->body, ',');
	if (write_item(lanes, record, &lane->body, &err) == FATE_DONE) {
		lane->rows++;
		lane->op = http_op(record);
		return true;
	}
	lane->body.len = before;
	sink_reject(record, "%s", err.what);
	return false;
}

/* A change's id is its record's; a batch's the hash of its rows' ids. */
static void
set_id(const struct http_lanes *lanes, struct http_lane *lane)
{
	struct slice ids[SINK_HTTP_BATCH_MAX], id = lane->head->record->id;
	const struct http_item *item = lane->head;
	char hash[RECORD_ID_LEN];

	if (lanes->config->batch_rows) {
		for (size_t i = 0; i < lane->rows; i++, item = item->next)
			ids[i] = item->record->id;
		record_id(ids, lane->rows, hash);
		id = slice_of(hash, sizeof hash);
	}
	(void)snprintf(lane->id_line, sizeof lane->id_line, "webhook-id: %.*s", SLICE_ARG(id));
	lane->id = slice_of(lane->id_line + strlen("webhook-id: "), id.len);
	(void)snprintf(
	    lane->key_line, sizeof lane->key_line, "Idempotency-Key: %.*s", SLICE_ARG(id));
}

bool
http_lane_build(struct http_lanes *lanes, struct http_lane *lane, int64_t now_ms)
{
	bool array = lanes->config->batch_rows > 0;

	if (lane->rows)
		return true;
	lane->body.len = 0;
	if (array)
		buf_byte(&lane->body, '[');
	for (struct http_item **at = &lane->head; *at && lane->rows < lane->most;) {
		if (lane->body.len >= BATCH_BYTES)
			break;
		if (add_row(lanes, lane, (*at)->record))
			at = &(*at)->next;
		else
			item_remove(lanes, lane, at);
	}
	if (!lane->rows)
		return false;
	if (array)
		buf_byte(&lane->body, ']');
	lane->body_view = buf_view(&lane->body);
	lane->first_ms = now_ms;
	set_id(lanes, lane);
	return true;
}

void
http_lane_settle(struct http_lanes *lanes, struct http_lane *lane, const char *why)
{
	size_t most = lanes->config->batch_rows ? lanes->config->batch_rows : 1;

	for (; lane->rows > 0; lane->rows--) {
		struct record *record = lane->head->record;

		if (why)
			sink_reject(record, "%s", why);
		else
			record->outcome = OUTCOME_DONE;
		item_remove(lanes, lane, &lane->head);
	}
	forget_body(lane);
	lane->most = lane->most * 2 < most ? lane->most * 2 : most;
}

bool
http_lane_halve(struct http_lane *lane)
{
	if (lane->rows <= 1)
		return false;
	lane->most = lane->rows / 2;
	forget_body(lane);
	return true;
}
