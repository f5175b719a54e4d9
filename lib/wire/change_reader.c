/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "wire/change_parts.h"
#include "wire/json_shape.h"

/* Inserts, updates and deletes of a table are three; WAIT_MAX bounds how many events
 * pass unlearned when none is like another. */
enum { SHAPES = 4, WAIT_MAX = 255 };

/* Where a slice of the parts lies. */
struct place {
	struct slice *slice;
	struct json_place at;
};

struct shape {
	struct json_shape json;
	struct change_parts parts; /* of the event that fitted last */
	struct place places[CHANGE_SLICES_MAX];
	size_t place_count;
	uint32_t number; /* of all that the reader has learned */
	bool useful;     /* has fitted since it was learned */
};

struct change_reader {
	struct shape *shapes[SHAPES]; /* the last one that fitted comes first */
	const struct shape *last;     /* the last event's, or NULL */
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
		json_shape_finish(&reader->shapes[i]->json);
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

/* In place of the shape that has not fitted for longest. */
static void
learn(struct change_reader *reader, const struct change_parts *parts)
{
	struct shape *shape = reader->shapes[SHAPES - 1];
	struct slice *slices[CHANGE_SLICES_MAX];
	struct slice fixed = { 0 };

	reader->patience = shape->json.count && !shape->useful ? reader->patience * 2 + 1 : 0;
	if (reader->patience > WAIT_MAX)
		reader->patience = WAIT_MAX;
	reader->wait = reader->patience;
	shape->parts = *parts;
	shape->number = ++reader->learned;
	shape->useful = false;
	shape->place_count = 0;
	if (change_parts_wrapped(parts))
		fixed = parts->outer.schema;
	if (!json_shape_learn(&shape->json, parts->outer.self.raw, fixed, &reader->ends))
		return;
	shape->place_count = change_parts_slices(&shape->parts, slices);
	for (size_t i = 0; i < shape->place_count; i++) {
		shape->places[i].slice = slices[i];
		shape->places[i].at = json_ends_place(&reader->ends, *slices[i]);
	}
	to_front(reader, SHAPES - 1);
}

/* The parts of a text that fits. */
static const struct change_parts *
parts_of(struct shape *shape, const struct json_ends *ends)
{
	for (size_t i = 0; i < shape->place_count; i++)
		*shape->places[i].slice = json_ends_slice(ends, &shape->places[i].at);
	shape->useful = true;
	return &shape->parts;
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

		if (!json_shape_fits(&shape->json, value, &reader->ends))
			continue;
		to_front(reader, i);
		reader->last = shape;
		return change_of_parts(parts_of(shape, &reader->ends), ret_change, err);
	}
	return read_unknown(reader, value, ret_change, err);
}

uint32_t
change_reader_shape(const struct change_reader *reader, const struct json_ends **ret_ends)
{
	*ret_ends = &reader->ends;
	return reader->last ? reader->last->number : 0;
}
