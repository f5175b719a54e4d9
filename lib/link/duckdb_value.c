/* SPDX-License-Identifier: Apache-2.0 */
/* Values of DuckDB's vectors as Postgres prints them. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/must.h"
#include "link/duckdb_api.h"
#include "wire/decimal.h"
#include "wire/float_text.h"
#include "wire/timestamp.h"

__extension__ typedef unsigned __int128 bits128;

void
duck_column_init(
    const struct duckdb_api *api, duckdb_handle logical, struct duck_column *column)
{
	*column = (struct duck_column){ .type = api->get_type_id(logical), .logical = logical };
	if (column->type == DUCKDB_DECIMAL) {
		column->scale = api->decimal_scale(logical);
		column->stored = api->decimal_internal_type(logical);
	} else if (column->type == DUCKDB_ENUM) {
		column->stored = api->enum_internal_type(logical);
	} else if (column->type == DUCKDB_LIST) {
		column->child = calloc(1, sizeof *column->child);
		must(column->child);
		duck_column_init(api, api->list_type_child_type(logical), column->child);
	}
}

void
duck_column_finish(const struct duckdb_api *api, struct duck_column *column)
{
	if (column->child)
		duck_column_finish(api, column->child);
	free(column->child);
	if (column->logical)
		api->destroy_logical_type(&column->logical);
}

unsigned
duck_column_oid_of(const struct duck_column *column)
{
	static const struct {
		int type;
		unsigned oid;
	} oids[] = { { DUCKDB_BOOLEAN, 16 }, { DUCKDB_TINYINT, 21 }, { DUCKDB_SMALLINT, 21 },
		{ DUCKDB_INTEGER, 23 }, { DUCKDB_BIGINT, 20 }, { DUCKDB_UTINYINT, 21 },
		{ DUCKDB_USMALLINT, 23 }, { DUCKDB_UINTEGER, 20 }, { DUCKDB_UBIGINT, 1700 },
		{ DUCKDB_FLOAT, 700 }, { DUCKDB_DOUBLE, 701 }, { DUCKDB_TIMESTAMP, 1114 },
		{ DUCKDB_TIMESTAMP_S, 1114 }, { DUCKDB_TIMESTAMP_MS, 1114 },
		{ DUCKDB_TIMESTAMP_NS, 1114 }, { DUCKDB_TIMESTAMP_TZ, 1184 },
		{ DUCKDB_DATE, 1082 }, { DUCKDB_TIME, 1083 }, { DUCKDB_INTERVAL, 1186 },
		{ DUCKDB_HUGEINT, 1700 }, { DUCKDB_BLOB, 17 }, { DUCKDB_DECIMAL, 1700 },
		{ DUCKDB_UUID, 2950 } };

	for (size_t i = 0; i < sizeof oids / sizeof *oids; i++)
		if (oids[i].type == column->type)
			return oids[i].oid;
	return 25;
}

/* Integers of a width, at a row. */
static decimal_small
integer_at(int type, const void *data, uint64_t row)
{
	switch (type) {
	case DUCKDB_BOOLEAN:
	case DUCKDB_UTINYINT: return ((const uint8_t *)data)[row];
	case DUCKDB_TINYINT: return ((const int8_t *)data)[row];
	case DUCKDB_SMALLINT: return ((const int16_t *)data)[row];
	case DUCKDB_USMALLINT: return ((const uint16_t *)data)[row];
	case DUCKDB_DATE:
	case DUCKDB_INTEGER: return ((const int32_t *)data)[row];
	case DUCKDB_UINTEGER: return ((const uint32_t *)data)[row];
	case DUCKDB_UBIGINT: return ((const uint64_t *)data)[row];
	case DUCKDB_UUID:
	case DUCKDB_HUGEINT: {
		const uint64_t *halves = (const uint64_t *)data + 2 * row; /* lower, upper */

		return (decimal_small)((bits128)halves[1] << 64 | halves[0]);
	}
	default: return ((const int64_t *)data)[row];
	}
}

static void
print_integer(struct buf *out, decimal_small value, unsigned scale)
{
	struct decimal d;

	if (scale == 0 && value >= INT64_MIN && value <= INT64_MAX) {
		buf_i64(out, (int64_t)value);
		return;
	}
	if (value == (decimal_small)((bits128)1 << 127)) {
		buf_cstr(out, "-170141183460469231731687303715884105728");
		return;
	}
	d = decimal_from_i128(value, (uint16_t)scale);
	decimal_print(out, &d);
}

/* DuckDB's infinities are the largest number and its opposite. */
static int64_t
moment(int64_t at, int64_t infinity, int64_t units_a_us, int64_t us_a_unit)
{
	int64_t rest;

	if (at == infinity)
		return TIME_INFINITY;
	if (at == -infinity)
		return TIME_NEG_INFINITY;
	if (us_a_unit > 1)
		return at * us_a_unit;
	rest = at % units_a_us;
	return at / units_a_us - (rest < 0);
}

static void
print_moment(struct buf *out, int type, int64_t at)
{
	switch (type) {
	case DUCKDB_DATE: date_print(out, moment(at, INT32_MAX, 1, 1)); return;
	case DUCKDB_TIMESTAMP_TZ: timestamptz_print(out, moment(at, INT64_MAX, 1, 1)); return;
	case DUCKDB_TIMESTAMP_S:
		timestamp_print(out, moment(at, INT64_MAX, 1, 1000000));
		return;
	case DUCKDB_TIMESTAMP_MS: timestamp_print(out, moment(at, INT64_MAX, 1, 1000)); return;
	case DUCKDB_TIMESTAMP_NS: timestamp_print(out, moment(at, INT64_MAX, 1000, 1)); return;
	default: timestamp_print(out, moment(at, INT64_MAX, 1, 1)); return;
	}
}

static void
print_hex(struct buf *out, const unsigned char *p, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		buf_byte(out, hex[p[i] >> 4]);
		buf_byte(out, hex[p[i] & 15]);
	}
}

/* The upper bit is turned over, so that the numbers sort as the texts do. */
static void
print_uuid(struct buf *out, decimal_small value)
{
	static const unsigned parts[] = { 4, 2, 2, 2, 6 };
	bits128 bits = (bits128)value ^ (bits128)1 << 127;
	unsigned char bytes[16], *p = bytes;

	for (unsigned i = 0; i < 16; i++)
		bytes[i] = (unsigned char)(bits >> (120 - 8 * i));
	for (unsigned i = 0; i < 5; p += parts[i++]) {
		if (i)
			buf_byte(out, '-');
		print_hex(out, p, parts[i]);
	}
}

static struct slice
string_at(const void *data, uint64_t row)
{
	const union duckdb_string *s = (const union duckdb_string *)data + row;

	return s->in_place.length <= sizeof s->in_place.bytes
		   ? slice_of(s->in_place.bytes, s->in_place.length)
		   : slice_of(s->pointer.p, s->pointer.length);
}

static void
print_interval(struct buf *out, const void *data, uint64_t row)
{
	const struct {
		int32_t months, days;
		int64_t us;
	} *iv = data;

	iv += row;
	interval_print(
	    out, (struct interval){ .months = iv->months, .days = iv->days, .us = iv->us });
}

/* One element of an array, quoted where array_out quotes. */
static void
print_element(struct buf *out, struct slice text)
{
	bool quote = text.len == 0 || (text.len == 4 && strncasecmp(text.p, "NULL", 4) == 0);

	for (size_t i = 0; i < text.len && !quote; i++)
		quote = memchr("\"\\{}, \t\n\r\v\f", text.p[i], 11) != NULL;
	if (quote)
		buf_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (quote && (text.p[i] == '"' || text.p[i] == '\\'))
			buf_byte(out, '\\');
		buf_byte(out, text.p[i]);
	}
	if (quote)
		buf_byte(out, '"');
}

static bool
print_list(struct buf *out, const struct duckdb_api *api, const struct duck_column *column,
    duckdb_handle vector, const void *data, uint64_t row)
{
	const uint64_t *entry = (const uint64_t *)data + 2 * row; /* offset, length */
	duckdb_handle child = api->list_vector_get_child(vector);
	const uint64_t *valid = api->vector_get_validity(child);
	const void *elements = api->vector_get_data(child);
	struct buf one = { 0 };
	bool good = column->child->type != DUCKDB_LIST;

	buf_byte(out, '{');
	for (uint64_t i = entry[0]; i < entry[0] + entry[1] && good; i++) {
		if (i > entry[0])
			buf_byte(out, ',');
		if (valid && !(valid[i / 64] >> (i % 64) & 1)) {
			buf_cstr(out, "NULL");
			continue;
		}
		one.len = 0;
		good = duck_value_print(&one, api, column->child, child, elements, i);
		print_element(out, buf_view(&one));
	}
	buf_byte(out, '}');
	buf_finish(&one);
	return good;
}

bool
duck_value_print(struct buf *out, const struct duckdb_api *api,
    const struct duck_column *column, duckdb_handle vector, const void *data, uint64_t row)
{
	struct slice text;
	char *label;

	switch (column->type) {
	case DUCKDB_BOOLEAN: buf_byte(out, ((const uint8_t *)data)[row] ? 't' : 'f'); break;
	case DUCKDB_TINYINT:
	case DUCKDB_SMALLINT:
	case DUCKDB_INTEGER:
	case DUCKDB_BIGINT:
	case DUCKDB_UTINYINT:
	case DUCKDB_USMALLINT:
	case DUCKDB_UINTEGER:
	case DUCKDB_UBIGINT:
	case DUCKDB_HUGEINT: print_integer(out, integer_at(column->type, data, row), 0); break;
	case DUCKDB_DECIMAL:
		print_integer(out, integer_at(column->stored, data, row), column->scale);
		break;
	case DUCKDB_FLOAT: float4_print(out, ((const float *)data)[row]); break;
	case DUCKDB_DOUBLE: float8_print(out, ((const double *)data)[row]); break;
	case DUCKDB_DATE:
	case DUCKDB_TIMESTAMP:
	case DUCKDB_TIMESTAMP_S:
	case DUCKDB_TIMESTAMP_MS:
	case DUCKDB_TIMESTAMP_NS:
	case DUCKDB_TIMESTAMP_TZ:
		print_moment(out, column->type, (int64_t)integer_at(column->type, data, row));
		break;
	case DUCKDB_TIME: time_print(out, ((const int64_t *)data)[row]); break;
	case DUCKDB_INTERVAL: print_interval(out, data, row); break;
	case DUCKDB_VARCHAR: buf_slice(out, string_at(data, row)); break;
	case DUCKDB_BLOB:
		text = string_at(data, row);
		buf_cstr(out, "\\x");
		print_hex(out, (const unsigned char *)text.p, text.len);
		break;
	case DUCKDB_UUID: print_uuid(out, integer_at(column->type, data, row)); break;
	case DUCKDB_ENUM:
		label = api->enum_dictionary_value(
		    column->logical, (uint64_t)integer_at(column->stored, data, row));
		buf_cstr(out, label ? label : "");
		api->free(label);
		break;
	case DUCKDB_LIST: return print_list(out, api, column, vector, data, row);
	default: return false;
	}
	return true;
}
