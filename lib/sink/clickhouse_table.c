/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/must.h"
#include "sink/clickhouse_ops.h"
#include "wire/json.h"

enum { DESCRIBE_ARENA = 1 << 20 };

void
name_quote(struct buf *out, const char *name)
{
	buf_byte(out, '`');
	for (; *name; name++) {
		if (*name == '`' || *name == '\\')
			buf_byte(out, '\\');
		buf_byte(out, *name);
	}
	buf_byte(out, '`');
}

void
target_free(struct target *target)
{
	for (size_t i = 0; i < target->count; i++) {
		free(target->columns[i].name);
		free(target->columns[i].type);
	}
	free(target->columns);
	*target = (struct target){ 0 };
}

struct target_column *
table_column(const struct target *target, struct slice name)
{
	for (size_t i = 0; i < target->count; i++)
		if (slice_eq(slice_str(target->columns[i].name), name))
			return &target->columns[i];
	return NULL;
}

/* A member of a checked object as a heap string. */
static char *
member_text(struct slice object, struct slice name, struct arena *arena)
{
	struct slice raw = json_member(object, name), text;

	if (!raw.p || json_kind_of(raw) != JSON_STRING)
		return NULL;
	text = json_text(raw, arena);
	return text.p ? strndup(text.p, text.len) : NULL;
}

static enum fate
read_line(struct slice line, struct target *target, struct arena *arena, struct err *err)
{
	struct target_column column = { 0 };
	struct slice object;
	char *kind;

	if (json_check(line, &object, err) != FATE_DONE)
		return err->fate = FATE_RETRY;
	if (json_kind_of(object) != JSON_OBJECT)
		return err_set(err, FATE_RETRY, "not an object: %.*s", SLICE_ARG(line));
	column.name = member_text(object, SLICE("name"), arena);
	column.type = member_text(object, SLICE("type"), arena);
	kind = member_text(object, SLICE("default_type"), arena);
	if (!column.name || !column.type || !kind ||
	    (kind[0] && strcmp(kind, "DEFAULT") != 0)) {
		/* MATERIALIZED, ALIAS and EPHEMERAL are not for an INSERT to fill */
		bool odd = !column.name || !column.type || !kind;

		free(column.name);
		free(column.type);
		free(kind);
		return odd ? err_set(err, FATE_RETRY, "not a column: %.*s", SLICE_ARG(line))
			   : FATE_DONE;
	}
	column.has_default = kind[0] != '\0';
	free(kind);
	target->columns =
	    realloc(target->columns, (target->count + 1) * sizeof *target->columns);
	must(target->columns);
	target->columns[target->count++] = column;
	return FATE_DONE;
}

enum fate
target_read(struct slice text, struct target *ret_target, struct err *err)
{
	struct target target = { 0 };
	enum fate fate = FATE_DONE;
	struct arena arena;

	arena_init(&arena, DESCRIBE_ARENA);
	while (text.len > 0 && fate == FATE_DONE) {
		const char *end = memchr(text.p, '\n', text.len);
		size_t len = end ? (size_t)(end - text.p) : text.len;

		if (len > 0)
			fate = read_line(slice_of(text.p, len), &target, &arena, err);
		text = slice_of(text.p + len + (end != NULL), text.len - len - (end != NULL));
	}
	arena_finish(&arena);
	if (fate == FATE_DONE)
		*ret_target = target;
	else
		target_free(&target);
	return fate;
}

static bool
target_same(const struct target *a, const struct target *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->columns[i].name, b->columns[i].name) != 0 ||
		    strcmp(a->columns[i].type, b->columns[i].type) != 0 ||
		    a->columns[i].has_default != b->columns[i].has_default)
			return false;
	return true;
}

/* Nullable(T), or LowCardinality(Nullable(T)); false when T cannot be. */
static bool
nullable_type(const char *type, struct buf *out)
{
	static const char low[] = "LowCardinality(";
	const char *inner = type;

	if (strncmp(type, low, sizeof low - 1) == 0) {
		buf_cstr(out, low);
		inner += sizeof low - 1;
	}
	if (strncmp(inner, "Nullable(", 9) == 0 || strncmp(inner, "Array(", 6) == 0 ||
	    strncmp(inner, "Map(", 4) == 0 || strncmp(inner, "JSON", 4) == 0)
		return false;
	buf_cstr(out, "Nullable(");
	buf_cstr(out, inner);
	buf_byte(out, ')');
	return true;
}

static bool
is_identity(const struct clickhouse *ch, const char *name)
{
	for (size_t i = 0; i < ch->config.identity_count; i++)
		if (strcmp(ch->config.identity[i], name) == 0)
			return true;
	return false;
}

enum fate
table_build(struct clickhouse *ch, struct target_column *column, struct err *err)
{
	struct slice type = slice_str(column->type);
	struct buf nullable = { 0 };
	enum fate fate;

	column->null_default = column->has_default && !is_identity(ch, column->name) &&
			       nullable_type(column->type, &nullable);
	if (column->null_default)
		type = buf_view(&nullable);
	fate = native_block_add(ch->block, column->name, type, &column->built, err);
	ch->built_count += fate == FATE_DONE;
	buf_finish(&nullable);
	return fate;
}

static void
block_reset(struct clickhouse *ch)
{
	native_block_free(ch->block);
	ch->block = native_block_new();
	ch->built_count = 0;
	hints_finish(&ch->value_hints);
	hints_finish(&ch->before_hints);
	hints_finish(&ch->key_hints);
	for (size_t i = 0; i < ch->target.count; i++)
		ch->target.columns[i].built = NULL;
}

static enum fate
build_named(
    struct clickhouse *ch, const char *name, struct native_column **ret_column, struct err *err)
{
	struct target_column *column = table_column(&ch->target, slice_str(name));

	if (!column)
		return err_set(err, FATE_HALT, "the table has no column %s", name);
	if (!column->built && table_build(ch, column, err) != FATE_DONE)
		return err->fate;
	*ret_column = column->built;
	return FATE_DONE;
}

static enum fate
check_counter(const struct native_column *column, uint32_t width_min, struct err *err)
{
	const struct native_type *type = native_column_type(column);

	if (type->low || type->nullable || type->width < width_min ||
	    (type->kind != NATIVE_UINT && type->kind != NATIVE_INT &&
		type->kind != NATIVE_BOOL))
		return err_set(
		    err, FATE_HALT, "column %s has the wrong type", native_column_name(column));
	return FATE_DONE;
}

static const char *
renamed(const struct sink_clickhouse_config *config, const char *field)
{
	for (size_t i = 0; i < config->rename_count; i++)
		if (strcmp(config->renames[i].field, field) == 0)
			return config->renames[i].column;
	return field;
}

static enum fate
build_counter(struct clickhouse *ch, const char *name, uint32_t width_min,
    struct native_column **ret_column, struct err *err)
{
	if (build_named(ch, name, ret_column, err) != FATE_DONE)
		return err->fate;
	return check_counter(*ret_column, width_min, err);
}

/* The one that goes first is filled last, so its rows are the complete ones. */
static enum fate
build_own(struct clickhouse *ch, struct err *err)
{
	if (ch->append) {
		if (build_counter(ch, "_offset", 8, &ch->offset, err) != FATE_DONE ||
		    build_counter(ch, "_partition", 4, &ch->partition, err) != FATE_DONE ||
		    build_named(ch, "_topic", &ch->topic, err) != FATE_DONE)
			return err->fate;
		ch->counter = ch->offset;
	} else {
		if (build_counter(ch, "_version", 8, &ch->version, err) != FATE_DONE ||
		    build_counter(ch, "_deleted", 1, &ch->deleted, err) != FATE_DONE)
			return err->fate;
		ch->counter = ch->version;
	}
	ch->operation = NULL;
	if (!ch->config.operation)
		return FATE_DONE;
	return build_named(ch, ch->config.operation, &ch->operation, err);
}

static enum fate
build_columns(struct clickhouse *ch, struct err *err)
{
	const struct sink_clickhouse_config *config = &ch->config;
	struct native_column *column;

	if (build_own(ch, err) != FATE_DONE)
		return err->fate;
	for (size_t i = 0; i < config->identity_count; i++)
		if (build_named(ch, config->identity[i], &ch->identity[i], err) != FATE_DONE)
			return err->fate;
	for (size_t i = 0; i < config->field_count; i++)
		if (build_named(ch, renamed(config, config->fields[i].name), &column, err) !=
		    FATE_DONE)
			return err->fate;
	return FATE_DONE;
}

enum fate
table_use(struct clickhouse *ch, struct target *target, bool *ret_changed, struct err *err)
{
	enum fate fate;

	*ret_changed = !ch->block || !target_same(&ch->target, target);
	if (!*ret_changed) {
		target_free(target);
		return FATE_DONE;
	}
	target_free(&ch->target);
	ch->target = *target;
	*target = (struct target){ 0 };
	block_reset(ch);
	fate = build_columns(ch, err);
	if (fate != FATE_DONE)
		target_free(&ch->target); /* so that the next look sees a change */
	return fate;
}

enum fate
table_describe(struct clickhouse *ch, bool *ret_changed, struct err *err)
{
	const struct sink_clickhouse_config *config = &ch->config;
	struct target target = { 0 };
	struct buf query = { 0 };
	enum fate fate;

	buf_cstr(&query, "DESCRIBE TABLE ");
	name_quote(&query, config->database);
	buf_byte(&query, '.');
	name_quote(&query, config->table);
	buf_cstr(&query, " FORMAT JSONEachRow");
	fate = server_query(ch, buf_str(&query), NULL, 0, err);
	buf_finish(&query);
	if (fate == FATE_DONE)
		fate = target_read(buf_view(&ch->question.response.body), &target, err);
	if (fate == FATE_DONE)
		fate = table_use(ch, &target, ret_changed, err);
	if (fate != FATE_DONE)
		return err_wrap(err, "table %s.%s", config->database, config->table);
	return FATE_DONE;
}

void
table_close(struct clickhouse *ch)
{
	target_free(&ch->target);
	native_block_free(ch->block);
	hints_finish(&ch->value_hints);
	hints_finish(&ch->before_hints);
	hints_finish(&ch->key_hints);
}
