/* SPDX-License-Identifier: Apache-2.0 */
/* json_walk.h -- goes over json as Postgres accepts it: duplicate names, lone
 * surrogates and any number of digits are fine, unlike in wire/json.h.
 *
 * Bounded by the slice: a text that was not checked ends the walk early, no worse.
 * Private to lib/sql. */
#ifndef SQL_JSON_WALK_H
#define SQL_JSON_WALK_H

#include <stdbool.h>

#include "base/slice.h"

enum { JWALK_DEPTH = 6000 };

struct jwalk {
	struct slice name; /* with its quotes; p NULL in arrays */
	struct slice value;
	const char *at, *end;
	bool object;
};

bool jwalk_check(struct slice text); /* exactly one JSON value, blanks around it */
struct slice jwalk_trim(struct slice text);
struct jwalk jwalk_of(struct slice raw); /* an object or array; else nothing to walk */
bool jwalk_next(struct jwalk *walk);

#endif
