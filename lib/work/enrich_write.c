/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of an enriched record: key, flat row, and the headers of record.h. */
#include "base/must.h"
#include "wire/record.h"
#include "wire/scalar.h"
#include "work/enrich_item.h"

/* Three numbers of 20 digits at most. */
enum { ID_ROOM = 64 };

static void
write_object(struct buf *text, const struct plan_list *list, const struct value *values)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct plan_column *column = &list->items[i];

		buf_slice(text, buf_view(&column->member));
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

/* One of the numbers that an id is made of, as text behind the batch's. */
static struct slice
id_number(struct buf *text, int64_t number)
{
	size_t start = text->len;

	buf_i64(text, number);
	return slice_of(text->p + start, text->len - start);
}

/* The numbers are written where the id goes and taken back. */
static void
write_id(struct item *item, const struct enrich_plan *plan, size_t key_start, size_t key_len,
    struct buf *text)
{
	const struct change *change = &item->change;
	bool by_position = change->op == 'r' || !change->has_lsn;
	size_t start = text->len, count = 0;
	char id[RECORD_ID_LEN];
	struct slice parts[6];

	if (text->cap - text->len < ID_ROOM)
		buf_grow(text, ID_ROOM);
	if (by_position) {
		parts[count++] = slice_str(item->message.topic);
		parts[count++] = id_number(text, item->message.partition);
		parts[count++] = id_number(text, item->message.offset);
		parts[count++] = id_number(text, plan->pipeline->enrich.generation);
	} else {
		parts[count++] = slice_of(plan->table, plan->table_len);
		parts[count++] = slice_of(text->p + key_start, key_len);
		parts[count++] = slice_of(&change->op, 1);
		parts[count++] = id_number(text, change->has_tx_id ? change->tx_id : -1);
		parts[count++] = id_number(text, change->lsn);
		parts[count++] = id_number(text, change->ts_us);
	}
	record_id(parts, count, id);
	text->len = start;
	buf_put(text, id, sizeof id);
}

static void
write_source(const struct item *item, struct buf *text)
{
	buf_cstr(text, item->message.topic);
	buf_byte(text, '/');
	buf_i64(text, item->message.partition);
	buf_byte(text, '/');
	buf_i64(text, item->message.offset);
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
	buf_i64(text, (int64_t)record_version(
			  (unsigned)plan->pipeline->enrich.generation, item->message.offset));
	header_end(item, info, SLICE("sluice.version"), text, start);
	start = text->len;
	buf_byte(text, gone ? 'd' : item->change.op);
	header_end(item, info, SLICE("sluice.op"), text, start);
	start = text->len;
	write_id(item, plan, key_start, key_len, text);
	header_end(item, info, SLICE("sluice.id"), text, start);
	start = text->len;
	buf_i64(text, item->change.ts_ms);
	header_end(item, info, SLICE("sluice.ts"), text, start);
	if (item->change.has_lsn) {
		start = text->len;
		buf_i64(text, item->change.lsn);
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
