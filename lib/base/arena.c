/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "base/must.h"

enum { PAGE = 4096, ALIGN = 16 };

void
arena_init(struct arena *arena, size_t size)
{
	size = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
	arena->base = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(arena->base != MAP_FAILED);
	arena->used = 0;
	arena->size = size;
}

void
arena_finish(struct arena *arena)
{
	if (arena->base)
		(void)munmap(arena->base, arena->size);
	*arena = (struct arena){ 0 };
}

void *
arena_alloc(struct arena *arena, size_t len)
{
	size_t start = (arena->used + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	if (start > arena->size || len > arena->size - start)
		return NULL;
	arena->used = start + len;
	return arena->base + start;
}

struct slice
arena_copy(struct arena *arena, struct slice s)
{
	char *p = s.len < SIZE_MAX ? arena_alloc(arena, s.len + 1) : NULL;

	if (!p)
		return (struct slice){ 0 };
	if (s.len)
		memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return slice_of(p, s.len);
}

size_t
arena_mark(const struct arena *arena)
{
	return arena->used;
}

void
arena_rewind(struct arena *arena, size_t mark)
{
	must(mark <= arena->used);
	arena->used = mark;
}

void
arena_reset(struct arena *arena)
{
	arena->used = 0;
}
