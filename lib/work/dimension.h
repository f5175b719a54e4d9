/* SPDX-License-Identifier: Apache-2.0 */
/* dimension.h -- what is known of one dimension table: key -> row or "no such row".
 *
 * Least recently used, bounded in bytes; entries grow old (ttl_ms) when nothing
 * keeps them true. Keys are packed values (wire/pack.h). Rows are copied into the
 * caller's arena, so an eviction never pulls a row from under a batch. */
#ifndef WORK_DIMENSION_H
#define WORK_DIMENSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "wire/change.h"
#include "wire/value.h"

struct dimension;

struct dimension *dimension_new(
    const struct row_column *columns, size_t count, size_t bytes_max, int64_t ttl_ms);
void dimension_free(struct dimension *dimension);
/* 0: entries do not grow old, something else keeps them true. */
void dimension_set_ttl(struct dimension *dimension, int64_t ttl_ms);

enum dimension_answer {
	DIMENSION_UNKNOWN, /* ask Postgres */
	DIMENSION_ROW,     /* ret_row[columns] is filled */
	DIMENSION_ABSENT,  /* there is no such row */
	DIMENSION_FULL,    /* the arena is full */
};
enum dimension_answer dimension_get(struct dimension *dimension, struct slice key,
    int64_t now_ms, struct arena *arena, struct value *ret_row);

/* row NULL: a negative entry. */
void dimension_put(
    struct dimension *dimension, struct slice key, const struct value *row, int64_t now_ms);
void dimension_drop(struct dimension *dimension, struct slice key);

/* The row was changed by a transaction: forget it, and keep no lookup of it whose
 * snapshot does not see that transaction. */
void dimension_changed(struct dimension *dimension, struct slice key, uint32_t tx_id);
/* dimension_put() of a lookup's answer under its snapshot. */
void dimension_put_seen(struct dimension *dimension, struct slice key, const struct value *row,
    int64_t now_ms, struct slice snapshot);
void dimension_clear(struct dimension *dimension);

size_t dimension_count(const struct dimension *dimension);
size_t dimension_bytes(const struct dimension *dimension);

#endif
