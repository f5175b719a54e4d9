/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json_names.h"

#include <stdlib.h>

#include "base/must.h"
#include "wire/json_string.h"

static int
name_compare(const void *left, const void *right)
{
	const struct json_name *a = left, *b = right;
	struct json_bytes from_a, from_b;
	int x, y;

	if (!a->escaped && !b->escaped) {
		size_t len = a->len < b->len ? a->len : b->len;
		x = len ? memcmp(a->p, b->p, len) : 0;
		return x ? x : (a->len > b->len) - (a->len < b->len);
	}
	from_a = json_bytes(slice_of(a->p, a->len));
	from_b = json_bytes(slice_of(b->p, b->len));
	do {
		x = json_byte(&from_a);
		y = json_byte(&from_b);
	} while (x == y && x >= 0);
	return x - y;
}

bool
json_name_is(struct json_name name, struct slice want)
{
	struct json_bytes bytes;

	if (!name.escaped)
		return name.len == want.len && memcmp(name.p, want.p, want.len) == 0;
	bytes = json_bytes(slice_of(name.p, name.len));
	for (size_t i = 0; i < want.len; i++)
		if (json_byte(&bytes) != (unsigned char)want.p[i])
			return false;
	return json_byte(&bytes) < 0;
}

void
json_names_grow(struct json_scan *scan)
{
	size_t cap = scan->name_cap * 2;
	struct json_name *names = realloc(
	    scan->names == scan->names_inline ? NULL : scan->names, cap * sizeof(*names));

	must(names);
	if (scan->names == scan->names_inline)
		memcpy(names, scan->names, scan->name_count * sizeof(*names));
	scan->names = names;
	scan->name_cap = cap;
}

bool
json_names_have(const struct json_scan *scan, size_t first, struct json_name name)
{
	for (size_t i = first; i < scan->name_count; i++) {
		const struct json_name *n = &scan->names[i];
		if (!n->escaped && !name.escaped && (n->len != name.len || n->key != name.key))
			continue;
		if (name_compare(n, &name) == 0)
			return true;
	}
	return false;
}

bool
json_name_has_nul(struct json_name name)
{
	struct json_bytes bytes = json_bytes(slice_of(name.p, name.len));
	int c;

	while ((c = json_byte(&bytes)) > 0)
		;
	return c == 0;
}

const char *
json_names_twice(struct json_scan *scan, size_t first)
{
	struct json_name *names = scan->names + first;
	size_t count = scan->name_count - first;

	qsort(names, count, sizeof(*names), name_compare);
	for (size_t i = 1; i < count; i++)
		if (name_compare(&names[i - 1], &names[i]) == 0)
			return names[i - 1].p > names[i].p ? names[i - 1].p : names[i].p;
	return NULL;
}
