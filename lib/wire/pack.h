/* SPDX-License-Identifier: Apache-2.0 */
/* pack.h -- values as few bytes, for keys and cached rows in this process only.
 *
 * Equal values of one type give equal bytes (numerics by value and scale), so
 * packed keys can be hashed and compared. The form is private to one build. */
#ifndef WIRE_PACK_H
#define WIRE_PACK_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/value.h"

void value_pack(struct buf *out, struct pgtype type, const struct value *value);

/* Reads one packed value and moves *at past it. Text is copied into the arena;
 * false when the arena is full. */
bool value_unpack(
    const char **at, struct pgtype type, struct arena *arena, struct value *ret_value);

#endif
