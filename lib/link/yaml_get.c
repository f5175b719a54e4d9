/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/options.h"
#include "link/yaml.h"
#include "link/yaml_tree.h"

enum { SECRET_MAX = 64 << 10 };

struct yaml_node *
yaml_root(struct yaml *yaml)
{
	return yaml->root;
}

const char *
yaml_name(const struct yaml *yaml)
{
	return yaml->name;
}

enum fate
yaml_error(const struct yaml_node *node, struct err *err, const char *fmt, ...)
{
	char what[ERR_WHAT_SIZE];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	return err_set(
	    err, FATE_HALT, "%s:%u:%u: %s", node->doc->name, node->line, node->column, what);
}

static bool
name_char(char c, bool first)
{
	return c == '_' || isalpha((unsigned char)c) || (!first && isdigit((unsigned char)c));
}

/* One reference at the start of text ("${..."); its length in *ret_len. */
static enum fate
substitute_one(struct buf *out, struct slice text, size_t *ret_len, yaml_env *env,
    void *env_ctx, const struct yaml_node *node, struct err *err)
{
	char name[128];
	const char *end = memchr(text.p, '}', text.len);
	size_t len = 0, at = 2;
	if (end == NULL)
		return yaml_error(node, err, "'${' without '}'");
	size_t stop = (size_t)(end - text.p);
	while (at < stop && len < sizeof name - 1 && name_char(text.p[at], len == 0))
		name[len++] = text.p[at++];
	name[len] = 0;
	bool has_default = stop - at >= 2 && text.p[at] == ':' && text.p[at + 1] == '-';
	if (len == 0 || (at != stop && !has_default))
		return yaml_error(node, err, "'%.*s' is not ${NAME} or ${NAME:-default}",
		    (int)(stop + 1 > 60 ? 60 : stop + 1), text.p);
	const char *value = env(env_ctx, name);
	if (has_default && (value == NULL || *value == 0))
		buf_put(out, text.p + at + 2, stop - at - 2);
	else if (value == NULL)
		return yaml_error(node, err, "the variable %s is not set", name);
	else
		buf_cstr(out, value);
	*ret_len = stop + 1;
	return FATE_DONE;
}

enum fate
yaml_substitute(struct buf *out, struct slice text, yaml_env *env, void *env_ctx,
    const struct yaml_node *node, struct err *err)
{
	for (size_t i = 0; i < text.len;) {
		struct slice rest = slice_of(text.p + i, text.len - i);
		size_t len = 1;
		if (rest.len >= 3 && memcmp(rest.p, "$${", 3) == 0) {
			buf_put(out, "${", 2);
			len = 3;
		} else if (rest.len >= 2 && memcmp(rest.p, "${", 2) == 0) {
			enum fate fate =
			    substitute_one(out, rest, &len, env, env_ctx, node, err);
			if (fate != FATE_DONE)
				return fate;
		} else {
			buf_byte(out, rest.p[0]);
		}
		if (out->len > YAML_SIZE_MAX)
			return yaml_error(node, err, "larger than %d bytes", YAML_SIZE_MAX);
		i += len;
	}
	return FATE_DONE;
}

static bool
is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && !node->quoted &&
	       (node->text_len == 0 || strcmp(node->text, "~") == 0 ||
		   strcmp(node->text, "null") == 0);
}

static struct yaml_node *
find(const struct yaml_node *map, const char *key)
{
	must(map->kind == YAML_MAP);
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->keys[i], key) == 0)
			return map->items[i];
	return NULL;
}

bool
yaml_has(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *node = find(map, key);
	return node && !is_null(node);
}

struct yaml_node *
yaml_get(struct yaml_node *map, const char *key)
{
	struct yaml_node *node = find(map, key);
	if (node == NULL)
		return NULL;
	node->was_read = true;
	return is_null(node) ? NULL : node;
}

/* The node a getter is about, of the kind it wants; NULL when absent and optional. */
static enum fate
want(struct yaml_node *map, const char *key, enum yaml_need need, enum yaml_kind kind,
    struct yaml_node **ret_node, struct err *err)
{
	static const char *const names[] = { "keys and values", "a list", "a single value" };
	struct yaml_node *node = key ? yaml_get(map, key) : map;
	*ret_node = node;
	if (node == NULL && need == YAML_REQUIRED)
		return yaml_error(map, err, "'%s' is missing", key ? key : "this");
	if (node == NULL)
		return FATE_DONE;
	node->was_read = true;
	if (node->kind != kind)
		return yaml_error(
		    node, err, "'%s' must be %s", key ? key : "this", names[kind]);
	return FATE_DONE;
}

enum fate
yaml_map(struct yaml_node *map, const char *key, enum yaml_need need,
    struct yaml_node **ret_map, struct err *err)
{
	struct yaml_node *node;
	enum fate fate = want(map, key, need, YAML_MAP, &node, err);
	if (fate == FATE_DONE && node)
		*ret_map = node;
	return fate;
}

enum fate
yaml_seq(struct yaml_node *map, const char *key, enum yaml_need need,
    struct yaml_node **ret_seq, struct err *err)
{
	struct yaml_node *node;
	enum fate fate = want(map, key, need, YAML_SEQ, &node, err);
	if (fate == FATE_DONE && node)
		*ret_seq = node;
	return fate;
}

enum fate
yaml_text(struct yaml_node *map, const char *key, enum yaml_need need, const char **ret_text,
    struct err *err)
{
	struct yaml_node *node;
	enum fate fate = want(map, key, need, YAML_SCALAR, &node, err);
	if (fate == FATE_DONE && node)
		*ret_text = node->text;
	return fate;
}

enum fate
yaml_int(struct yaml_node *map, const char *key, enum yaml_need need, int64_t min, int64_t max,
    int64_t *ret_value, struct err *err)
{
	struct yaml_node *node;
	int64_t value;
	enum fate fate = want(map, key, need, YAML_SCALAR, &node, err);
	if (fate != FATE_DONE || node == NULL)
		return fate;
	if (node->quoted || !slice_i64(slice_of(node->text, node->text_len), &value))
		return yaml_error(node, err, "'%s' must be a whole number, not '%s'",
		    key ? key : "this", node->text);
	if (value < min || value > max)
		return yaml_error(node, err, "'%s' must be between %lld and %lld, not %s",
		    key ? key : "this", (long long)min, (long long)max, node->text);
	*ret_value = value;
	return FATE_DONE;
}

enum fate
yaml_real(struct yaml_node *map, const char *key, enum yaml_need need, double min, double max,
    double *ret_value, struct err *err)
{
	struct yaml_node *node;
	enum fate fate = want(map, key, need, YAML_SCALAR, &node, err);
	if (fate != FATE_DONE || node == NULL)
		return fate;
	bool plain = !node->quoted && node->text_len > 0 &&
		     strspn(node->text, "+-.0123456789eE") == node->text_len;
	char *end = NULL;
	double value = plain ? strtod(node->text, &end) : 0;
	if (!plain || *end != 0)
		return yaml_error(node, err, "'%s' must be a number, not '%s'",
		    key ? key : "this", node->text);
	if (!(value >= min && value <= max))
		return yaml_error(node, err, "'%s' must be between %g and %g, not %s",
		    key ? key : "this", min, max, node->text);
	*ret_value = value;
	return FATE_DONE;
}

enum fate
yaml_bool(struct yaml_node *map, const char *key, enum yaml_need need, bool *ret_value,
    struct err *err)
{
	struct yaml_node *node;
	enum fate fate = want(map, key, need, YAML_SCALAR, &node, err);
	if (fate != FATE_DONE || node == NULL)
		return fate;
	bool yes = strcmp(node->text, "true") == 0;
	if (node->quoted || (!yes && strcmp(node->text, "false") != 0))
		return yaml_error(node, err, "'%s' must be true or false, not '%s'",
		    key ? key : "this", node->text);
	*ret_value = yes;
	return FATE_DONE;
}

enum fate
yaml_duration(struct yaml_node *map, const char *key, enum yaml_need need, int64_t *ret_ms,
    struct err *err)
{
	struct yaml_node *node;
	int64_t ms;
	enum fate fate = want(map, key, need, YAML_SCALAR, &node, err);
	if (fate != FATE_DONE || node == NULL)
		return fate;
	if (!duration_parse(node->text, &ms) || ms < 0)
		return yaml_error(node, err,
		    "'%s' must be a time such as 250ms, 5s, 10m, not '%s'", key ? key : "this",
		    node->text);
	*ret_ms = ms;
	return FATE_DONE;
}

enum fate
yaml_choice(struct yaml_node *map, const char *key, enum yaml_need need,
    const char *const *names, int *ret_index, struct err *err)
{
	struct yaml_node *node;
	enum fate fate = want(map, key, need, YAML_SCALAR, &node, err);
	if (fate != FATE_DONE || node == NULL)
		return fate;
	struct buf list = { 0 };
	for (int i = 0; names[i]; i++) {
		if (strcmp(names[i], node->text) == 0) {
			buf_finish(&list);
			*ret_index = i;
			return FATE_DONE;
		}
		buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	}
	(void)yaml_error(node, err, "'%s' must be one of %s, not '%s'", key ? key : "this",
	    buf_str(&list), node->text);
	buf_finish(&list);
	return FATE_HALT;
}

enum fate
yaml_texts(struct yaml_node *map, const char *key, enum yaml_need need,
    const char *const **ret_texts, size_t *ret_count, struct err *err)
{
	struct yaml_node *node = key ? yaml_get(map, key) : map;
	enum fate fate = FATE_DONE;
	if (node == NULL || node->kind == YAML_MAP)
		return want(map, key, need, YAML_SEQ, &node, err);
	node->was_read = true;
	size_t count = node->kind == YAML_SEQ ? node->count : 1;
	struct arena *arena = &((struct yaml *)(uintptr_t)node->doc)->arena;
	const char **texts = arena_alloc(arena, (count + 1) * sizeof *texts);
	must(texts);
	if (node->kind == YAML_SCALAR)
		texts[0] = node->text;
	for (size_t i = 0; node->kind == YAML_SEQ && i < count && fate == FATE_DONE; i++)
		fate = yaml_text(node->items[i], NULL, YAML_REQUIRED, &texts[i], err);
	if (fate != FATE_DONE)
		return fate;
	texts[count] = NULL;
	*ret_texts = texts;
	*ret_count = count;
	return FATE_DONE;
}

static enum fate
read_secret(struct yaml_node *node, const char **ret_text, struct err *err)
{
	char *bytes = malloc(SECRET_MAX + 1);
	must(bytes);
	int fd = open(node->text, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, bytes, SECRET_MAX + 1);
	enum fate fate = FATE_DONE;
	if (got < 0)
		fate = yaml_error(node, err, "%s: %s", node->text, strerror(errno));
	else if (got > SECRET_MAX || memchr(bytes, 0, (size_t)got))
		fate = yaml_error(
		    node, err, "%s: not a text of up to %d bytes", node->text, SECRET_MAX);
	if (fate == FATE_DONE) {
		size_t len = (size_t)got;
		if (len && bytes[len - 1] == '\n')
			len--;
		if (len && len < (size_t)got && bytes[len - 1] == '\r')
			len--;
		struct arena *arena = &((struct yaml *)(uintptr_t)node->doc)->arena;
		*ret_text = arena_copy(arena, slice_of(bytes, len)).p;
		must(*ret_text);
	}
	explicit_bzero(bytes, SECRET_MAX + 1);
	free(bytes);
	if (fd >= 0)
		close(fd);
	return fate;
}

enum fate
yaml_text_or_file(struct yaml_node *map, const char *key, enum yaml_need need,
    const char **ret_text, struct err *err)
{
	char file_key[128];
	const char *path = NULL;
	struct yaml_node *node;
	int len = snprintf(file_key, sizeof file_key, "%s_file", key);
	must(len > 0 && (size_t)len < sizeof file_key);
	enum fate fate = yaml_text(map, file_key, YAML_OPTIONAL, &path, err);
	if (fate != FATE_DONE)
		return fate;
	if (path == NULL)
		return yaml_text(map, key, need, ret_text, err);
	node = yaml_get(map, file_key);
	if (yaml_get(map, key))
		return yaml_error(node, err, "'%s' and '%s' stand both", key, file_key);
	return read_secret(node, ret_text, err);
}

enum fate
yaml_check_all_read(const struct yaml_node *node, struct err *err)
{
	enum fate fate = FATE_DONE;
	for (size_t i = 0; i < node->count && fate == FATE_DONE; i++) {
		if (node->kind == YAML_MAP && !node->items[i]->was_read)
			return yaml_error(
			    node->key_nodes[i], err, "unknown key '%s'", node->keys[i]);
		fate = yaml_check_all_read(node->items[i], err);
	}
	return fate;
}
