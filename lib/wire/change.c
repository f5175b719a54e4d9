/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/change.h"

#include "wire/json.h"
#include "wire/json_scan.h"

/* What the strict pass picks up; the slices are raw JSON values, p NULL when the
 * member is missing. */
struct source {
	struct slice lsn, tx_id, sequence, ts_ms, ts_us, ts_usec, snapshot, schema, table;
};

struct envelope {
	struct slice before, after, op, source_raw, message;
	struct slice schema, payload_raw;
	struct slice status, id, event_count, collections, ts_ms;
	struct slice ignored; /* an envelope's, and of no use here */
	/* what ExtractNewRecordState adds to a row */
	struct slice row_op, row_deleted, row_lsn, row_tx_id, row_ts_ms, row_schema, row_table;
	struct source source;
	size_t count; /* members */
	size_t known; /* of them, those that an envelope or a control event has */
	struct slice raw;
};

struct field {
	const char *name;
	uint8_t len;
	bool known; /* counted in envelope.known */
	uint16_t at;
};

#define FIELD(text, holder, member, is_known)                                                  \
	{                                                                                      \
		text, sizeof(text) - 1, is_known, offsetof(struct holder, member)              \
	}

/* By the name's length, so that a lookup compares with few. */
enum { NAME_LEN_MAX = 16, BUCKET = 5 };

static const struct field envelope_fields[NAME_LEN_MAX + 1][BUCKET] = {
	[2] = { FIELD("op", envelope, op, true), FIELD("id", envelope, id, false) },
	[4] = { FIELD("__op", envelope, row_op, false) },
	[5] = { FIELD("after", envelope, after, true), FIELD("ts_ms", envelope, ts_ms, true),
	    FIELD("ts_us", envelope, ignored, true), FIELD("ts_ns", envelope, ignored, true),
	    FIELD("__lsn", envelope, row_lsn, false) },
	[6] = { FIELD("before", envelope, before, true),
	    FIELD("source", envelope, source_raw, true),
	    FIELD("schema", envelope, schema, false), FIELD("status", envelope, status, true),
	    FIELD("__txId", envelope, row_tx_id, false) },
	[7] = { FIELD("message", envelope, message, true),
	    FIELD("payload", envelope, payload_raw, false),
	    FIELD("__table", envelope, row_table, false) },
	[8] = { FIELD("__schema", envelope, row_schema, false) },
	[9] = { FIELD("__deleted", envelope, row_deleted, false) },
	[11] = { FIELD("event_count", envelope, event_count, true),
	    FIELD("transaction", envelope, ignored, true) },
	[12] = { FIELD("__source_lsn", envelope, row_lsn, false) },
	[13] = { FIELD("__source_txId", envelope, row_tx_id, false) },
	[14] = { FIELD("__source_ts_ms", envelope, row_ts_ms, false),
	    FIELD("__source_table", envelope, row_table, false) },
	[15] = { FIELD("__source_schema", envelope, row_schema, false) },
	[16] = { FIELD("data_collections", envelope, collections, true) },
};

static const struct field source_fields[NAME_LEN_MAX + 1][BUCKET] = {
	[3] = { FIELD("lsn", source, lsn, false) },
	[4] = { FIELD("txId", source, tx_id, false) },
	[5] = { FIELD("ts_ms", source, ts_ms, false), FIELD("ts_us", source, ts_us, false),
	    FIELD("table", source, table, false) },
	[6] = { FIELD("schema", source, schema, false) },
	[7] = { FIELD("ts_usec", source, ts_usec, false) },
	[8] = { FIELD("sequence", source, sequence, false),
	    FIELD("snapshot", source, snapshot, false) },
};

typedef const struct field field_table[BUCKET];

static const struct field *
field_find_escaped(field_table *fields, struct json_name name)
{
	for (size_t len = 0; len <= NAME_LEN_MAX; len++)
		for (size_t i = 0; i < BUCKET && fields[len][i].len; i++)
			if (json_name_is(name, slice_of(fields[len][i].name, len)))
				return &fields[len][i];
	return NULL;
}

static inline const struct field *
field_find(field_table *fields, struct json_name name)
{
	if (name.escaped)
		return field_find_escaped(fields, name);
	if (name.len > NAME_LEN_MAX)
		return NULL;
	for (size_t i = 0; i < BUCKET; i++) {
		const struct field *f = &fields[name.len][i];
		if (f->len != name.len || !f->len)
			break;
		/* the last byte but one tells ts_ms from ts_us */
		if (f->name[f->len - 2] == name.p[name.len - 2] &&
		    memcmp(f->name, name.p, name.len) == 0)
			return f;
	}
	return NULL;
}

/* --- the strict pass --- */

static void
scan_source(struct json_scan *scan, struct source *source)
{
	struct json_scan_object object;
	struct json_name name;
	struct slice raw;

	if (!json_scan_open(scan, &object))
		return;
	while (json_scan_member(scan, &object, &name)) {
		const struct field *f = field_find(source_fields, name);
		if (!json_scan_value(scan, &raw))
			return;
		if (f)
			*(struct slice *)(void *)((char *)source + f->at) = raw;
	}
}

/* inner is where a payload goes; NULL when this is one. */
static void
scan_envelope(struct json_scan *scan, struct envelope *env, struct envelope *inner)
{
	struct json_scan_object object;
	struct json_name name;
	const char *start;

	(void)json_scan_peek(scan);
	env->raw.p = scan->at;
	if (!json_scan_open(scan, &object))
		return;
	while (json_scan_member(scan, &object, &name)) {
		const struct field *f = field_find(envelope_fields, name);
		char c = json_scan_peek(scan);
		struct slice *slot = f ? (struct slice *)(void *)((char *)env + f->at) : NULL;
		struct slice raw;

		env->count++;
		env->known += f && f->known;
		start = scan->at;
		if (slot == &env->source_raw && c == '{')
			scan_source(scan, &env->source);
		else if (slot == &env->payload_raw && c == '{' && inner)
			scan_envelope(scan, inner, NULL);
		else
			(void)json_scan_value(scan, &raw);
		if (slot && !scan->why)
			*slot = slice_of(start, (size_t)(scan->at - start));
	}
	env->raw.len = (size_t)(scan->at - env->raw.p);
}

/* --- single fields --- */

static bool
is_null(struct slice raw)
{
	return !raw.p || raw.p[0] == 'n';
}

static bool
is_object(struct slice raw)
{
	return raw.p && raw.p[0] == '{';
}

static bool
is_string(struct slice raw, const char *text)
{
	return raw.p && raw.p[0] == '"' && slice_eq(json_inner(raw), slice_str(text));
}

/* A number, or a string of digits (the documentation's examples have both). */
static enum fate
read_integer(
    struct slice raw, const char *what, bool *ret_has, int64_t *ret_value, struct err *err)
{
	int64_t value;

	if (is_null(raw))
		return FATE_DONE;
	if (!slice_i64(raw.p[0] == '"' ? json_inner(raw) : raw, &value))
		return err_set(err, FATE_REJECT, "%s is not a 64-bit integer: %.*s", what,
		    raw.len > 40 ? 40 : (int)raw.len, raw.p);
	*ret_value = value;
	*ret_has = true;
	return FATE_DONE;
}

/* ["lastCommitLsn"|null,"lsn"] inside a string, its quotes escaped. */
static void
read_sequence(struct slice raw, struct change *change)
{
	const char *p, *end;
	struct slice digits = { 0 };

	if (is_null(raw) || raw.p[0] != '"')
		return;
	p = raw.p + 1;
	end = raw.p + raw.len - 1;
	while (p < end && (*p == '[' || *p == '\\' || *p == '"' || *p == ' '))
		p++;
	digits.p = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	digits.len = (size_t)(p - digits.p);
	change->has_sequence = slice_i64(digits, &change->sequence);
}

/* A string in 1.x and later, a boolean before. A word that a newer Debezium may
 * add counts as part of an initial snapshot. */
static enum change_snapshot
read_snapshot(struct slice raw)
{
	if (is_null(raw) || raw.p[0] == 'f' || is_string(raw, "false"))
		return SNAPSHOT_NO;
	return is_string(raw, "incremental") ? SNAPSHOT_INCREMENTAL : SNAPSHOT_INITIAL;
}

static struct slice
read_name(struct slice raw)
{
	return raw.p && raw.p[0] == '"' ? json_inner(raw) : (struct slice){ 0 };
}

static enum fate
read_times(const struct source *source, struct change *change, struct err *err)
{
	bool has_ms = false, has_us = false;
	enum fate fate =
	    read_integer(source->ts_ms, "source.ts_ms", &has_ms, &change->ts_ms, err);

	if (fate == FATE_DONE)
		fate =
		    read_integer(source->ts_us, "source.ts_us", &has_us, &change->ts_us, err);
	if (fate == FATE_DONE && !has_us)
		fate = read_integer(
		    source->ts_usec, "source.ts_usec", &has_us, &change->ts_us, err);
	if (fate != FATE_DONE)
		return fate;
	if (!has_ms)
		change->ts_ms = change->ts_us / 1000;
	if (!has_us && __builtin_mul_overflow(change->ts_ms, INT64_C(1000), &change->ts_us))
		return err_set(err, FATE_REJECT, "source.ts_ms is out of range");
	return FATE_DONE;
}

static enum fate
read_source(const struct source *source, struct change *change, struct err *err)
{
	enum fate fate =
	    read_integer(source->lsn, "source.lsn", &change->has_lsn, &change->lsn, err);

	if (fate == FATE_DONE)
		fate = read_integer(
		    source->tx_id, "source.txId", &change->has_tx_id, &change->tx_id, err);
	if (fate == FATE_DONE)
		fate = read_times(source, change, err);
	if (fate != FATE_DONE)
		return fate;
	read_sequence(source->sequence, change);
	change->snapshot = read_snapshot(source->snapshot);
	change->db_schema = read_name(source->schema);
	change->db_table = read_name(source->table);
	return FATE_DONE;
}

/* --- what kind of event it is --- */

static enum fate
row_image(
    struct slice raw, const char *name, bool needed, struct slice *ret_image, struct err *err)
{
	if (is_object(raw))
		*ret_image = raw;
	else if (raw.p && raw.p[0] != 'n')
		return err_set(err, FATE_REJECT, "%s is not an object", name);
	else if (needed)
		return err_set(err, FATE_REJECT, "%s is %s", name, raw.p ? "null" : "missing");
	return FATE_DONE;
}

/* One of letters, from a raw string. */
static enum fate
read_op(struct slice raw, const char *name, const char *letters, char *ret_op, struct err *err)
{
	if (!raw.p)
		return err_set(err, FATE_REJECT, "%s is missing", name);
	if (raw.p[0] != '"')
		return err_set(err, FATE_REJECT, "%s is not a string", name);
	if (raw.len != 3 || !strchr(letters, raw.p[1]))
		return err_set(err, FATE_REJECT, "%s %.*s is not one of %s", name,
		    raw.len > 40 ? 40 : (int)raw.len, raw.p, letters);
	*ret_op = raw.p[1];
	return FATE_DONE;
}

static enum fate
read_enveloped(const struct envelope *env, struct change *change, struct err *err)
{
	enum fate fate = read_op(env->op, "op", "cudrtm", &change->op, err);
	bool row = change->op != 't' && change->op != 'm';

	if (fate == FATE_DONE && !is_null(env->source_raw) && !is_object(env->source_raw))
		fate = err_set(err, FATE_REJECT, "source is not an object");
	if (fate == FATE_DONE)
		fate = read_source(&env->source, change, err);
	if (fate == FATE_DONE && row)
		fate = row_image(env->before, "before", false, &change->before, err);
	if (fate == FATE_DONE && row)
		fate = row_image(env->after, "after", change->op != 'd', &change->after, err);
	change->kind = change->op == 't' ? CHANGE_TRUNCATE : row ? CHANGE_ROW : CHANGE_OTHER;
	return fate;
}

/* A row that ExtractNewRecordState has left; its own members tell the rest. */
static enum fate
read_unwrapped(const struct envelope *env, struct change *change, struct err *err)
{
	struct source source = { .lsn = env->row_lsn,
		.tx_id = env->row_tx_id,
		.ts_ms = env->row_ts_ms,
		.schema = env->row_schema,
		.table = env->row_table };
	enum fate fate = FATE_DONE;

	change->unwrapped = true;
	change->kind = CHANGE_ROW;
	change->op = 'c';
	if (!is_null(env->row_op))
		fate = read_op(env->row_op, "__op", "cudrt", &change->op, err);
	if (is_string(env->row_deleted, "true") ||
	    (env->row_deleted.p && env->row_deleted.p[0] == 't'))
		change->op = 'd';
	if (change->op == 't')
		change->kind = CHANGE_TRUNCATE;
	else if (change->op == 'd')
		change->before = env->raw;
	else
		change->after = env->raw;
	return fate == FATE_DONE ? read_source(&source, change, err) : fate;
}

/* BEGIN and END of a transaction, and heartbeats. */
static bool
is_control(const struct envelope *env)
{
	size_t status = (is_string(env->status, "BEGIN") || is_string(env->status, "END"));

	if (status && env->id.p && env->id.p[0] == '"')
		return env->known + 1 == env->count && !env->op.p;
	return env->count == 1 && env->ts_ms.p;
}

/* A row may have columns called op or source: an envelope's members must have an
 * envelope's shape. */
static bool
is_envelope(const struct envelope *env)
{
	bool shaped =
	    is_object(env->before) || is_object(env->after) || is_object(env->source_raw);

	if (env->row_op.p || env->row_deleted.p)
		return false;
	if (env->known == env->count)
		return true;
	if (!env->op.p)
		return shaped;
	return shaped || (env->before.p && env->before.p[0] == 'n') ||
	       (env->after.p && env->after.p[0] == 'n') ||
	       (env->source_raw.p && env->source_raw.p[0] == 'n');
}

static enum fate
read_payload(const struct envelope *env, struct change *change, struct err *err)
{
	if (!env->count)
		return err_set(err, FATE_REJECT, "the event is an empty object");
	if (is_control(env)) {
		change->kind = CHANGE_OTHER;
		return FATE_DONE;
	}
	return is_envelope(env) ? read_enveloped(env, change, err)
				: read_unwrapped(env, change, err);
}

/* The first byte tells what is no JSON at all. */
static enum fate
scan_message(
    struct slice value, struct envelope *outer, struct envelope *inner, struct err *err)
{
	struct json_scan scan;
	struct slice raw;
	enum fate fate;
	char c;

	json_scan_init(&scan, value);
	c = json_scan_peek(&scan);
	if (c == '{')
		scan_envelope(&scan, outer, inner);
	else if (json_scan_value(&scan, &raw))
		outer->raw = raw;
	(void)json_scan_end(&scan);
	fate = json_scan_refusal(&scan, err);
	json_scan_finish(&scan);
	if (fate == FATE_DONE || value.len < 5 || value.p[0] != '\0')
		return fate;
	return err_set(err, FATE_REJECT,
	    "not JSON at byte 0: 0x00, the framing of Confluent's schema registry (Avro?)");
}

enum fate
change_read(struct slice value, struct change *ret_change, struct err *err)
{
	struct envelope outer = { 0 }, inner = { 0 };
	struct change change = { .kind = CHANGE_TOMBSTONE };
	enum fate fate = FATE_DONE;
	bool wrapped;

	if (value.p)
		fate = scan_message(value, &outer, &inner, err);
	if (fate != FATE_DONE)
		return fate;
	wrapped = outer.count == 2 && outer.schema.p && outer.payload_raw.p;
	if (wrapped && is_object(outer.schema))
		change.schema = outer.schema;
	if (!is_null(outer.raw)) {
		if (!is_object(outer.raw))
			return err_set(err, FATE_REJECT, "the event is not an object");
		if (!wrapped)
			fate = read_payload(&outer, &change, err);
		else if (is_object(outer.payload_raw))
			fate = read_payload(&inner, &change, err);
		else if (!is_null(outer.payload_raw))
			fate = err_set(err, FATE_REJECT, "payload is not an object");
	}
	if (fate == FATE_DONE)
		*ret_change = change;
	return fate;
}
