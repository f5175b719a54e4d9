/* SPDX-License-Identifier: Apache-2.0 */
/* enrich_item.h -- one source message on its way through a batch.
 *
 * The steps are called in order by enrich_batch.c; each leaves the item as an upsert,
 * a delete, skipped or dead with its reason. Everything but the message lies in the
 * batch arena. A HALT out of a step stops the worker. */
#ifndef WORK_ENRICH_ITEM_H
#define WORK_ENRICH_ITEM_H

#include <stdint.h>

#include "base/buf.h"
#include "link/kafka.h"
#include "wire/change.h"
#include "work/enrich_plan.h"

enum item_action { ITEM_SKIP, ITEM_UPSERT, ITEM_DELETE, ITEM_DEAD };

enum { ITEM_HEADERS = 8 };

struct item {
	struct kafka_message message;
	struct change change;
	enum item_action action;
	struct value *fact;   /* the fact's used columns: after, or before of a delete */
	struct value *before; /* the same before the change; NULL: not told */
	bool incomplete;      /* fact holds an UNSET value */
	bool found;           /* the cache knew the dimension at hand */
	struct value *key;    /* of the dimension at hand; NULL: nothing to look up */
	const struct value *rows[SQL_SOURCES_MAX];
	struct value *results;
	const char *stage, *class, *reason; /* of a dead one */
	struct header *headers;             /* room for ITEM_HEADERS, while it is written */
	struct kafka_out *out;
};

enum fate item_decode(struct item *item, const struct enrich_plan *plan, struct arena *arena,
    struct err *err) NODISCARD;
void item_refuse(struct item *item, struct arena *arena, const char *stage, const char *class,
    const char *reason);

/* The fact's key as values. */
const struct value *item_key(
    const struct item *item, const struct enrich_plan *plan, struct arena *arena);
/* Fills UNSET values from the fetched row; false: the row is gone. */
bool item_complete(struct item *item, const struct enrich_plan *plan, struct arena *arena);

/* Asks the cache, else wants the key looked up; then takes the answer. */
enum fate item_want(struct item *item, struct enrich_plan *plan, size_t source, int64_t now_ms,
    struct arena *arena, struct err *err) NODISCARD;
void item_found(struct item *item, struct enrich_plan *plan, size_t source, int64_t now_ms,
    struct arena *arena);

enum fate item_evaluate(struct item *item, const struct enrich_plan *plan, struct arena *arena,
    struct err *err) NODISCARD;

/* Appends key, value and header values to text. Header values are offsets into text
 * plus one, in place of pointers, until the batch has stopped growing it. item->headers
 * has its room. */
struct item_text {
	size_t value_start, headers_start;
	size_t header_count;
};
void item_write(struct item *item, const struct enrich_plan *plan, struct buf *text,
    struct item_text *ret_text);

/* Such an offset plus one as a pointer, when text has stopped growing; NULL stays NULL. */
static inline struct slice
item_settle(struct slice offset, const struct buf *text)
{
	if (offset.p)
		offset.p = text->p + ((uintptr_t)offset.p - 1);
	return offset;
}

#endif
