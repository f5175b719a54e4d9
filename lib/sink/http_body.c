/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent of a change: the pure half of the http sink. */
#include <ctype.h>
#include <inttypes.h>
#include <strings.h>

#include "sink/http.h"
#include "sink/http_lane.h"
#include "wire/timestamp.h"

enum { ID_MAX = 64 };

/* pg.public.orders -> public.orders */
struct slice
http_table(const struct record *record)
{
	struct slice topic = record->source_topic;
	const char *dot = topic.len ? memchr(topic.p, '.', topic.len) : NULL;
	size_t cut = dot ? (size_t)(dot - topic.p) + 1 : 0;

	return slice_of(topic.p + cut, topic.len - cut);
}

/* A row that no longer passes WHERE is gone for those who listen. */
char
http_op(const struct record *record)
{
	return record->value.p ? record->op : 'd';
}

static void
member(struct buf *out, const char *name, struct slice json)
{
	buf_cstr(out, name);
	buf_slice(out, json.len ? json : SLICE("null"));
}

static void
ids(const struct record *record, struct buf *out)
{
	buf_cstr(out, "{\"id\":\"");
	buf_slice(out, record->id);
}

/* Topic names are letters, digits, '.', '_' and '-': they need no escapes. */
void
http_body(const struct record *record, struct buf *out)
{
	ids(record, out);
	buf_cstr(out, "\",\"op\":\"");
	buf_byte(out, http_op(record));
	buf_cstr(out, "\",\"table\":\"");
	buf_slice(out, http_table(record));
	member(out, "\",\"key\":", record->key);
	member(out, ",\"row\":", record->value);
	member(out, ",\"before\":", record->before);
	buf_printf(out, ",\"ts_ms\":%" PRId64 ",\"version\":%" PRIu64 "}", record->ts_ms,
	    record->version);
}

void
http_cloudevent(const struct record *record, const char *source, struct buf *out)
{
	static const struct {
		char op;
		const char *type;
	} types[] = { { 'c', "created" }, { 'u', "updated" }, { 'd', "deleted" },
		{ 'r', "read" } };

	ids(record, out);
	buf_cstr(out, "\",\"specversion\":\"1.0\",\"source\":\"/");
	buf_cstr(out, source);
	buf_byte(out, '/');
	buf_slice(out, http_table(record));
	buf_cstr(out, "\",\"type\":\"sluice.row.");
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].op == http_op(record))
			buf_cstr(out, types[i].type);
	buf_cstr(out, "\",\"time\":\"");
	timestamptz_print_rfc3339(out, record->ts_ms * 1000);
	buf_cstr(out, "\",\"datacontenttype\":\"application/json\",\"data\":");
	http_body(record, out);
	buf_byte(out, '}');
}

static bool
is_object(struct slice s)
{
	return s.len >= 2 && s.p[0] == '{' && s.p[s.len - 1] == '}';
}

static bool
is_name(struct slice s, size_t max)
{
	if (s.len == 0 || s.len > max)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
			return false;
	}
	return true;
}

enum fate
http_body_check(const struct record *record, struct err *err)
{
	if (!is_name(record->id, ID_MAX))
		return err_set(err, FATE_REJECT, "sluice.id is not fit for a header");
	if (!is_name(record->source_topic, 255))
		return err_set(err, FATE_REJECT, "sluice.source names no topic");
	if (!is_object(record->key))
		return err_set(err, FATE_REJECT, "the key is not a JSON object");
	if (record->value.p && !is_object(record->value))
		return err_set(err, FATE_REJECT, "the value is not a JSON object");
	if (record->before.len && !is_object(record->before))
		return err_set(err, FATE_REJECT, "sluice.before is not a JSON object");
	return FATE_DONE;
}

static bool
is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
			return false;
	return len > 0;
}

enum fate
http_header_check(const char *header, struct err *err)
{
	static const char *const own[] = { "content-type", "content-length", "host",
		"transfer-encoding", "connection", "expect", "webhook-id", "webhook-timestamp",
		"webhook-signature", "idempotency-key", "sluice-op" };
	const char *colon = strchr(header, ':');
	size_t len = colon ? (size_t)(colon - header) : 0;

	if (!is_token(header, len))
		return err_code(err, FATE_HALT, "CONFIG", "a header's name is no HTTP token");
	for (const char *p = colon; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_code(err, FATE_HALT, "CONFIG",
			    "header %.*s: control characters in its value", (int)len, header);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strlen(own[i]) == len && strncasecmp(own[i], header, len) == 0)
			return err_code(
			    err, FATE_HALT, "CONFIG", "header %s is the sink's own", own[i]);
	return FATE_DONE;
}
