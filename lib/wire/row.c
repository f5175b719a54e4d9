/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/must.h"
#include "wire/change_parts.h"
#include "wire/json.h"
#include "wire/row_value.h"

enum { HINT_MEMBERS = 64, LAYOUTS = 16 };

struct plan_column {
	struct slice name;
	struct pgtype type;
	struct encoding encoding; /* from the schema seen last */
};

/* Where the columns' values stand in the events of one shape, in the order of the
 * members. */
struct layout {
	uint32_t shape; /* the reader's number; 0: none */
	enum change_image image;
	size_t count;
	struct layout_member {
		size_t column;
		struct json_place place;
	} * members;
};

struct row_plan {
	size_t count;
	struct row_context context;
	struct placeholder placeholder; /* the connector's own, when set */
	struct buf names;
	struct buf schema; /* the text that the encodings were read from */
	/* which column + 1 stood at each place of the object read last */
	uint16_t hint[HINT_MEMBERS];
	const struct change_reader *reader; /* the layouts' */
	struct layout layouts[LAYOUTS];
	size_t next_layout;
	uint32_t schema_shape; /* the encodings are of this shape's schema; 0: of schema */
	struct plan_column columns[];
};

struct row_plan *
row_plan_new(const struct row_column *columns, size_t count)
{
	struct row_plan *plan = calloc(1, sizeof(*plan) + count * sizeof(plan->columns[0]));
	size_t len = 0;

	must(plan && count < UINT16_MAX);
	plan->count = count;
	plan->context.placeholder = &placeholder_default;
	for (size_t i = 0; i < count; i++)
		len += strlen(columns[i].name);
	buf_grow(&plan->names, len + 1);
	for (size_t i = 0; i < count; i++) {
		struct plan_column *c = &plan->columns[i];
		c->name = slice_of(plan->names.p + plan->names.len, strlen(columns[i].name));
		c->type = columns[i].type;
		buf_slice(&plan->names, slice_str(columns[i].name));
		for (size_t k = 0; k < i; k++)
			must(!slice_eq(plan->columns[k].name, c->name));
	}
	return plan;
}

void
row_plan_free(struct row_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < LAYOUTS; i++)
		free(plan->layouts[i].members);
	placeholder_finish(&plan->placeholder);
	buf_finish(&plan->names);
	buf_finish(&plan->schema);
	free(plan);
}

enum fate
row_plan_set(struct row_plan *plan, const struct row_options *options, struct err *err)
{
	plan->context.binary = options->binary;
	if (!options->placeholder.len)
		return FATE_DONE;
	placeholder_finish(&plan->placeholder);
	plan->context.placeholder = &placeholder_default;
	if (!placeholder_init(&plan->placeholder, options->placeholder))
		return err_set(err, FATE_HALT, "placeholder %.*s is not hexadecimal",
		    SLICE_ARG(options->placeholder));
	plan->context.placeholder = &plan->placeholder;
	return FATE_DONE;
}

static struct plan_column *
column_find(struct row_plan *plan, struct slice name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (slice_eq(plan->columns[i].name, name))
			return &plan->columns[i];
	return NULL;
}

/* Schemas repeat: the encodings are read again only when the text changes. */
static void
learn_schema(struct row_plan *plan, struct slice schema)
{
	struct schema_field field;
	struct slice fields;
	struct json_walk walk;

	plan->schema_shape = 0;
	if (slice_eq(schema, buf_view(&plan->schema)))
		return;
	plan->schema.len = 0;
	buf_slice(&plan->schema, schema);
	for (size_t i = 0; i < plan->count; i++)
		plan->columns[i].encoding = (struct encoding){ 0 };
	fields = schema_row_fields(schema);
	if (!fields.p)
		return;
	walk = json_walk(fields);
	while (json_next(&walk)) {
		struct plan_column *column;
		if (!schema_field_read(walk.value, &field))
			continue;
		column = column_find(plan, field.name);
		if (column)
			column->encoding = field.encoding;
	}
}

/* The index of the column that the walk stands on, or count. Members come in the
 * same order every time, so the place tells which column to compare with. */
static inline size_t
column_at(struct row_plan *plan, const struct json_walk *walk, size_t place)
{
	size_t guess = place < HINT_MEMBERS ? plan->hint[place] : 0, i;

	if (guess && !walk->name_escaped && slice_eq(plan->columns[guess - 1].name, walk->name))
		return guess - 1;
	for (i = 0; i < plan->count; i++)
		if (walk->name_escaped ? json_name_eq(walk, plan->columns[i].name)
				       : slice_eq(plan->columns[i].name, walk->name))
			break;
	if (place < HINT_MEMBERS)
		plan->hint[place] = (uint16_t)(i < plan->count ? i + 1 : 0);
	return i;
}

enum fate
row_read(struct row_plan *plan, struct slice object, struct slice schema, struct arena *arena,
    struct value *ret_values, struct err *err)
{
	struct json_walk walk;
	size_t found = 0;

	if (!object.p || json_kind_of(object) != JSON_OBJECT)
		return err_set(err, FATE_REJECT, "the row is not an object");
	learn_schema(plan, schema);
	for (size_t i = 0; i < plan->count; i++)
		ret_values[i] = (struct value){ .state = VALUE_UNSET };
	walk = json_walk(object);
	for (size_t place = 0; found < plan->count && json_next(&walk); place++) {
		size_t i = column_at(plan, &walk, place);
		const struct plan_column *column = &plan->columns[i];
		if (i == plan->count)
			continue;
		found++;
		if (row_value_read(&plan->context, column->type, column->encoding, walk.value,
			arena, &ret_values[i], err) != FATE_DONE)
			return err_wrap(err, "column %.*s", SLICE_ARG(column->name));
	}
	return FATE_DONE;
}

/* --- rows of an event whose shape is known --- */

static struct layout *
layout_find(struct row_plan *plan, uint32_t shape, enum change_image image)
{
	for (size_t i = 0; i < LAYOUTS; i++)
		if (plan->layouts[i].shape == shape && plan->layouts[i].image == image)
			return &plan->layouts[i];
	return NULL;
}

static struct layout *
layout_learn(struct row_plan *plan, uint32_t shape, const struct json_ends *ends,
    struct slice object, enum change_image image)
{
	struct layout *layout = &plan->layouts[plan->next_layout++ % LAYOUTS];
	struct json_walk walk = json_walk(object);

	if (!layout->members)
		layout->members = calloc(plan->count + 1, sizeof(*layout->members));
	must(layout->members);
	layout->shape = shape;
	layout->image = image;
	layout->count = 0;
	for (size_t place = 0; layout->count < plan->count && json_next(&walk); place++) {
		size_t i = column_at(plan, &walk, place);
		if (i == plan->count)
			continue;
		layout->members[layout->count].column = i;
		layout->members[layout->count++].place = json_ends_place(ends, walk.value);
	}
	return layout;
}

static enum fate
layout_read(struct row_plan *plan, const struct layout *layout, const struct json_ends *ends,
    struct arena *arena, struct value *ret_values, struct err *err)
{
	if (layout->count < plan->count)
		for (size_t i = 0; i < plan->count; i++)
			ret_values[i] = (struct value){ .state = VALUE_UNSET };
	for (size_t m = 0; m < layout->count; m++) {
		const struct layout_member *member = &layout->members[m];
		const struct plan_column *column = &plan->columns[member->column];
		struct slice raw = json_ends_slice(ends, &member->place);

		if (row_value_read(&plan->context, column->type, column->encoding, raw, arena,
			&ret_values[member->column], err) != FATE_DONE)
			return err_wrap(err, "column %.*s", SLICE_ARG(column->name));
	}
	return FATE_DONE;
}

enum fate
change_reader_row(const struct change_reader *reader, const struct change *change,
    enum change_image image, struct row_plan *plan, struct arena *arena,
    struct value *ret_values, struct err *err)
{
	struct slice object = image == IMAGE_AFTER ? change->after : change->before;
	const struct json_ends *ends;
	uint32_t shape = change_reader_shape(reader, &ends);
	struct layout *layout;

	must(!plan->reader || plan->reader == reader);
	plan->reader = reader;
	if (!shape || !object.p)
		return row_read(plan, object, change->schema, arena, ret_values, err);
	layout = layout_find(plan, shape, image);
	if (!layout)
		layout = layout_learn(plan, shape, ends, object, image);
	if (plan->schema_shape != shape) {
		learn_schema(plan, change->schema);
		plan->schema_shape = shape;
	}
	return layout_read(plan, layout, ends, arena, ret_values, err);
}
