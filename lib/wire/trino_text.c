/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/trino_text.h"

#include <stdlib.h>

#include "base/must.h"
#include "wire/base64.h"
#include "wire/float_text.h"
#include "wire/json.h"
#include "wire/json_string.h"
#include "wire/timestamp.h"

static bool
begins(struct slice text, const char *with)
{
	size_t len = strlen(with);

	return text.len >= len && memcmp(text.p, with, len) == 0;
}

static bool
ends(struct slice text, const char *with)
{
	size_t len = strlen(with);

	return text.len >= len && memcmp(text.p + text.len - len, with, len) == 0;
}

enum trino_form
trino_type(struct slice type, struct pgtype *ret_type)
{
	static const struct {
		const char *name; /* with what may follow in parentheses */
		enum trino_form form;
		uint32_t oid;
	} types[] = { { "boolean", TRINO_BOOL, 16 }, { "tinyint", TRINO_INTEGER, 21 },
		{ "smallint", TRINO_INTEGER, 21 }, { "integer", TRINO_INTEGER, 23 },
		{ "bigint", TRINO_INTEGER, 20 }, { "real", TRINO_REAL, 700 },
		{ "double", TRINO_DOUBLE, 701 }, { "decimal", TRINO_PLAIN, 1700 },
		{ "varchar", TRINO_PLAIN, 25 }, { "char", TRINO_PLAIN, 1042 },
		{ "varbinary", TRINO_BINARY, 17 }, { "date", TRINO_DATE, 1082 },
		{ "timestamp", TRINO_TIMESTAMP, 1114 }, { "time", TRINO_TIME, 1083 },
		{ "uuid", TRINO_PLAIN, 2950 }, { "json", TRINO_PLAIN, 114 },
		{ "ipaddress", TRINO_PLAIN, 25 }, { "unknown", TRINO_PLAIN, 25 } };

	*ret_type = (struct pgtype){ .kind = TYPE_TEXT, .oid = 25, .typmod = -1 };
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		size_t len = strlen(types[i].name);
		enum trino_form form = types[i].form;

		if (!begins(type, types[i].name) ||
		    (type.len > len && type.p[len] != '(' && type.p[len] != ' '))
			continue;
		ret_type->oid = types[i].oid;
		if (ends(type, " with time zone")) {
			form = form == TRINO_TIMESTAMP ? TRINO_ZONED : TRINO_OTHER;
			ret_type->oid = 1184;
		}
		ret_type->kind = type_kind_of_oid(ret_type->oid);
		return form;
	}
	return TRINO_OTHER;
}

static void
print_string(struct buf *out, struct slice raw)
{
	struct json_bytes bytes = json_bytes(json_inner(raw));

	if (!memchr(raw.p, '\\', raw.len)) {
		buf_slice(out, json_inner(raw));
		return;
	}
	for (int byte; (byte = json_byte(&bytes)) >= 0;)
		buf_byte(out, (char)byte);
}

static enum fate
print_float(struct buf *out, bool wide, struct slice text, struct err *err)
{
	double d = 0;
	float f = 0;
	enum fate fate = wide ? float8_parse(text, &d, err) : float4_parse(text, &f, err);

	if (fate == FATE_DONE && wide)
		float8_print(out, d);
	else if (fate == FATE_DONE)
		float4_print(out, f);
	return fate;
}

/* [+-]YYYY...-MM-DD, years counted astronomically. */
static enum fate
print_date(struct buf *out, struct slice text, struct err *err)
{
	bool signed_year = text.len && (*text.p == '-' || *text.p == '+');
	struct slice year = slice_of(text.p, text.len < 6 ? 0 : text.len - 6);
	int64_t y = 0, m = 0, d = 0;

	if (signed_year)
		year = slice_of(year.p + 1, year.len - 1);
	if (!slice_i64(year, &y) || y > 5000000 || text.p[text.len - 6] != '-' ||
	    text.p[text.len - 3] != '-' || !slice_i64(slice_of(text.p + text.len - 5, 2), &m) ||
	    !slice_i64(slice_of(text.p + text.len - 2, 2), &d) || m < 1 || m > 12)
		return err_code(
		    err, FATE_REJECT, "22007", "trino: %.*s is no date", SLICE_ARG(text));
	if (signed_year && *text.p == '-')
		y = -y;
	date_print(out, days_from_civil((int32_t)y, (int32_t)m, (int32_t)d));
	return FATE_DONE;
}

static enum fate
print_moment(struct buf *out, enum trino_form form, struct slice text, struct err *err)
{
	int64_t us = 0;
	enum fate fate;

	if (form == TRINO_ZONED && !ends(text, " UTC"))
		return err_code(err, FATE_REJECT, "0A000",
		    "trino: %.*s is not in UTC, and no other zone is carried", SLICE_ARG(text));
	if (form == TRINO_ZONED)
		text.len -= 4;
	fate =
	    form == TRINO_TIME ? time_parse(text, &us, err) : timestamp_parse(text, &us, err);
	if (fate != FATE_DONE)
		return fate;
	if (form == TRINO_TIME)
		time_print(out, us);
	else if (form == TRINO_TIMESTAMP)
		timestamp_print(out, us);
	else
		timestamptz_print(out, us);
	return FATE_DONE;
}

static enum fate
print_binary(struct buf *out, struct slice text, struct err *err)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char *bytes = malloc(base64_room(text.len));
	size_t len = 0;
	bool good;

	must(bytes);
	good = base64_decode(text, bytes, &len);
	buf_cstr(out, "\\x");
	for (size_t i = 0; i < len && good; i++) {
		buf_byte(out, hex[bytes[i] >> 4]);
		buf_byte(out, hex[bytes[i] & 15]);
	}
	free(bytes);
	return good ? FATE_DONE
		    : err_code(err, FATE_REJECT, "08P01", "trino: a varbinary is no base64");
}

enum fate
trino_print(struct buf *out, enum trino_form form, struct slice raw, struct err *err)
{
	enum json_kind kind = json_kind_of(raw);
	struct slice text = kind == JSON_STRING ? json_inner(raw) : raw;

	switch (form) {
	case TRINO_BOOL:
		if (kind != JSON_TRUE && kind != JSON_FALSE)
			break;
		buf_byte(out, kind == JSON_TRUE ? 't' : 'f');
		return FATE_DONE;
	case TRINO_INTEGER:
		if (kind != JSON_NUMBER || memchr(raw.p, '.', raw.len))
			break;
		buf_slice(out, raw);
		return FATE_DONE;
	case TRINO_REAL:
	case TRINO_DOUBLE: return print_float(out, form == TRINO_DOUBLE, text, err);
	case TRINO_PLAIN:
		if (kind != JSON_STRING)
			break;
		print_string(out, raw);
		return FATE_DONE;
	case TRINO_BINARY: return print_binary(out, text, err);
	case TRINO_DATE: return print_date(out, text, err);
	case TRINO_TIME:
	case TRINO_TIMESTAMP:
	case TRINO_ZONED: return print_moment(out, form, text, err);
	case TRINO_OTHER:
		return err_code(
		    err, FATE_REJECT, "0A000", "trino: a value of a type that is not carried");
	}
	return err_code(
	    err, FATE_REJECT, "08P01", "trino: a value that its type does not have");
}
