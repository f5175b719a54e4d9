/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/row_schema.h"

#include "wire/json.h"

struct semantic {
	const char *name;
	enum encoding_kind encoding;
	enum type_kind type;
};

/* Names that are not here leave the literal type to speak. */
static const struct semantic semantics[] = {
	{ "org.apache.kafka.connect.data.Decimal", ENCODING_DECIMAL, TYPE_NUMERIC },
	{ "org.apache.kafka.connect.data.Date", ENCODING_DATE, TYPE_DATE },
	{ "org.apache.kafka.connect.data.Time", ENCODING_TIME_MS, TYPE_TIME },
	{ "org.apache.kafka.connect.data.Timestamp", ENCODING_TIMESTAMP_MS, TYPE_TIMESTAMP },
	{ "io.debezium.time.Date", ENCODING_DATE, TYPE_DATE },
	{ "io.debezium.time.Time", ENCODING_TIME_MS, TYPE_TIME },
	{ "io.debezium.time.MicroTime", ENCODING_TIME_US, TYPE_TIME },
	{ "io.debezium.time.NanoTime", ENCODING_TIME_NS, TYPE_TIME },
	{ "io.debezium.time.Timestamp", ENCODING_TIMESTAMP_MS, TYPE_TIMESTAMP },
	{ "io.debezium.time.MicroTimestamp", ENCODING_TIMESTAMP_US, TYPE_TIMESTAMP },
	{ "io.debezium.time.NanoTimestamp", ENCODING_TIMESTAMP_NS, TYPE_TIMESTAMP },
	{ "io.debezium.time.MicroDuration", ENCODING_DURATION_US, TYPE_INTERVAL },
	{ "io.debezium.time.NanoDuration", ENCODING_DURATION_NS, TYPE_INTERVAL },
	{ "io.debezium.time.Interval", ENCODING_PLAIN, TYPE_INTERVAL },
	{ "io.debezium.time.ZonedTimestamp", ENCODING_PLAIN, TYPE_TIMESTAMPTZ },
	{ "io.debezium.time.IsoDate", ENCODING_PLAIN, TYPE_DATE },
	{ "io.debezium.time.IsoTime", ENCODING_PLAIN, TYPE_TIME },
	{ "io.debezium.time.IsoTimestamp", ENCODING_PLAIN, TYPE_TIMESTAMP },
	{ "io.debezium.time.StructuredDate", ENCODING_PLAIN, TYPE_DATE },
	{ "io.debezium.time.StructuredTime", ENCODING_PLAIN, TYPE_TIME },
	{ "io.debezium.time.StructuredTimestamp", ENCODING_PLAIN, TYPE_TIMESTAMP },
	{ "io.debezium.time.StructuredZonedTimestamp", ENCODING_PLAIN, TYPE_TIMESTAMPTZ },
	{ "io.debezium.time.StructuredDuration", ENCODING_PLAIN, TYPE_INTERVAL },
	{ "io.debezium.data.VariableScaleDecimal", ENCODING_PLAIN, TYPE_NUMERIC },
	{ "io.debezium.data.Bits", ENCODING_BITS, TYPE_OTHER },
	{ "io.debezium.data.Json", ENCODING_PLAIN, TYPE_JSON },
	{ "io.debezium.data.Uuid", ENCODING_PLAIN, TYPE_UUID },
	{ "io.debezium.data.Enum", ENCODING_PLAIN, TYPE_ENUM },
};

static const struct semantic literals[] = {
	{ "int8", ENCODING_PLAIN, TYPE_INT2 },
	{ "int16", ENCODING_PLAIN, TYPE_INT2 },
	{ "int32", ENCODING_PLAIN, TYPE_INT4 },
	{ "int64", ENCODING_PLAIN, TYPE_INT8 },
	{ "float", ENCODING_PLAIN, TYPE_FLOAT4 },
	{ "double", ENCODING_PLAIN, TYPE_FLOAT8 },
	{ "boolean", ENCODING_PLAIN, TYPE_BOOL },
	{ "string", ENCODING_PLAIN, TYPE_TEXT },
	{ "bytes", ENCODING_BYTES, TYPE_BYTEA },
	{ "array", ENCODING_PLAIN, TYPE_ARRAY },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct semantic *
lookup(const struct semantic *table, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++)
		if (slice_eq(slice_str(table[i].name), name))
			return &table[i];
	return NULL;
}

static struct slice
string_member(struct slice object, const char *name)
{
	struct slice raw = json_member(object, slice_str(name));

	return raw.p && json_kind_of(raw) == JSON_STRING ? json_inner(raw)
							 : (struct slice){ 0 };
}

static struct slice
array_member(struct slice object, const char *name)
{
	struct slice raw = json_member(object, slice_str(name));

	return raw.p && json_kind_of(raw) == JSON_ARRAY ? raw : (struct slice){ 0 };
}

struct slice
schema_row_fields(struct slice schema)
{
	struct slice fields, row = { 0 };
	struct json_walk walk;
	bool envelope = false;

	if (!schema.p || json_kind_of(schema) != JSON_OBJECT)
		return (struct slice){ 0 };
	fields = array_member(schema, "fields");
	if (!fields.p)
		return fields;
	walk = json_walk(fields);
	while (json_next(&walk)) {
		struct slice name;
		if (json_kind_of(walk.value) != JSON_OBJECT)
			continue;
		name = string_member(walk.value, "field");
		envelope |= slice_eq(name, SLICE("op"));
		if (slice_eq(name, SLICE("after")) ||
		    (!row.p && slice_eq(name, SLICE("before"))))
			row = array_member(walk.value, "fields");
	}
	return envelope && row.p ? row : fields;
}

static int32_t
parameter(struct slice field, const char *name)
{
	struct slice parameters = json_member(field, SLICE("parameters"));
	int64_t value;

	if (!parameters.p || json_kind_of(parameters) != JSON_OBJECT)
		return -1;
	if (!slice_i64(string_member(parameters, name), &value))
		return -1;
	return value >= 0 && value <= INT32_MAX ? (int32_t)value : -1;
}

bool
schema_field_read(struct slice raw, struct schema_field *ret_field)
{
	struct schema_field field = { .type = { .kind = TYPE_OTHER, .typmod = -1 } };
	const struct semantic *said;

	if (json_kind_of(raw) != JSON_OBJECT)
		return false;
	field.name = string_member(raw, "field");
	if (!field.name.p)
		return false;
	said = lookup(semantics, COUNT(semantics), string_member(raw, "name"));
	if (!said)
		said = lookup(literals, COUNT(literals), string_member(raw, "type"));
	field.encoding.param = -1;
	if (said) {
		field.type.kind = said->type;
		field.type.elem = TYPE_OTHER;
		field.encoding.kind = said->encoding;
	}
	if (field.encoding.kind == ENCODING_DECIMAL)
		field.encoding.param = parameter(raw, "scale");
	if (field.encoding.kind == ENCODING_BITS)
		field.encoding.param = parameter(raw, "length");
	*ret_field = field;
	return true;
}
