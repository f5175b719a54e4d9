/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "ctl/letter.h"
#include "ctl/verify_side.h"
#include "wire/json.h"

static void
left_tell(void *ctx, const char *topic, int64_t left)
{
	verify_progress(ctx, "%s: %" PRId64 " records to read", topic, left);
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
	size_t known = 0;
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
	if (json_count(raw) != known)
		buf_cstr(&v->row.text, " and fields that the query has not");
	verify_row_end_column(v);
	return FATE_DONE;
}

struct slice
verify_topic_key(struct verify *v, struct slice text)
{
	const char *names[PIPELINE_KEYS_MAX];

	for (size_t i = 0; i < v->key_count; i++)
		names[i] = v->columns[v->key[i]].name;
	return key_read(v, text, names);
}

/* The highest version is the key's last state: a replayed record may come later. */
static enum fate
take_record(void *ctx, struct kafka_message *message, struct err *err)
{
	struct verify *v = ctx;
	enum verify_pass pass = v->pass;
	struct record record = { 0 };
	struct verify_entry *e;
	struct slice key;
	uint64_t sum = ROW_ABSENT;

	key = verify_topic_key(v, message->key);
	if (!key.p || scan_record(message, &record, err) != FATE_DONE)
		return err_set(err, FATE_HALT,
		    "%s/%" PRId32 "/%" PRId64 " is no record of this pipeline", message->topic,
		    message->partition, message->offset);
	e = pass == PASS_WHOLE ? verify_table_get(v->table, key)
			       : verify_table_find(v->table, key);
	if (!e)
		return pass == PASS_WHOLE
			   ? err_set(err, FATE_HALT, "more than %d keys", VERIFY_KEYS_MAX)
			   : FATE_DONE;
	if (e->offset >= 0 && verify_is_older(e, record.version, !message->value.p)) {
		e->behind = message->partition == e->partition; /* a compacted log is one's */
		return FATE_DONE;
	}
	e->behind = false;
	e->gone = !message->value.p;
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

	v->pass = pass;
	if (!v->scan.consumer)
		fate = scan_open(&v->scan, &v->pipeline->kafka, topic, err);
	if (fate == FATE_DONE)
		fate = scan_read(&v->scan, take_record, left_tell, v, err);
	return fate == FATE_DONE ? fate : err_wrap(err, "read %s", topic);
}

/* --- evidence --- */

static enum fate
record_show(struct verify *v, struct verify_entry *e, struct err *err)
{
	struct kafka_message message;
	enum fate fate = scan_one(&v->scan, e->partition, e->offset, &message, err);

	if (fate == FATE_HALT) /* compacted since: no evidence is no fault */
		return FATE_DONE;
	if (fate != FATE_DONE)
		return fate;
	if (message.value.p)
		buf_slice(&v->evidence[e->evidence][SIDE_TOPIC], message.value);
	kafka_message_free(&message);
	return FATE_DONE;
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

static void
excuse(struct verify_entry *e, enum verify_side side)
{
	if (!e->agreed[side])
		e->excused[side] = e->agreed[side] = true;
	/* ClickHouse holds what the topic does: the same excuse */
	if (side == SIDE_TOPIC && !e->agreed[SIDE_CLICKHOUSE] &&
	    e->rows[SIDE_CLICKHOUSE] == e->rows[SIDE_TOPIC])
		e->excused[SIDE_CLICKHOUSE] = e->agreed[SIDE_CLICKHOUSE] = true;
}

void
verify_fact_names(const struct verify *v, const char *ret_names[static PIPELINE_KEYS_MAX])
{
	for (size_t i = 0; i < v->key_count; i++) {
		size_t source, column;

		ret_names[i] = v->columns[v->key[i]].name;
		if (sql_query_result_origin(v->query, v->key[i], &source, &column))
			ret_names[i] = sql_query_source(v->query, source)->columns[column].name;
	}
}

static enum fate
take_letter(void *ctx, struct kafka_message *message, struct err *err)
{
	struct verify *v = ctx;
	const char *names[PIPELINE_KEYS_MAX]; /* in Debezium's keys, or ours */
	struct letter letter;
	struct letter_note ignored;
	struct verify_entry *e;
	struct slice key;
	bool source;

	(void)err;
	if (letter_read(message, &letter, &ignored) != LETTER_DEAD)
		return FATE_DONE;
	source = slice_eq(letter.topic, slice_str(v->survey->fact_topic));
	verify_fact_names(v, names);
	key = source ? key_read(v, letter.key, names) : verify_topic_key(v, letter.key);
	e = key.p ? verify_table_find(v->table, key) : NULL;
	if (!e)
		return FATE_DONE;
	if (source && letter.from_offset > e->source_offset &&
	    (e->offset < 0 || letter.from_partition == e->source_partition))
		excuse(e, SIDE_TOPIC);
	else if (!source && letter.from_offset >= e->offset &&
		 letter.from_partition == e->partition &&
		 slice_eq(letter.worker, SLICE("clickhouse")))
		excuse(e, SIDE_CLICKHOUSE);
	return FATE_DONE;
}

enum fate
verify_letters(struct verify *v, struct err *err)
{
	struct scan scan;
	enum fate fate = scan_open(&scan, &v->pipeline->kafka, v->pipeline->dlq_topic, err);

	if (fate == FATE_DONE)
		fate = scan_read(&scan, take_letter, NULL, v, err);
	scan_close(&scan);
	return fate == FATE_DONE ? fate : err_wrap(err, "read %s", v->pipeline->dlq_topic);
}
