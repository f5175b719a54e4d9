/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.h -- a YAML file (libyaml) as a small tree in which each node knows its place.
 *
 * The struct yaml owns every node and text. ${NAME} and ${NAME:-default} are
 * replaced in scalars ($${ stands for ${). Refused, with file, line and column:
 * anchors, aliases, tags, several documents, duplicate keys, keys that are not plain
 * texts, more than YAML_DEPTH_MAX levels or YAML_SIZE_MAX bytes, an unset variable
 * without default. Every error is HALT and starts with "file:line:col: ". Getters
 * mark what they read, so that yaml_check_all_read() finds unknown keys. */
#ifndef LINK_YAML_H
#define LINK_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum { YAML_DEPTH_MAX = 16, YAML_SIZE_MAX = 1 << 20 };

enum yaml_kind { YAML_MAP, YAML_SEQ, YAML_SCALAR };
enum yaml_need { YAML_OPTIONAL, YAML_REQUIRED };

struct yaml;
struct yaml_node {
	enum yaml_kind kind;
	const char *text; /* scalar: after substitution, terminated */
	size_t text_len;
	bool quoted;              /* scalar: 'x', "x" or a block; never null, bool or number */
	size_t count;             /* map: pairs; seq: items */
	const char **keys;        /* map */
	struct yaml_node **items; /* map: values; seq: items */
	struct yaml_node **key_nodes; /* map: the places of the keys */
	const struct yaml *doc;
	unsigned line, column; /* from 1 */
	bool was_read;
};

/* A variable's value or NULL; ctx is the caller's. */
typedef const char *yaml_env(void *ctx, const char *name);

/* From a file with the process's environment. */
enum fate yaml_open(const char *path, struct yaml **ret_yaml, struct err *err) NODISCARD;
/* From memory; name stands in errors. env NULL: the process's environment. */
enum fate yaml_parse(const char *name, struct slice text, yaml_env *env, void *env_ctx,
    struct yaml **ret_yaml, struct err *err) NODISCARD;
/* Not yaml_free: libyaml exports that name, and ours would be called in its place. */
void yaml_close(struct yaml *yaml);             /* accepts NULL */
struct yaml_node *yaml_root(struct yaml *yaml); /* always a map */
const char *yaml_name(const struct yaml *yaml); /* the file, as given */

/* HALT with "file:line:col: " before the sentence. */
enum fate yaml_error(const struct yaml_node *node, struct err *err, const char *fmt, ...)
    PRINTF(3, 4);

/* The value of a key, or NULL when absent or null (`key:` or `key: ~`); marks it read. */
struct yaml_node *yaml_get(struct yaml_node *map, const char *key);
bool yaml_has(const struct yaml_node *map, const char *key); /* does not mark */

/* Typed getters: an absent OPTIONAL key leaves *ret untouched (put the default there
 * first); texts live as long as the struct yaml. key NULL: map itself is the value. */
enum fate yaml_map(struct yaml_node *map, const char *key, enum yaml_need need,
    struct yaml_node **ret_map, struct err *err) NODISCARD;
enum fate yaml_seq(struct yaml_node *map, const char *key, enum yaml_need need,
    struct yaml_node **ret_seq, struct err *err) NODISCARD;
enum fate yaml_text(struct yaml_node *map, const char *key, enum yaml_need need,
    const char **ret_text, struct err *err) NODISCARD;
enum fate yaml_int(struct yaml_node *map, const char *key, enum yaml_need need, int64_t min,
    int64_t max, int64_t *ret_value, struct err *err) NODISCARD;
enum fate yaml_real(struct yaml_node *map, const char *key, enum yaml_need need, double min,
    double max, double *ret_value, struct err *err) NODISCARD;
enum fate yaml_bool(struct yaml_node *map, const char *key, enum yaml_need need,
    bool *ret_value, struct err *err) NODISCARD; /* true, false */
/* 250ms, 5s, 10m, 1h, 7d or bare seconds. */
enum fate yaml_duration(struct yaml_node *map, const char *key, enum yaml_need need,
    int64_t *ret_ms, struct err *err) NODISCARD;
/* The index of the text in names (NULL-terminated); the error lists them. */
enum fate yaml_choice(struct yaml_node *map, const char *key, enum yaml_need need,
    const char *const *names, int *ret_index, struct err *err) NODISCARD;
/* A list of texts; a single text counts as a list of one. */
enum fate yaml_texts(struct yaml_node *map, const char *key, enum yaml_need need,
    const char *const **ret_texts, size_t *ret_count, struct err *err) NODISCARD;
/* KEY, or the content of the file named by KEY_file (one trailing newline cut); both
 * is an error. Files are relative to the working directory, up to 64 kB. */
enum fate yaml_text_or_file(struct yaml_node *map, const char *key, enum yaml_need need,
    const char **ret_text, struct err *err) NODISCARD;

/* The first key below node that no getter has read, as an error. */
enum fate yaml_check_all_read(const struct yaml_node *node, struct err *err) NODISCARD;

#endif
