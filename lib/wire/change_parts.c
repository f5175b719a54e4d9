/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/change_parts.h"

#include "base/must.h"

#define FIELD(text, holder, member, is_known)                                                  \
	{                                                                                      \
		text, sizeof(text) - 1, is_known, offsetof(struct holder, member), 0, NULL     \
	}
#define FIELDS(fields)                                                                         \
	{                                                                                      \
		fields, sizeof(fields) / sizeof(*(fields))                                     \
	}

/* All in Debezium's order; those of no use stand here to keep the order. */
static const struct json_field source_list[] = {
	FIELD("version", parts_source, ignored, false),
	FIELD("connector", parts_source, ignored, false),
	FIELD("name", parts_source, ignored, false),
	FIELD("ts_ms", parts_source, ts_ms, false),
	FIELD("snapshot", parts_source, snapshot, false),
	FIELD("db", parts_source, ignored, false),
	FIELD("sequence", parts_source, sequence, false),
	FIELD("ts_us", parts_source, ts_us, false),
	FIELD("ts_ns", parts_source, ignored, false),
	FIELD("schema", parts_source, schema, false),
	FIELD("table", parts_source, table, false),
	FIELD("txId", parts_source, tx_id, false),
	FIELD("lsn", parts_source, lsn, false),
	FIELD("xmin", parts_source, ignored, false),
	FIELD("ts_usec", parts_source, ts_usec, false),
};
static const struct json_fields source_fields = FIELDS(source_list);

/* clang-format off */
#define SOURCE_FIELD                                                                           \
	{                                                                                      \
		"source", 6, true, offsetof(struct parts_envelope, source_raw),                      \
		    offsetof(struct parts_envelope, source), &source_fields                          \
	}
#define ENVELOPE_FIELDS                                                                        \
	FIELD("before", parts_envelope, before, true),                                               \
	FIELD("after", parts_envelope, after, true),                                                 \
	SOURCE_FIELD,                                                                          \
	FIELD("transaction", parts_envelope, ignored, true),                                         \
	FIELD("op", parts_envelope, op, true),                                                       \
	FIELD("ts_ms", parts_envelope, ts_ms, true),                                                 \
	FIELD("ts_us", parts_envelope, ignored, true),                                               \
	FIELD("ts_ns", parts_envelope, ignored, true),                                               \
	FIELD("status", parts_envelope, status, true),                                               \
	FIELD("id", parts_envelope, id, false),                                                      \
	FIELD("event_count", parts_envelope, event_count, true),                                     \
	FIELD("data_collections", parts_envelope, collections, true),                                \
	FIELD("message", parts_envelope, message, true),                                             \
	FIELD("schema", parts_envelope, schema, false),                                              \
	FIELD("__op", parts_envelope, row_op, false),                                                \
	FIELD("__table", parts_envelope, row_table, false),                                          \
	FIELD("__schema", parts_envelope, row_schema, false),                                        \
	FIELD("__lsn", parts_envelope, row_lsn, false),                                              \
	FIELD("__txId", parts_envelope, row_tx_id, false),                                           \
	FIELD("__deleted", parts_envelope, row_deleted, false),                                      \
	FIELD("__source_lsn", parts_envelope, row_lsn, false),                                       \
	FIELD("__source_txId", parts_envelope, row_tx_id, false),                                    \
	FIELD("__source_ts_ms", parts_envelope, row_ts_ms, false),                                   \
	FIELD("__source_table", parts_envelope, row_table, false),                                   \
	FIELD("__source_schema", parts_envelope, row_schema, false)
/* clang-format on */

static const struct json_field inner_list[] = { ENVELOPE_FIELDS,
	FIELD("payload", parts_envelope, payload_raw, false) };
static const struct json_fields inner_fields = FIELDS(inner_list);

static const struct json_field outer_list[] = { ENVELOPE_FIELDS,
	{ "payload", 7, false, offsetof(struct parts_envelope, payload_raw),
	    offsetof(struct change_parts, inner), &inner_fields } };
static const struct json_fields outer_fields = FIELDS(outer_list);

/* The first byte tells what is no JSON at all. */
enum fate
change_parts_scan(struct slice text, struct change_parts *ret_parts, struct err *err)
{
	struct json_scan scan;
	enum fate fate;

	json_scan_init(&scan, text);
	if (json_scan_peek(&scan) == '{')
		(void)json_scan_pick(&scan, &outer_fields, &ret_parts->outer.self);
	else
		(void)json_scan_value(&scan, &ret_parts->outer.self.raw);
	(void)json_scan_end(&scan);
	fate = json_scan_refusal(&scan, err);
	json_scan_finish(&scan);
	if (fate == FATE_DONE || text.len < 5 || text.p[0] != '\0')
		return fate;
	return err_set(err, FATE_REJECT,
	    "not JSON at byte 0: 0x00, the framing of Confluent's schema registry (Avro?)");
}

static bool
listed(struct slice *const *slices, size_t count, const struct slice *slice)
{
	for (size_t i = 0; i < count; i++)
		if (slices[i] == slice)
			return true;
	return false;
}

/* The slices of a struct that fields were picked into. */
static size_t
collect(void *picked, const struct json_fields *fields, struct slice **slices, size_t count)
{
	struct json_picked *self = picked;

	if (self->raw.p)
		slices[count++] = &self->raw;
	for (size_t i = 0; i < fields->count; i++) {
		const struct json_field *f = &fields->list[i];
		struct slice *slice = (void *)((char *)picked + f->at);

		if (slice->p && !listed(slices, count, slice)) {
			must(count < CHANGE_SLICES_MAX);
			slices[count++] = slice;
		}
		if (f->inner)
			count = collect((char *)picked + f->inner_at, f->inner, slices, count);
	}
	return count;
}

size_t
change_parts_slices(struct change_parts *parts, struct slice *ret_slices[CHANGE_SLICES_MAX])
{
	return collect(&parts->outer, &outer_fields, ret_slices, 0);
}
