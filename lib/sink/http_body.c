/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent, and what answers mean: the pure half of the http sink. */
#include <inttypes.h>

#include "sink/http.h"

enum { ID_MAX = 64 };

/* pg.public.orders -> public.orders */
static struct slice
table_of(struct slice topic)
{
	const char *dot = topic.len ? memchr(topic.p, '.', topic.len) : NULL;
	size_t cut = dot ? (size_t)(dot - topic.p) + 1 : 0;

	return slice_of(topic.p + cut, topic.len - cut);
}

static void
member(struct buf *out, const char *name, struct slice json)
{
	buf_cstr(out, name);
	buf_slice(out, json.len ? json : SLICE("null"));
}

/* Topic names are letters, digits, '.', '_' and '-': they need no escapes. */
void
http_body(const struct record *record, struct buf *out)
{
	buf_cstr(out, "{\"id\":\"");
	buf_slice(out, record->id);
	buf_cstr(out, "\",\"op\":\"");
	buf_byte(out, record->value.p ? record->op : 'd');
	buf_cstr(out, "\",\"table\":\"");
	buf_slice(out, table_of(record->source_topic));
	member(out, "\",\"key\":", record->key);
	member(out, ",\"row\":", record->value);
	member(out, ",\"before\":", record->before);
	buf_printf(out, ",\"ts_ms\":%" PRId64 ",\"version\":%" PRIu64 "}", record->ts_ms,
	    record->version);
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

enum http_class
http_class(const struct sink_http_config *config, long status)
{
	static const struct {
		long status;
		enum http_class class;
	} table[] = {
		{ 401, HTTP_CLASS_DOUBT },
		{ 403, HTTP_CLASS_DOUBT },
		{ 404, HTTP_CLASS_DOUBT },
		{ 410, HTTP_CLASS_DOUBT },
		{ 408, HTTP_CLASS_RETRY },
		{ 425, HTTP_CLASS_RETRY },
		{ 429, HTTP_CLASS_RETRY },
	};

	for (size_t i = 0; i < config->done_status_count; i++)
		if (config->done_statuses[i] == status)
			return HTTP_CLASS_DONE;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].status == status)
			return table[i].class;
	if (status >= 200 && status < 300)
		return HTTP_CLASS_DONE;
	if (status >= 300 && status < 400)
		return HTTP_CLASS_DOUBT;
	return status >= 400 && status < 500 ? HTTP_CLASS_DEAD : HTTP_CLASS_RETRY;
}
