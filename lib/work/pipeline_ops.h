/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_ops.h -- what the pipeline*.c files share; nobody else's business. */
#ifndef WORK_PIPELINE_OPS_H
#define WORK_PIPELINE_OPS_H

#include "link/yaml.h"
#include "work/pipeline.h"

/* One getter after the other until one refuses. */
#define TRY(call)                                                                              \
	do {                                                                                   \
		enum fate try_fate = (call);                                                   \
		if (try_fate != FATE_DONE)                                                     \
			return try_fate;                                                       \
	} while (0)

/* The pipeline frees the text. */
char *pipeline_own_text(struct pipeline *p, char *text);

/* An existing file's path; the error stands at the key that names it. */
enum fate pipeline_read_path(struct pipeline *p, struct yaml_node *map, const char *key,
    enum yaml_need need, const char **ret_path, struct err *err) NODISCARD;
enum fate pipeline_load_file(
    struct pipeline *p, const char *path, struct slice *ret, struct err *err) NODISCARD;
/* Column names. */
enum fate pipeline_read_list(struct yaml_node *map, const char *key, enum yaml_need need,
    struct pipeline_list *ret, struct err *err) NODISCARD;

enum fate pipeline_read_clickhouse(
    struct pipeline *p, struct yaml_node *root, struct err *err) NODISCARD;

/* One destination, or a list of them. */
enum fate pipeline_read_http(
    struct pipeline *p, struct yaml_node *root, struct err *err) NODISCARD;

void pipeline_print_http(const struct pipeline *p, struct buf *out);
void pipeline_print_clickhouse(const struct pipeline *p, struct buf *out);
void pipeline_print_text(struct buf *out, const char *key, const char *value);
void pipeline_print_list(struct buf *out, const char *key, const struct pipeline_list *list);
void pipeline_print_secret(struct buf *out, const char *key, const char *value);
/* A url's user information is a secret too. */
void pipeline_print_url(struct buf *out, const char *key, const char *url);

#endif
