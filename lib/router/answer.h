/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h -- rows as a caller gets them: JSON, NDJSON or CSV, appended to a buf.
 *
 * A value comes as Postgres prints it. In JSON, numbers keep their digits, NaN and
 * infinities are strings, NULL is null, jsonb stands as it is and all else is a string.
 * NDJSON rows are arrays, and lines that are objects frame them: the columns first, the
 * end or an error last. CSV is that of COPY: NULL is nothing, an empty text is "". Pure. */
#ifndef ROUTER_ANSWER_H
#define ROUTER_ANSWER_H

#include "engine/plan.h"
#include "router/request.h"

struct answer {
	enum answer_format format;
	unsigned char *kinds; /* by column; heap */
	size_t column_count;
	uint64_t rows; /* of the chunk that is being written */
};

/* "columns": [...] as it stands in JSON; remembers how to write the columns' values. */
void answer_columns(
    struct answer *answer, const struct plan_column *columns, size_t count, struct buf *out);
/* NDJSON's and CSV's first line from what answer_columns() wrote or was given. */
void answer_csv_names(const struct plan_column *columns, size_t count, struct buf *out);
/* false: a value is no UTF-8, that of ret_column; nothing was appended. */
bool answer_row(
    struct answer *answer, const struct slice *values, struct buf *out, size_t *ret_column);
void answer_finish(struct answer *answer); /* accepts a zeroed one */
const char *answer_content_type(enum answer_format format);

#endif
