/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "wire/json.h"
#include "work/verify_side.h"

enum { CALL_MS = 10000, POLL_MS = 500, SILENCE_MS = 30000, HEADERS_MAX = 64 };

/* --- reading a topic to its end, by hand --- */

static enum fate
consumer_open(struct verify *v, struct kafka_consumer **ret_consumer, struct err *err)
{
	const struct pipeline_kafka *kafka = &v->pipeline->kafka;
	struct kafka_consumer_conf conf = { .common = { .brokers = kafka->brokers,
						.client_id = "sluicectl",
						.properties = kafka->properties,
						.property_count = kafka->property_count } };

	return kafka_consumer_open(ret_consumer, &conf, err);
}

/* ret_parts is the caller's to free, with the start of each partition. */
static enum fate
topic_begin(struct kafka_consumer *consumer, const char *topic, struct kafka_part **ret_parts,
    size_t *ret_count, struct err *err)
{
	int32_t count = 0;
	enum fate fate = kafka_consumer_partitions(consumer, topic, CALL_MS, &count, err);

	if (fate != FATE_DONE)
		return fate;
	*ret_count = (size_t)count;
	*ret_parts = calloc(*ret_count + 1, sizeof **ret_parts);
	must(*ret_parts);
	for (int32_t i = 0; i < count; i++)
		(*ret_parts)[i] = (struct kafka_part){ .topic = topic, .partition = i };
	fate = kafka_consumer_offsets_at(
	    consumer, KAFKA_AT_START, *ret_parts, *ret_count, CALL_MS, err);
	if (fate == FATE_DONE)
		fate = kafka_consumer_assign(consumer, *ret_parts, *ret_count, err);
	return fate;
}

typedef enum fate take_message(
    struct verify *v, const struct kafka_message *message, void *ctx, struct err *err);

static enum fate
one_poll(struct verify *v, struct kafka_consumer *consumer, struct kafka_part *at, size_t count,
    take_message *take, void *ctx, bool *ret_moved, struct err *err)
{
	struct kafka_message message;
	enum fate fate = FATE_DONE;

	*ret_moved = false;
	switch (kafka_consumer_poll(consumer, POLL_MS, &message, err)) {
	case KAFKA_NOTHING: return FATE_DONE;
	case KAFKA_ERROR: return err->fate == FATE_HALT ? FATE_HALT : FATE_DONE;
	case KAFKA_MESSAGE:
		fate = take(v, &message, ctx, err);
		message.offset++;
		kafka_message_free(&message);
		break;
	case KAFKA_EOF: break;
	}
	must(message.partition >= 0 && (size_t)message.partition < count);
	if (message.offset > at[message.partition].offset)
		at[message.partition].offset = message.offset;
	*ret_moved = true;
	return fate;
}

static int64_t
left(const struct kafka_part *at, const struct kafka_part *ends, size_t count)
{
	int64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		if (at[i].offset < ends[i].offset)
			sum += ends[i].offset - at[i].offset;
	return sum;
}

/* Reads to the ends of this moment. RETRY: nothing came for half a minute. */
static enum fate
topic_read(struct verify *v, struct kafka_consumer *consumer, struct kafka_part *at,
    size_t count, take_message *take, void *ctx, struct err *err)
{
	struct kafka_part *ends = calloc(count + 1, sizeof *ends);
	int64_t until = clock_mono_ms() + SILENCE_MS;
	enum fate fate;
	bool moved;

	must(ends);
	memcpy(ends, at, count * sizeof *ends);
	fate = kafka_consumer_offsets_at(consumer, KAFKA_AT_END, ends, count, CALL_MS, err);
	while (fate == FATE_DONE && left(at, ends, count) > 0) {
		verify_progress(
		    v, "%s: %" PRId64 " records to read", at[0].topic, left(at, ends, count));
		fate = one_poll(v, consumer, at, count, take, ctx, &moved, err);
		if (moved)
			until = clock_mono_ms() + SILENCE_MS;
		else if (fate == FATE_DONE && clock_mono_ms() > until)
			fate = err_set(err, FATE_RETRY, "%s: nothing came for %d s",
			    at[0].topic, SILENCE_MS / 1000);
	}
	free(ends);
	return fate;
}

/* --- the enriched topic --- */

/* The values of a JSON key or row, in the order wanted, as they stand. */
static bool
members_find(struct slice object, const char *const *names, size_t count, struct slice *ret)
{
	struct slice raw;
	struct err ignored;

	if (json_check(object, &raw, &ignored) != FATE_DONE || json_kind_of(raw) != JSON_OBJECT)
		return false;
	for (size_t i = 0; i < count; i++) {
		ret[i] = json_member(raw, slice_str(names[i]));
		if (!ret[i].p)
			return false;
	}
	return true;
}

static struct slice
key_join(struct verify *v, const struct slice *values)
{
	v->key_text.len = 0;
	for (size_t i = 0; i < v->key_count; i++) {
		if (i)
			buf_byte(&v->key_text, ',');
		buf_slice(&v->key_text, values[i]);
	}
	return buf_view(&v->key_text);
}

/* {"id":1}, or Debezium's {"schema":..,"payload":{"id":1}}. p NULL: no such key. */
static struct slice
key_read(struct verify *v, struct slice text, const char *const *names)
{
	struct slice values[PIPELINE_KEYS_MAX], payload, raw;
	struct err ignored;

	if (!text.p || json_check(text, &raw, &ignored) != FATE_DONE ||
	    json_kind_of(raw) != JSON_OBJECT)
		return (struct slice){ 0 };
	payload = json_member(raw, SLICE("payload"));
	if (payload.p && json_kind_of(payload) == JSON_OBJECT)
		raw = payload;
	return members_find(raw, names, v->key_count, values) ? key_join(v, values)
							      : (struct slice){ 0 };
}

/* The row's columns as they stand; a missing one is empty, a strange one is added to the
 * last, so that the row differs from Postgres' whatever else it holds. */
static enum fate
row_read_json(struct verify *v, struct slice value, struct err *err)
{
	struct slice raw;
	struct json_walk walk;
	size_t known = 0, members = 0;
	enum fate fate = json_check(value, &raw, err);

	if (fate != FATE_DONE)
		return fate;
	if (json_kind_of(raw) != JSON_OBJECT)
		return err_set(err, FATE_REJECT, "the value is no JSON object");
	verify_row_begin(v);
	for (size_t i = 0; i < v->column_count; i++) {
		struct slice member = json_member(raw, slice_str(v->columns[i].name));

		known += member.p != NULL;
		buf_slice(&v->row.text, member);
		if (i + 1 < v->column_count)
			verify_row_end_column(v);
	}
	for (walk = json_walk(raw); json_next(&walk);)
		members++;
	if (members != known)
		buf_cstr(&v->row.text, " and fields that the query has not");
	verify_row_end_column(v);
	return FATE_DONE;
}

static enum fate
record_headers(const struct kafka_message *message, struct record *ret_record, struct err *err)
{
	struct header headers[HEADERS_MAX];
	size_t count = 0;
	enum fate fate = kafka_message_headers(message, headers, HEADERS_MAX, &count, err);

	if (fate == FATE_DONE)
		fate = record_read_headers(headers, count, ret_record, err);
	return fate;
}

/* The highest version is the key's last state: a replayed record may come later. */
static enum fate
take_record(struct verify *v, const struct kafka_message *message, void *ctx, struct err *err)
{
	const char *names[PIPELINE_KEYS_MAX];
	enum verify_pass pass = *(const enum verify_pass *)ctx;
	struct record record = { 0 };
	struct verify_entry *e;
	struct slice key;
	uint64_t sum = ROW_ABSENT;

	for (size_t i = 0; i < v->key_count; i++)
		names[i] = v->columns[v->key[i]].name;
	key = key_read(v, message->key, names);
	if (!key.p || record_headers(message, &record, err) != FATE_DONE)
		return err_set(err, FATE_HALT,
		    "%s/%" PRId32 "/%" PRId64 " is no record of this pipeline", message->topic,
		    message->partition, message->offset);
	e = pass == PASS_WHOLE ? verify_table_get(v->table, key)
			       : verify_table_find(v->table, key);
	if (!e)
		return pass == PASS_WHOLE
			   ? err_set(err, FATE_HALT, "more than %d keys", VERIFY_KEYS_MAX)
			   : FATE_DONE;
	if (e->offset >= 0 && record.version < e->version)
		return FATE_DONE;
	if (message->value.p) {
		if (row_read_json(v, message->value, err) != FATE_DONE)
			return err_wrap(err, "%s/%" PRId32 "/%" PRId64, message->topic,
			    message->partition, message->offset);
		sum = verify_row_checksum(v);
	}
	e->rows[SIDE_TOPIC] = sum;
	e->version = record.version;
	e->partition = message->partition;
	e->offset = message->offset;
	e->source_partition = record.source_partition;
	e->source_offset = record.source_offset;
	return FATE_DONE;
}

enum fate
verify_topic(struct verify *v, enum verify_pass pass, struct err *err)
{
	const char *topic = v->pipeline->enrich.topic;
	enum fate fate = FATE_DONE;

	if (!v->consumer) {
		fate = consumer_open(v, &v->consumer, err);
		if (fate == FATE_DONE)
			fate =
			    topic_begin(v->consumer, topic, &v->at, &v->partition_count, err);
	}
	if (fate == FATE_DONE)
		fate = topic_read(
		    v, v->consumer, v->at, v->partition_count, take_record, &pass, err);
	return fate == FATE_DONE ? fate : err_wrap(err, "read %s", topic);
}

/* --- evidence --- */

static enum fate
record_show(struct verify *v, struct verify_entry *e, struct err *err)
{
	struct buf *out = &v->evidence[e->evidence][SIDE_TOPIC];
	struct kafka_part part = { .topic = v->pipeline->enrich.topic,
		.partition = e->partition,
		.offset = e->offset };
	int64_t until = clock_mono_ms() + CALL_MS;
	enum fate fate = kafka_consumer_assign(v->consumer, &part, 1, err);

	while (fate == FATE_DONE && clock_mono_ms() < until) {
		struct kafka_message message;
		enum kafka_polled polled =
		    kafka_consumer_poll(v->consumer, POLL_MS, &message, err);

		if (polled != KAFKA_MESSAGE)
			continue;
		if (message.value.p)
			buf_slice(out, message.value);
		kafka_message_free(&message);
		break;
	}
	return fate;
}

enum fate
verify_topic_show(struct verify *v, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < verify_table_count(v->table) && fate == FATE_DONE; i++) {
		struct verify_entry *e = verify_table_entry(v->table, i);

		if (e->evidence >= 0 && e->offset >= 0)
			fate = record_show(v, e, err);
	}
	return fate;
}

/* --- dead letters --- */

struct letters {
	void (*excused)(void *ctx, struct verify_entry *e, enum verify_side side);
	void *ctx;
};

static struct slice
header_find(const struct header *headers, size_t count, struct slice name)
{
	for (size_t i = count; i-- > 0;) /* ours stand behind the original's */
		if (slice_eq(headers[i].name, name))
			return headers[i].value;
	return (struct slice){ 0 };
}

/* The fact's columns behind the key's: Debezium's own names. */
static void
fact_names(struct verify *v, const char **ret_names)
{
	for (size_t i = 0; i < v->key_count; i++) {
		size_t source, column;

		ret_names[i] = v->columns[v->key[i]].name;
		if (sql_query_result_origin(v->query, v->key[i], &source, &column))
			ret_names[i] = sql_query_source(v->query, source)->columns[column].name;
	}
}

static enum fate
take_letter(struct verify *v, const struct kafka_message *message, void *ctx, struct err *err)
{
	const struct letters *letters = ctx;
	const char *names[PIPELINE_KEYS_MAX];
	struct header headers[HEADERS_MAX];
	struct verify_entry *e;
	struct slice topic, key;
	int64_t offset, partition;
	size_t count = 0;
	bool source;

	if (kafka_message_headers(message, headers, HEADERS_MAX, &count, err) != FATE_DONE)
		return FATE_DONE;
	topic = header_find(headers, count, SLICE("__connect.errors.topic"));
	source = slice_eq(topic, slice_str(v->survey->fact_topic));
	fact_names(v, names);
	for (size_t i = 0; i < v->key_count && !source; i++)
		names[i] = v->columns[v->key[i]].name;
	key = key_read(v, message->key, names);
	e = key.p ? verify_table_find(v->table, key) : NULL;
	if (!e ||
	    !slice_i64(
		header_find(headers, count, SLICE("__connect.errors.offset")), &offset) ||
	    !slice_i64(
		header_find(headers, count, SLICE("__connect.errors.partition")), &partition))
		return FATE_DONE;
	if (source && offset > e->source_offset &&
	    (e->offset < 0 || partition == e->source_partition))
		letters->excused(letters->ctx, e, SIDE_TOPIC);
	else if (!source && offset >= e->offset && partition == e->partition &&
		 slice_eq(header_find(headers, count, SLICE("sluice.dlq.sink")),
		     SLICE("clickhouse")))
		letters->excused(letters->ctx, e, SIDE_CLICKHOUSE);
	return FATE_DONE;
}

enum fate
verify_letters(struct verify *v,
    void (*excused)(void *ctx, struct verify_entry *e, enum verify_side side), void *ctx,
    struct err *err)
{
	struct letters letters = { excused, ctx };
	struct kafka_consumer *consumer = NULL;
	struct kafka_part *parts = NULL;
	size_t count = 0;
	enum fate fate = consumer_open(v, &consumer, err);

	if (fate == FATE_DONE)
		fate = topic_begin(consumer, v->pipeline->dlq_topic, &parts, &count, err);
	if (fate == FATE_DONE)
		fate = topic_read(v, consumer, parts, count, take_letter, &letters, err);
	(void)kafka_consumer_close(consumer, CALL_MS);
	free(parts);
	return fate == FATE_DONE ? fate : err_wrap(err, "read %s", v->pipeline->dlq_topic);
}
