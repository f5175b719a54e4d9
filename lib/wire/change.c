/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/change_parts.h"
#include "wire/json.h"

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
static inline enum fate
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
	const char *p, *end, *behind;

	if (is_null(raw) || raw.p[0] != '"')
		return;
	p = raw.p + 1;
	end = raw.p + raw.len - 1;
	while (p < end && (*p == '[' || *p == '\\' || *p == '"' || *p == ' '))
		p++;
	behind = memchr(p, '\\', (size_t)(end - p));
	if (behind && *p != '-' &&
	    slice_i64(slice_of(p, (size_t)(behind - p)), &change->sequence)) {
		change->has_sequence = true;
		return;
	}
	for (behind = p; behind < end && *behind >= '0' && *behind <= '9'; behind++)
		;
	change->has_sequence = slice_i64(slice_of(p, (size_t)(behind - p)), &change->sequence);
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
read_times(const struct parts_source *source, struct change *change, struct err *err)
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
read_source(const struct parts_source *source, struct change *change, struct err *err)
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
	if (raw.len != 3 || !memchr(letters, raw.p[1], strlen(letters)))
		return err_set(err, FATE_REJECT, "%s %.*s is not one of %s", name,
		    raw.len > 40 ? 40 : (int)raw.len, raw.p, letters);
	*ret_op = raw.p[1];
	return FATE_DONE;
}

static enum fate
read_enveloped(const struct parts_envelope *env, struct change *change, struct err *err)
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
read_unwrapped(const struct parts_envelope *env, struct change *change, struct err *err)
{
	struct parts_source source = { .lsn = env->row_lsn,
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
		change->before = env->self.raw;
	else
		change->after = env->self.raw;
	return fate == FATE_DONE ? read_source(&source, change, err) : fate;
}

/* BEGIN and END of a transaction, and heartbeats. */
static bool
is_control(const struct parts_envelope *env)
{
	size_t status = (is_string(env->status, "BEGIN") || is_string(env->status, "END"));

	if (status && env->id.p && env->id.p[0] == '"')
		return env->self.known + 1 == env->self.count && !env->op.p;
	return env->self.count == 1 && env->ts_ms.p;
}

/* A row may have columns called op or source: an envelope's members must have an
 * envelope's shape. */
static bool
is_envelope(const struct parts_envelope *env)
{
	bool shaped =
	    is_object(env->before) || is_object(env->after) || is_object(env->source_raw);

	if (env->row_op.p || env->row_deleted.p)
		return false;
	if (env->self.known == env->self.count)
		return true;
	if (!env->op.p)
		return shaped;
	return shaped || (env->before.p && env->before.p[0] == 'n') ||
	       (env->after.p && env->after.p[0] == 'n') ||
	       (env->source_raw.p && env->source_raw.p[0] == 'n');
}

static enum fate
read_payload(const struct parts_envelope *env, struct change *change, struct err *err)
{
	if (!env->self.count)
		return err_set(err, FATE_REJECT, "the event is an empty object");
	if (is_control(env)) {
		change->kind = CHANGE_OTHER;
		return FATE_DONE;
	}
	return is_envelope(env) ? read_enveloped(env, change, err)
				: read_unwrapped(env, change, err);
}

enum fate
change_of_parts(const struct change_parts *parts, struct change *ret_change, struct err *err)
{
	const struct parts_envelope *outer = &parts->outer;
	struct change change = { .kind = CHANGE_TOMBSTONE };
	bool wrapped = change_parts_wrapped(parts);
	enum fate fate = FATE_DONE;

	if (wrapped && is_object(outer->schema))
		change.schema = outer->schema;
	if (!is_null(outer->self.raw)) {
		if (!is_object(outer->self.raw))
			return err_set(err, FATE_REJECT, "the event is not an object");
		if (!wrapped)
			fate = read_payload(outer, &change, err);
		else if (is_object(outer->payload_raw))
			fate = read_payload(&parts->inner, &change, err);
		else if (!is_null(outer->payload_raw))
			fate = err_set(err, FATE_REJECT, "payload is not an object");
	}
	if (fate == FATE_DONE)
		*ret_change = change;
	return fate;
}

enum fate
change_read(struct slice value, struct change *ret_change, struct err *err)
{
	struct change_parts parts = { 0 };
	enum fate fate = FATE_DONE;

	if (value.p)
		fate = change_parts_scan(value, &parts, err);
	return fate == FATE_DONE ? change_of_parts(&parts, ret_change, err) : fate;
}
