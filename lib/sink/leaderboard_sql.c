/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/leaderboard_sql.h"

#include <stdlib.h>

#include "base/must.h"
#include "sink/leaderboard_state.h"
#include "wire/json.h"
#include "wire/timestamp.h"

enum { MEMBER, AT, SCORE, EXPRS };
enum { SCRATCH_SIZE = 64 << 20 };

static bool
is_integer(enum type_kind kind)
{
	return kind == TYPE_INT2 || kind == TYPE_INT4 || kind == TYPE_INT8;
}

static bool
is_time(enum type_kind kind)
{
	return kind == TYPE_TIMESTAMPTZ || kind == TYPE_TIMESTAMP || kind == TYPE_DATE;
}

static enum fate
types_check(struct board_sql *r, const struct leaderboard_board *board, struct err *err)
{
	r->member_type = sql_exprs_type(r->exprs, MEMBER);
	r->at_type = sql_exprs_type(r->exprs, AT);
	r->score_type = sql_exprs_type(r->exprs, SCORE);
	r->scale = sql_expr_scale(r->exprs, SCORE);
	if (!is_time(r->at_type.kind))
		return err_set(err, FATE_HALT,
		    "at: \"%s\" is not a timestamptz, timestamp or date", board->at);
	if (!is_integer(r->score_type.kind) && r->score_type.kind != TYPE_NUMERIC)
		return err_set(
		    err, FATE_HALT, "score: \"%s\" is not an integer or numeric", board->score);
	if (r->scale < 0)
		return err_set(err, FATE_HALT,
		    "score: \"%s\" has no bounded number of digits after the point, so its "
		    "sums "
		    "would not be exact: cast it, as in (...)::numeric(12,2)",
		    board->score);
	if (r->scale > BOARD_SCALE_MAX)
		return err_set(err, FATE_HALT, "score: %d digits after the point, at most %d",
		    r->scale, BOARD_SCALE_MAX);
	return FATE_DONE;
}

static void
columns_keep(struct board_sql *r, const struct row_column *columns, size_t count)
{
	bool *used = calloc(count + 1, sizeof *used);

	r->columns = columns;
	r->used = calloc(count + 1, sizeof *r->used);
	r->values = calloc(count + 1, sizeof *r->values);
	must(used && r->used && r->values);
	sql_exprs_used(r->exprs, used);
	for (size_t i = 0; i < count; i++)
		if (used[i])
			r->used[r->used_count++] = i;
	free(used);
}

enum fate
board_sql_open(struct board_sql *reader, const struct leaderboard_board *board,
    const struct row_column *columns, size_t column_count, struct err *err)
{
	const char *texts[EXPRS] = { board->member, board->at, board->score };
	enum fate fate =
	    sql_exprs_compile(columns, column_count, texts, EXPRS, &reader->exprs, err);

	if (fate == FATE_DONE) {
		arena_init(&reader->scratch, SCRATCH_SIZE);
		columns_keep(reader, columns, column_count);
		fate = types_check(reader, board, err);
	}
	if (fate != FATE_DONE) {
		err->fate = FATE_HALT;
		return err_wrap(err, "board %s", board->key);
	}
	return FATE_DONE;
}

void
board_sql_finish(struct board_sql *reader)
{
	sql_exprs_free(reader->exprs);
	free(reader->used);
	free(reader->values);
	arena_finish(&reader->scratch);
	buf_finish(&reader->text);
	*reader = (struct board_sql){ 0 };
}

static enum fate
value_read(struct board_sql *r, size_t column, struct slice json, struct err *err)
{
	enum fate fate = value_from_record(
	    r->columns[column].type, json, &r->scratch, &r->values[column], err);

	return fate == FATE_DONE ? fate : err_wrap(err, "column %s", r->columns[column].name);
}

/* The used columns' values; enrich writes them in order, so one pass finds them all.
 * What is missing is NULL. */
static enum fate
values_read(struct board_sql *r, struct slice object, struct err *err)
{
	struct json_walk walk = json_walk(object);
	size_t next = 0;

	while (next < r->used_count && json_next(&walk)) {
		size_t column = r->used[next];

		if (!json_name_eq(&walk, slice_str(r->columns[column].name)))
			continue;
		if (value_read(r, column, walk.value, err) != FATE_DONE)
			return err->fate;
		next++;
	}
	for (; next < r->used_count; next++) {
		size_t column = r->used[next];
		struct slice json = json_member(object, slice_str(r->columns[column].name));

		r->values[column] = (struct value){ .state = VALUE_NULL };
		if (json.p && value_read(r, column, json, err) != FATE_DONE)
			return err->fate;
	}
	return FATE_DONE;
}

/* A date beyond what microseconds hold is as far away as infinity. */
static int64_t
time_us(enum type_kind kind, int64_t i)
{
	int64_t us;

	if (kind != TYPE_DATE)
		return i;
	if (__builtin_mul_overflow(i, DAY_US, &us))
		return i < 0 ? TIME_NEG_INFINITY : TIME_INFINITY;
	return us;
}

static enum fate
answer(struct board_sql *r, const struct value *out, struct arena *arena,
    struct board_reading *ret, struct err *err)
{
	struct board_reading reading = { .has_member = out[MEMBER].state == VALUE_SET,
		.has_at = out[AT].state == VALUE_SET };
	const char *why = NULL;

	if (reading.has_at)
		reading.at_us = time_us(r->at_type.kind, out[AT].i);
	if (reading.has_member) {
		r->text.len = 0;
		value_to_text(&r->text, r->member_type, &out[MEMBER]);
		reading.member = arena_copy(arena, buf_view(&r->text));
		must(reading.member.p);
	}
	if (!board_units(r->score_type, &out[SCORE], r->scale, &reading.units, &why))
		return err_set(err, FATE_REJECT, "%s", why);
	*ret = reading;
	return FATE_DONE;
}

enum fate
board_sql_read(struct board_sql *reader, struct slice json, struct arena *arena,
    struct board_reading *ret_reading, struct err *err)
{
	const struct value *rows[1] = { reader->values };
	struct sql_env env = { .rows = rows };
	struct value out[EXPRS] = { 0 };
	struct slice object;
	enum fate fate = json_check(json, &object, err);

	if (fate == FATE_DONE && json_kind_of(object) != JSON_OBJECT)
		fate = err_set(err, FATE_REJECT, "the row is not a JSON object");
	arena_reset(&reader->scratch);
	if (fate == FATE_DONE)
		fate = values_read(reader, object, err);
	if (fate == FATE_DONE)
		fate = sql_exprs_run(reader->exprs, &env, &reader->scratch, out, err);
	if (fate == FATE_DONE)
		fate = answer(reader, out, arena, ret_reading, err);
	if (fate == FATE_RETRY) /* a row that does not fit an empty arena never will */
		err->fate = fate = FATE_REJECT;
	return fate;
}
