/* SPDX-License-Identifier: Apache-2.0 */
/* verify_side.h -- what the verify*.c files share: the sides that are compared, each read
 * into one table of checksums.
 *
 * A side is read whole once (new keys are made), and later again for the keys that do not
 * agree (nothing is made). A row is a list of JSON values, one a column of the query,
 * written by one function (value_to_json) whatever side it came from; the topic's are
 * taken as they stand. With evidence wanted, the chosen keys' rows are kept as texts. */
#ifndef CTL_VERIFY_SIDE_H
#define CTL_VERIFY_SIDE_H

#include "ctl/scan.h"
#include "ctl/survey.h"
#include "ctl/verify.h"
#include "ctl/verify_table.h"
#include "sql/query.h"

/* One row being put together: column i is text[at[i], at[i + 1]). */
struct verify_row {
	struct buf text;
	size_t *at;
	size_t count; /* columns written so far */
};

/* WHOLE makes keys; AGAIN reads those that do not agree; SHOW keeps texts only; PLACES tells
 * on_row of the rows of those that do not agree. */
enum verify_pass { PASS_WHOLE, PASS_AGAIN, PASS_SHOW, PASS_PLACES };

struct verify {
	struct survey *survey;
	const struct pipeline *pipeline;
	struct sql_query *query;
	const struct row_column *columns;
	size_t column_count;
	bool *compared; /* dimension columns are not, when they are as of processing */
	size_t key[PIPELINE_KEYS_MAX]; /* columns of the key */
	size_t key_count;
	struct verify_table *table;
	struct arena arena; /* of one row */
	struct verify_row row;
	struct buf key_text;
	struct buf evidence[VERIFY_EVIDENCE_MAX][SIDES]; /* rows as JSON objects */
	void (*say)(const char *line);
	void (*progress)(const char *text);
	int64_t next_progress_ms;
	int64_t *source_ends; /* by partition of the fact's topic: verify_past() */
	size_t source_count;

	struct scan scan; /* of the enriched topic */
	enum verify_pass pass;
	void (*on_row)(void *ctx, const struct verify_entry *e);
	void *on_row_ctx;
};

void verify_say(struct verify *v, const char *fmt, ...) PRINTF(2, 3);
/* Tells how far it is, if it is time to. */
void verify_progress(struct verify *v, const char *fmt, ...) PRINTF(2, 3);

void verify_row_begin(struct verify *v);
void verify_row_end_column(struct verify *v);
/* Column from a text as Postgres prints it; p NULL is NULL. HALT: it is not of its type. */
enum fate verify_row_text(struct verify *v, struct slice text, struct err *err) NODISCARD;
uint64_t verify_row_checksum(const struct verify *v);
/* Of the row at hand; good until the next one. */
struct slice verify_row_key(struct verify *v);
void verify_row_print(const struct verify *v, struct buf *out);
/* The i-th column of a table's key as Postgres prints it, terminated, into an emptied text.
 * REJECT: it is not of its type. */
enum fate verify_key_text(struct verify *v, struct slice key, size_t i, struct buf *ret_text,
    struct err *err) NODISCARD;
/* {"at":..,"id":..}: these columns of the row at hand, which has them. */
void verify_row_pick(
    const struct verify *v, const struct pipeline_list *columns, struct buf *out);

/* The row at hand belongs to this side. HALT: the table is full. */
enum fate verify_row_note(
    struct verify *v, enum verify_side side, enum verify_pass pass, struct err *err) NODISCARD;
/* Whether the pass is about this entry, as far as the side goes. */
bool verify_wanted(const struct verify_entry *e, enum verify_pass pass);
/* Before a side is read again: what is not found is not there. */
void verify_clear(struct verify *v, enum verify_side side);

enum fate verify_postgres(struct verify *v, enum verify_pass pass, struct err *err) NODISCARD;
enum fate verify_clickhouse(struct verify *v, enum verify_pass pass, struct err *err) NODISCARD;

/* The table's key of a record's; p NULL: it is no key of this pipeline. */
struct slice verify_topic_key(struct verify *v, struct slice text);
/* What the fact's table calls the columns of the key. */
void verify_fact_names(const struct verify *v, const char *ret_names[static PIPELINE_KEYS_MAX]);
/* Reads on to the topic's end as it is now. */
enum fate verify_topic(struct verify *v, enum verify_pass pass, struct err *err) NODISCARD;
/* The evidence of the chosen keys; ends the reading. */
enum fate verify_topic_show(struct verify *v, struct err *err) NODISCARD;
/* Excuses the keys whose newest change is a dead letter, of enrich or of the sink. */
enum fate verify_letters(struct verify *v, struct err *err) NODISCARD;

/* The counts, what is left of a repair, and the evidence. */
enum fate verify_report(struct verify *v, const bool has[static SIDES],
    const struct verify_options *options, bool *ret_clean, struct err *err) NODISCARD;

/* What was done; also after an error. */
struct verify_repaired {
	size_t asked;   /* rows that Debezium shall send again */
	size_t deleted; /* rows that are extra: a tombstone was sent */
	size_t sent;    /* records sent again to ClickHouse */
	size_t mended;  /* newest records put behind older ones */
};

/* Before it Postgres must have been read, after the topic and after verify_past(). Sends what
 * makes the keys agree that do not; they do when the workers have taken it. deletes: whether
 * extra rows, too. RETRY: the next verify says what is left. */
enum fate verify_repair(struct verify *v, bool deletes, struct verify_repaired *ret_repaired,
    struct err *err) NODISCARD;

static inline bool
verify_is_extra(const struct verify_entry *e)
{
	return !e->agreed[SIDE_TOPIC] && e->rows[SIDE_POSTGRES] == ROW_ABSENT;
}

/* It was asked for, and is not there yet. */
static inline bool
verify_is_awaited(const struct verify_entry *e)
{
	return e->asked && !e->agreed[SIDE_TOPIC];
}

/* It is to be asked for: missing or different, and not because the query raises an error. */
static inline bool
verify_is_wanting(const struct verify_entry *e)
{
	return !e->agreed[SIDE_TOPIC] && !e->asked && e->rows[SIDE_POSTGRES] > ROW_RAISES;
}

/* Asks Debezium for all that are wanting, once. */
enum fate verify_ask(struct verify *v, size_t *ret_asked, struct err *err) NODISCARD;

/* Notes where the fact's topic ends, then waits until no transaction of Postgres runs that ran
 * when it was called: a row of the topic that Postgres does not show now is not there, and
 * what comes to be from now on has a version above those ends. RETRY: one ran on for so long.
 */
enum fate verify_past(struct verify *v, int64_t timeout_ms, struct err *err) NODISCARD;

#endif
