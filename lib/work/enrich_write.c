/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of an enriched record: key, flat row, and the headers of record.h. */
#include <inttypes.h>
#include <stdio.h>

#include "base/must.h"
#include "wire/json.h"
#include "wire/record.h"
#include "work/enrich_item.h"

static void
write_object(struct buf *text, const struct plan_list *list, const struct value *values)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct plan_column *column = &list->items[i];

		buf_byte(text, i ? ',' : '{');
		json_quote(text, slice_str(column->name));
		buf_byte(text, ':');
		value_to_json(text, column->type, &values[column->column]);
	}
	buf_byte(text, '}');
}

static bool
identity_differs(const struct item *item, const struct enrich_plan *plan)
{
	for (size_t i = 0; i < plan->identity.count; i++) {
		const struct plan_column *column = &plan->identity.items[i];
		const struct value *old = &item->before[column->column];
		const struct value *new = &item->fact[column->column];

		if (old->state == VALUE_UNSET)
			continue;
		if (old->state != new->state ||
		    (old->state == VALUE_SET && value_compare(column->type, old, new) != 0))
			return true;
	}
	return false;
}

/* A header's value is an offset into text, plus one, until the text stands still. */
static void
header_end(struct item *item, struct item_text *info, struct slice name, const struct buf *text,
    size_t start)
{
	must(info->header_count < ITEM_HEADERS);
	item->headers[info->header_count++] = (struct header){ name,
		{ (const char *)(uintptr_t)(start + 1), text->len - start } };
}

static void
write_number(struct buf *text, int64_t number)
{
	char digits[24], *p = digits + sizeof digits;
	uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do
		*--p = (char)('0' + magnitude % 10);
	while ((magnitude /= 10) != 0);
	if (number < 0)
		*--p = '-';
	buf_put(text, p, (size_t)(digits + sizeof digits - p));
}

static void
write_id(struct item *item, const struct enrich_plan *plan, struct slice key, struct buf *text)
{
	const struct change *change = &item->change;
	char numbers[3][24], id[RECORD_ID_LEN];
	struct slice parts[6];
	size_t count = 0;

	if (change->op == 'r' || !change->has_lsn) {
		(void)snprintf(
		    numbers[0], sizeof numbers[0], "%" PRId32, item->message.partition);
		(void)snprintf(numbers[1], sizeof numbers[1], "%" PRId64, item->message.offset);
		(void)snprintf(numbers[2], sizeof numbers[2], "%" PRId64,
		    plan->pipeline->enrich.generation);
		parts[count++] = slice_str(item->message.topic);
	} else {
		(void)snprintf(numbers[0], sizeof numbers[0], "%" PRId64,
		    change->has_tx_id ? change->tx_id : -1);
		(void)snprintf(numbers[1], sizeof numbers[1], "%" PRId64, change->lsn);
		(void)snprintf(numbers[2], sizeof numbers[2], "%" PRId64, change->ts_us);
		parts[count++] = slice_str(plan->table);
		parts[count++] = key;
		parts[count++] = slice_of(&change->op, 1);
	}
	for (size_t i = 0; i < 3; i++)
		parts[count++] = slice_str(numbers[i]);
	record_id(parts, count, id);
	buf_put(text, id, sizeof id);
}

static void
write_source(const struct item *item, struct buf *text)
{
	buf_cstr(text, item->message.topic);
	buf_byte(text, '/');
	write_number(text, item->message.partition);
	buf_byte(text, '/');
	write_number(text, item->message.offset);
}

static void
write_headers(struct item *item, const struct enrich_plan *plan, size_t key_start,
    struct buf *text, struct item_text *info)
{
	bool gone = item->action == ITEM_DELETE;
	const struct value *old = item->before ? item->before : item->fact;
	size_t key_len = info->value_start - key_start;
	size_t start = text->len;

	write_source(item, text);
	header_end(item, info, SLICE("sluice.source"), text, start);
	start = text->len;
	write_number(text, (int64_t)record_version((unsigned)plan->pipeline->enrich.generation,
			       item->message.offset));
	header_end(item, info, SLICE("sluice.version"), text, start);
	start = text->len;
	buf_byte(text, gone ? 'd' : item->change.op);
	header_end(item, info, SLICE("sluice.op"), text, start);
	start = text->len;
	if (text->cap - text->len < RECORD_ID_LEN)
		buf_grow(text, RECORD_ID_LEN);
	write_id(item, plan, slice_of(text->p + key_start, key_len), text);
	header_end(item, info, SLICE("sluice.id"), text, start);
	start = text->len;
	write_number(text, item->change.ts_ms);
	header_end(item, info, SLICE("sluice.ts"), text, start);
	if (item->change.has_lsn) {
		start = text->len;
		write_number(text, item->change.lsn);
		header_end(item, info, SLICE("sluice.lsn"), text, start);
	}
	if (gone || (item->before && identity_differs(item, plan))) {
		start = text->len;
		write_object(text, &plan->identity, old);
		header_end(item, info, SLICE("sluice.before"), text, start);
	}
}

void
item_write(struct item *item, const struct enrich_plan *plan, struct buf *text,
    struct item_text *ret_text)
{
	size_t key_start = text->len;

	*ret_text = (struct item_text){ 0 };
	write_object(text, &plan->key, item->fact);
	ret_text->value_start = text->len;
	if (item->action == ITEM_UPSERT) {
		const struct row_column *results = sql_query_results(plan->query);

		for (size_t i = 0; i < plan->result_count; i++) {
			buf_slice(text, buf_view(&plan->members[i]));
			value_to_json(text, results[i].type, &item->results[i]);
		}
		buf_byte(text, '}');
	}
	ret_text->headers_start = text->len;
	write_headers(item, plan, key_start, text, ret_text);
}
