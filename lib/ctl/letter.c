/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/letter.h"

#include <inttypes.h>
#include <stdio.h>

#include "wire/json.h"
#include "wire/timestamp.h"

enum { KEY_SHOWN = 60, STATE_LEN = 5 };

#define NOTE_LETTER  SLICE("sluice.dlq.answers")
#define NOTE_FROM    SLICE("sluice.dlq.from")
#define NOTE_SETTLED SLICE("sluice.dlq.settled")

/* --- reading --- */

static bool
header_is(const struct header *header, const char *name)
{
	return slice_eq(header->name, slice_str(name));
}

/* "0/17" */
static bool
pair_read(struct slice text, int64_t *ret_first, int64_t *ret_second)
{
	const char *slash = text.len ? memchr(text.p, '/', text.len) : NULL;
	size_t len = slash ? (size_t)(slash - text.p) : 0;

	return slash && slice_i64(slice_of(text.p, len), ret_first) &&
	       slice_i64(slice_of(slash + 1, text.len - len - 1), ret_second) &&
	       *ret_first >= 0 && *ret_first <= INT32_MAX && *ret_second >= 0;
}

/* "... (SQLSTATE 22012)" */
static struct slice
sqlstate_of(struct slice reason)
{
	const struct slice lead = SLICE("(SQLSTATE ");
	size_t len = lead.len + STATE_LEN + 1;
	const char *at = reason.p + reason.len - len;

	if (reason.len < len || memcmp(at, lead.p, lead.len) != 0 || at[len - 1] != ')')
		return (struct slice){ 0 };
	return slice_of(at + lead.len, STATE_LEN);
}

static void
own_read(struct letter *letter, const struct header *header, int64_t *partition)
{
	const struct {
		const char *name;
		struct slice *text;
		int64_t *number;
	} rows[] = {
		{ "__connect.errors.topic", &letter->topic, NULL },
		{ "__connect.errors.partition", NULL, partition },
		{ "__connect.errors.offset", NULL, &letter->from_offset },
		{ "__connect.errors.stage", &letter->stage, NULL },
		{ "__connect.errors.exception.class.name", &letter->class, NULL },
		{ "__connect.errors.exception.message", &letter->reason, NULL },
		{ "sluice.dlq.sink", &letter->worker, NULL },
		{ DEADLETTER_GENERATION, NULL, &letter->generation },
		{ DEADLETTER_OMITTED, &letter->omitted, NULL },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!header_is(header, rows[i].name))
			continue;
		if (rows[i].text)
			*rows[i].text = header->value;
		else if (!slice_i64(header->value, rows[i].number))
			*rows[i].number = -1;
	}
}

/* Our own stand behind those that came, and begin with the topic. */
static enum letter_kind
dead_read(struct letter *letter, size_t count)
{
	int64_t partition = -1;
	size_t own = count;

	while (own > 0 && !header_is(&letter->headers[own - 1], "__connect.errors.topic"))
		own--;
	if (own == 0)
		return LETTER_STRANGE;
	letter->header_count = own - 1;
	letter->own_count = count - letter->header_count;
	letter->from_offset = letter->generation = -1;
	for (size_t i = letter->header_count; i < count; i++)
		own_read(letter, &letter->headers[i], &partition);
	if (!letter->worker.len || partition < 0 || partition > INT32_MAX ||
	    letter->from_offset < 0)
		return LETTER_STRANGE;
	letter->from_partition = (int32_t)partition;
	letter->sqlstate = sqlstate_of(letter->reason);
	return LETTER_DEAD;
}

static enum letter_kind
note_read(const struct header *headers, size_t count, struct letter_note *note)
{
	int64_t partition = 0, ignored;
	bool letter = false, from = false;

	for (size_t i = 0; i < count; i++) {
		if (slice_eq(headers[i].name, NOTE_SETTLED))
			return LETTER_SETTLED;
		if (slice_eq(headers[i].name, NOTE_LETTER))
			letter = pair_read(headers[i].value, &ignored, &note->letter);
		if (slice_eq(headers[i].name, NOTE_FROM))
			from = pair_read(headers[i].value, &partition, &note->out_from);
	}
	note->out_partition = (int32_t)partition;
	return letter && from ? LETTER_SENT : LETTER_STRANGE;
}

enum letter_kind
letter_read(
    const struct kafka_message *message, struct letter *letter, struct letter_note *note)
{
	enum letter_kind kind;
	struct err ignored;
	size_t count = 0;

	*letter = (struct letter){ .partition = message->partition,
		.offset = message->offset,
		.when_ms = message->timestamp_ms,
		.key = message->key,
		.value = message->value };
	*note = (struct letter_note){ .partition = message->partition,
		.offset = message->offset,
		.when_ms = message->timestamp_ms,
		.key = message->key };
	if (kafka_message_headers(message, letter->headers, DEADLETTER_HEADERS_MAX, &count,
		&ignored) != FATE_DONE)
		return LETTER_STRANGE;
	kind = note_read(letter->headers, count, note);
	return kind == LETTER_STRANGE ? dead_read(letter, count) : kind;
}

/* --- notes --- */

void
letter_note_fill(struct letter_note_out *ret, const char *topic, const struct letter_note *note)
{
	(void)snprintf(ret->letter, sizeof ret->letter, "%" PRId32 "/%" PRId64, note->partition,
	    note->letter);
	(void)snprintf(ret->from, sizeof ret->from, "%" PRId32 "/%" PRId64, note->out_partition,
	    note->out_from);
	ret->headers[0] = (struct header){ NOTE_LETTER, slice_str(ret->letter) };
	ret->headers[1] = (struct header){ NOTE_FROM, slice_str(ret->from) };
	ret->out = (struct kafka_out){ .topic = topic,
		.partition = note->partition,
		.key = note->key,
		.headers = ret->headers,
		.header_count = LETTER_NOTE_HEADERS };
}

void
letter_settled_fill(struct letter_note_out *ret, const char *topic, int32_t partition)
{
	ret->headers[0] = (struct header){ NOTE_SETTLED, SLICE("1") };
	ret->out = (struct kafka_out){ .topic = topic,
		.partition = partition,
		.headers = ret->headers,
		.header_count = 1 };
}

/* --- for people and programs --- */

/* What a terminal would take for a command is shown as a question mark. */
static void
put_text(struct buf *out, struct slice text, bool lines)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		/* 0xc2 leads U+0080 to U+009f, of which some open commands as ESC does */
		if ((c < ' ' && !(lines && (c == '\n' || c == '\t'))) || c == 0x7f ||
		    (c == 0xc2 && i + 1 < text.len && (unsigned char)text.p[i + 1] < 0xa0))
			c = '?';
		buf_byte(out, (char)c);
	}
}

static void
put_time(struct buf *out, int64_t ms)
{
	if (ms < 0)
		buf_cstr(out, "no-time");
	else
		timestamptz_print_rfc3339(out, ms * 1000);
}

static void
put_class(struct buf *out, const struct letter *letter)
{
	put_text(out, letter->class, false);
	if (letter->sqlstate.len) {
		buf_byte(out, '/');
		put_text(out, letter->sqlstate, false);
	}
}

static void
put_source(struct buf *out, const struct letter *letter)
{
	put_text(out, letter->topic, false);
	buf_printf(out, "/%" PRId32 "/%" PRId64, letter->from_partition, letter->from_offset);
}

void
letter_line(const struct letter *letter, const char *topic, struct buf *out)
{
	struct slice key = letter->key;

	buf_printf(
	    out, "%s %" PRId32 ":%" PRId64 " ", topic, letter->partition, letter->offset);
	put_time(out, letter->when_ms);
	buf_byte(out, ' ');
	put_text(out, letter->worker, false);
	buf_byte(out, ' ');
	put_class(out, letter);
	buf_byte(out, ' ');
	put_source(out, letter);
	buf_byte(out, ' ');
	if (key.len > KEY_SHOWN)
		key.len = KEY_SHOWN;
	put_text(out, key.p ? key : SLICE("no key"), false);
	if (key.len < letter->key.len)
		buf_cstr(out, "...");
	buf_cstr(out, ": ");
	put_text(out, letter->reason, false);
}

static void
put_member(struct buf *out, const char *name, struct slice text)
{
	buf_byte(out, ',');
	json_quote(out, slice_str(name));
	buf_byte(out, ':');
	if (text.p)
		json_quote_any(out, text);
	else
		buf_cstr(out, "null");
}

void
letter_json(
    const struct letter *letter, const char *topic, int64_t answered_ms, struct buf *out)
{
	buf_cstr(out, "{\"topic\":");
	json_quote(out, slice_str(topic));
	buf_printf(out, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"ts_ms\":%" PRId64,
	    letter->partition, letter->offset, letter->when_ms);
	put_member(out, "worker", letter->worker);
	put_member(out, "stage", letter->stage);
	put_member(out, "class", letter->class);
	put_member(out, "sqlstate", letter->sqlstate);
	put_member(out, "source_topic", letter->topic);
	buf_printf(out, ",\"source_partition\":%" PRId32 ",\"source_offset\":%" PRId64,
	    letter->from_partition, letter->from_offset);
	put_member(out, "key", letter->key);
	put_member(out, "message", letter->reason);
	if (answered_ms >= 0)
		buf_printf(out, ",\"replayed_ms\":%" PRId64 "}", answered_ms);
	else
		buf_cstr(out, ",\"replayed_ms\":null}");
}

void
letter_show(const struct letter *letter, const char *topic, struct buf *out)
{
	size_t count = letter->header_count + letter->own_count;

	buf_printf(
	    out, "%s %" PRId32 ":%" PRId64 " ", topic, letter->partition, letter->offset);
	put_time(out, letter->when_ms);
	for (size_t i = 0; i < count; i++) {
		buf_byte(out, '\n');
		put_text(out, letter->headers[i].name, false);
		buf_cstr(out, ": ");
		put_text(out, letter->headers[i].value, false);
	}
	buf_cstr(out, "\nkey: ");
	put_text(out, letter->key.p ? letter->key : SLICE("(null)"), false);
	buf_cstr(out, "\nvalue: ");
	put_text(out, letter->value.p ? letter->value : SLICE("(null)"), true);
}
