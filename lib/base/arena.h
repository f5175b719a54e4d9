/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h -- memory of one batch: bump allocation under a fixed ceiling.
 *
 * The ceiling is reserved address space; pages are touched as they are used and
 * stay with the arena until finish. Reset takes everything back at once; marks
 * take back what came after them. Nothing is freed alone. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"

struct arena {
	char *base;
	size_t used;
	size_t size;
};

/* Reserves size bytes (rounded up to a page); aborts when the kernel refuses. */
void arena_init(struct arena *arena, size_t size);
void arena_finish(struct arena *arena); /* accepts a zeroed arena */

/* 16-byte aligned, not cleared; NULL when the ceiling is reached. */
void *arena_alloc(struct arena *arena, size_t len);

/* A terminated copy (the terminator is not in len); p is NULL at the ceiling. */
struct slice arena_copy(struct arena *arena, struct slice s);

size_t arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, size_t mark);
void arena_reset(struct arena *arena);

#endif
