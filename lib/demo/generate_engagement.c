/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "demo/generate_model.h"
#include "link/pg.h"
#include "work/statements.h"

enum { TEXT_SIZE = 256, UUID_SIZE = 40, BLOB_MIN = 2500, BLOB_SPAN = 4000, USERS = 5000 };
#define MINUTE_US INT64_C(60000000)

#define PICK(dice, list) (list)[dice_below(dice, sizeof(list) / sizeof *(list))]

static void
add_text(struct buf *column, const char *text)
{
	pg_array_add(column, slice_str(text));
}

static void
add_null(struct buf *column)
{
	pg_array_add(column, slice_of(NULL, 0));
}

static void
add_number(struct buf *column, int64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRId64, number);
	add_text(column, text);
}

/* A version 4 UUID of two words. */
static void
uuid_text(uint64_t high, uint64_t low, char ret[UUID_SIZE])
{
	(void)snprintf(ret, UUID_SIZE,
	    "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
	    high >> 16 & 0xffff, high & 0xfff, (low >> 48 & 0x3fff) | 0x8000,
	    low & UINT64_C(0xffffffffffff));
}

/* The n-th uuid of a kind, the same whenever it is asked for. */
static void
named_uuid(const struct generate_world *world, uint64_t kind, uint64_t n, char ret[UUID_SIZE])
{
	struct dice dice = { .state = world->seed * 1000003 + kind };
	uint64_t high;

	dice.state += n * UINT64_C(0xda942042e4dd58b5);
	high = dice_word(&dice);
	uuid_text(high, dice_word(&dice), ret);
}

static void
engagement_content(struct generate_world *world, size_t index, struct buf *columns)
{
	static const char *const types[] = { "podcast", "video", "podcast", "newsletter" };
	static const char *const words[] = { "Night", "\"Quoted\"", "It's", "Über", "日本",
		"Back\\slash", "Letters", "Waves", "Comma, Brace {}" };
	struct dice dice = { .state =
				 world->seed ^ (index + 1) * UINT64_C(0x9fb21c651e98df25) };
	char text[TEXT_SIZE], id[UUID_SIZE];
	const char *type = PICK(&dice, types);
	const char *word = PICK(&dice, words);

	named_uuid(world, 'c', index, id);
	add_text(&columns[0], id);
	(void)snprintf(text, sizeof text, "s%" PRIu64 "-%zu", world->seed, index);
	add_text(&columns[1], text);
	(void)snprintf(text, sizeof text, "%s of %s %zu", PICK(&dice, words), word, index);
	add_text(&columns[2], text);
	if (dice_below(&dice, 50) == 0)
		add_null(&columns[3]);
	else
		add_text(&columns[3], type);
	if (type[0] == 'n')
		add_null(&columns[4]);
	else
		add_number(&columns[4],
		    dice_below(&dice, 40) == 0 ? 0 : (int64_t)dice_below(&dice, 7200) + 1);
	add_number(&columns[5],
	    INT64_C(1735689600000000) + (int64_t)dice_below(&dice, 31536000) * 1000000);
}

/* Some contents are liked much more than others; one event in a hundred is about
 * content that is not there (yet). */
static void
add_content_id(struct generate_world *world, struct buf *column)
{
	double liking = dice_real(&world->dice);
	uint64_t stray = dice_word(&world->dice);
	char id[UUID_SIZE];

	if (world->contents == 0 || stray % 100 == 0)
		uuid_text(stray, dice_word(&world->dice), id);
	else
		named_uuid(world, 'c',
		    (uint64_t)(liking * liking * liking * (double)world->contents), id);
	add_text(column, id);
}

/* Most within the last 20 minutes, some a day old, a few up to 90 s ahead. */
static void
add_event_us(struct generate_world *world, struct buf *column)
{
	uint64_t kind = dice_below(&world->dice, 100);
	uint64_t word = dice_word(&world->dice);
	int64_t at_us = world->now_us;

	if (kind < 90)
		at_us -= (int64_t)(word % (20 * MINUTE_US));
	else if (kind < 98)
		at_us -= 20 * MINUTE_US + (int64_t)(word % (24 * 60 * MINUTE_US));
	else
		at_us += (int64_t)(word % (90 * 1000000));
	add_number(column, at_us);
}

static void
add_event_type(struct generate_world *world, struct buf *column)
{
	static const char *const types[] = { "play", "play", "play", "pause", "finish", "click",
		"click" };

	add_text(column, PICK(&world->dice, types));
}

static void
add_duration(struct generate_world *world, struct buf *column)
{
	uint64_t kind = dice_below(&world->dice, 1000);

	if (kind < 150)
		add_null(column);
	else if (kind == 999)
		add_number(column, INT32_MAX);
	else
		add_number(column, (int64_t)dice_below(&world->dice, 3600000));
}

static void
add_device(struct generate_world *world, struct buf *column)
{
	static const char *const devices[] = { "ios", "android", "web-safari", "web-chrome",
		"tv", "O'Neil's \"TV\"", "пульт", "" };
	uint64_t kind = dice_below(&world->dice, 100);

	if (kind < 10)
		add_null(column);
	else
		add_text(column, devices[kind < 97 ? kind % 5 : kind - 92]);
}

/* Letters that pglz cannot press: 64 of them at random, more than a page's quarter. */
static void
add_blob(struct generate_world *world, struct buf *column)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = BLOB_MIN + (size_t)dice_below(&world->dice, BLOB_SPAN);
	struct buf text = { 0 };

	buf_cstr(&text, "{\"blob\": \"");
	for (size_t i = 0; i < len; i++)
		buf_byte(&text, letters[dice_word(&world->dice) >> 58]);
	buf_cstr(&text, "\"}");
	pg_array_add(column, buf_view(&text));
	buf_finish(&text);
}

static void
add_payload(struct generate_world *world, struct buf *column)
{
	static const char *const odd[] = {
		"{\"title\": \"“Über” \\\"quoted\\\" back\\\\slash 日本語 🎧\", \"n\": 1.50}",
		"{\"nested\": {\"list\": [1, 2.0, null, true, \"a,b{}\"]}, \"empty\": {}}",
		"[\"it's\", \"tab\\tnewline\\n\", \"\\u00e9\", 12345678901234567890]",
		"\"text\"", "{\"big\": 1e400, \"small\": -0.000000000000000000001}", "null"
	};
	uint64_t kind = dice_below(&world->dice, 100);
	char text[TEXT_SIZE];

	if (kind < 20) {
		add_null(column);
	} else if (kind < 22) {
		add_blob(world, column);
	} else if (kind < 32) {
		add_text(column, PICK(&world->dice, odd));
	} else {
		(void)snprintf(text, sizeof text,
		    "{\"pos\": %" PRIu64 ", \"session\": \"%016" PRIx64 "\"}",
		    dice_below(&world->dice, 3600), dice_word(&world->dice));
		add_text(column, text);
	}
}

static void
engagement_insert(struct generate_world *world, struct buf *columns)
{
	char user[UUID_SIZE];

	add_content_id(world, &columns[0]);
	named_uuid(world, 'u', dice_below(&world->dice, USERS), user);
	add_text(&columns[1], user);
	add_event_type(world, &columns[2]);
	add_event_us(world, &columns[3]);
	add_duration(world, &columns[4]);
	add_device(world, &columns[5]);
	add_payload(world, &columns[6]);
}

/* A third of the updates moves event_ts, a fifth content_id; most leave raw_payload. */
static void
engagement_update(struct generate_world *world, struct buf *columns)
{
	static const char *const what[] = { "t", "t", "tc", "c", "c", "e", "e", "e", "e", "te",
		"p", "p", "tcep", "e", "e" };

	add_text(&columns[0], PICK(&world->dice, what));
	add_content_id(world, &columns[1]);
	add_event_type(world, &columns[2]);
	add_event_us(world, &columns[3]);
	add_duration(world, &columns[4]);
	add_device(world, &columns[5]);
	add_payload(world, &columns[6]);
}

const struct generate_model generate_engagement = {
	.name = "engagement",
	.contents_sql = statement_engagement_contents,
	.load_sql = statement_engagement_load,
	.insert_sql = statement_engagement_insert,
	.update_sql = statement_engagement_update,
	.delete_sql = statement_engagement_delete,
	.contents_columns = 6,
	.insert_columns = 7,
	.update_columns = 8,
	.content = engagement_content,
	.insert = engagement_insert,
	.update = engagement_update,
};
