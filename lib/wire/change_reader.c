/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "wire/change_parts.h"
#include "wire/json_shape.h"

/* Inserts, updates and deletes of a table are three; WAIT_MAX bounds how many events
 * pass unlearned when none is like another. */
enum { SHAPES = 4, WAIT_MAX = 255 };

/* So many events in a row tell which values of a shape seem to be the same in all. */
enum { OBSERVED = 8 };

/* Where a slice of the parts lies. */
struct place {
	struct slice *slice;
	struct json_place at;
};

struct form {
	struct json_shape json;
	struct place places[CHANGE_SLICES_MAX];
	size_t place_count;
	uint32_t number; /* of all that the reader has learned */
};

/* Names and places: any values fit the loose form. The tight one has those that are
 * always the same (schema, table, op, ...) among the bytes that are compared, and is
 * tried first. A value that turns out to differ is taken out of it for good. */
struct shape {
	struct form loose, tight;
	struct change_parts parts; /* of the event that fitted last */
	struct buf sample;         /* the values of the first event */
	uint32_t sample_ends[JSON_SHAPE_VALUES];
	bool same[JSON_SHAPE_VALUES];
	unsigned observed;
	bool useful; /* has fitted since it was learned */
};

struct change_reader {
	struct shape *shapes[SHAPES]; /* the last one that fitted comes first */
	const struct form *last;      /* the last event's, or NULL */
	unsigned wait, patience;      /* events until one is learned; the last wait */
	uint32_t learned;
	struct json_ends ends;
};

struct change_reader *
change_reader_new(void)
{
	struct change_reader *reader = calloc(1, sizeof(*reader));

	must(reader);
	for (size_t i = 0; i < SHAPES; i++) {
		reader->shapes[i] = calloc(1, sizeof(struct shape));
		must(reader->shapes[i]);
	}
	return reader;
}

void
change_reader_free(struct change_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < SHAPES; i++) {
		json_shape_finish(&reader->shapes[i]->loose.json);
		json_shape_finish(&reader->shapes[i]->tight.json);
		buf_finish(&reader->shapes[i]->sample);
		free(reader->shapes[i]);
	}
	free(reader);
}

static void
to_front(struct change_reader *reader, size_t i)
{
	struct shape *shape = reader->shapes[i];

	for (; i > 0; i--)
		reader->shapes[i] = reader->shapes[i - 1];
	reader->shapes[0] = shape;
}

/* Where the parts of the event with these ends stand. */
static void
form_places(struct change_reader *reader, struct shape *shape, struct form *form,
    const struct json_ends *ends)
{
	struct slice *slices[CHANGE_SLICES_MAX];

	form->number = ++reader->learned;
	form->place_count = change_parts_slices(&shape->parts, slices);
	for (size_t i = 0; i < form->place_count; i++) {
		form->places[i].slice = slices[i];
		form->places[i].at = json_ends_place(ends, *slices[i]);
	}
}

/* In place of the shape that has not fitted for longest. */
static void
learn(struct change_reader *reader, const struct change_parts *parts)
{
	struct shape *shape = reader->shapes[SHAPES - 1];
	bool wasted = shape->loose.json.count && !shape->useful;
	struct slice fixed = { 0 };

	reader->patience = wasted ? reader->patience * 2 + 1 : 0;
	if (reader->patience > WAIT_MAX)
		reader->patience = WAIT_MAX;
	reader->wait = reader->patience;
	shape->parts = *parts;
	shape->useful = false;
	shape->observed = 0;
	shape->tight.json.count = 0;
	if (change_parts_wrapped(parts))
		fixed = parts->outer.schema;
	if (!json_shape_learn(&shape->loose.json, parts->outer.self.raw, fixed, &reader->ends))
		return;
	form_places(reader, shape, &shape->loose, &reader->ends);
	to_front(reader, SHAPES - 1);
}

static void
sample_take(struct shape *shape, const struct json_ends *ends)
{
	shape->sample.len = 0;
	for (uint32_t i = 0; i < ends->count; i++) {
		buf_slice(&shape->sample, json_shape_value(&shape->loose.json, ends, i));
		shape->sample_ends[i] = (uint32_t)shape->sample.len;
		shape->same[i] = i > 0; /* a shape needs one value that may differ */
	}
}

/* Whether a value that was the same until now differs. */
static bool
sample_compare(struct shape *shape, const struct json_ends *ends)
{
	uint32_t from = 0;
	bool differs = false;

	for (uint32_t i = 0; i < ends->count; from = shape->sample_ends[i++]) {
		struct slice value =
		    slice_of(shape->sample.p + from, shape->sample_ends[i] - from);

		if (!shape->same[i] ||
		    slice_eq(value, json_shape_value(&shape->loose.json, ends, i)))
			continue;
		shape->same[i] = false;
		differs = true;
	}
	return differs;
}

/* An event has fitted the loose form only. */
static void
observe(struct change_reader *reader, struct shape *shape)
{
	struct json_ends tight;
	bool differs = false;

	if (shape->observed == 0)
		sample_take(shape, &reader->ends);
	else
		differs = sample_compare(shape, &reader->ends);
	if (shape->observed < OBSERVED)
		shape->observed++;
	else if (!differs)
		return;
	if (shape->observed == OBSERVED && json_shape_tighten(&shape->loose.json, &reader->ends,
					       shape->same, &shape->tight.json, &tight))
		form_places(reader, shape, &shape->tight, &tight);
}

static void
parts_place(const struct form *form, const struct json_ends *ends)
{
	for (size_t i = 0; i < form->place_count; i++)
		*form->places[i].slice = json_ends_slice(ends, &form->places[i].at);
}

static bool
shape_fits(struct change_reader *reader, struct shape *shape, struct slice value)
{
	if (json_shape_fits(&shape->tight.json, value, &reader->ends)) {
		reader->last = &shape->tight;
		parts_place(&shape->tight, &reader->ends);
		return true;
	}
	if (!json_shape_fits(&shape->loose.json, value, &reader->ends))
		return false;
	reader->last = &shape->loose;
	parts_place(&shape->loose, &reader->ends);
	observe(reader, shape);
	return true;
}

static enum fate
read_unknown(struct change_reader *reader, struct slice value, struct change *ret_change,
    struct err *err)
{
	struct change_parts parts = { 0 };
	enum fate fate = change_parts_scan(value, &parts, err);

	if (fate != FATE_DONE)
		return fate;
	if (reader->wait)
		reader->wait--;
	else if (parts.outer.self.count)
		learn(reader, &parts);
	return change_of_parts(&parts, ret_change, err);
}

enum fate
change_reader_read(struct change_reader *reader, struct slice value, struct change *ret_change,
    struct err *err)
{
	reader->last = NULL;
	if (!value.p)
		return change_read(value, ret_change, err);
	for (size_t i = 0; i < SHAPES; i++) {
		struct shape *shape = reader->shapes[i];

		if (!shape_fits(reader, shape, value))
			continue;
		if (i > 0)
			to_front(reader, i);
		shape->useful = true;
		return change_of_parts(&shape->parts, ret_change, err);
	}
	return read_unknown(reader, value, ret_change, err);
}

uint32_t
change_reader_shape(const struct change_reader *reader, const struct json_ends **ret_ends)
{
	*ret_ends = &reader->ends;
	return reader->last ? reader->last->number : 0;
}
