/* SPDX-License-Identifier: Apache-2.0 */
/* array_text.h -- Postgres array literals <-> the JSON arrays that carry them.
 *
 * {1,NULL,"a b"} is [1,null,"a b"]; more dimensions are nested arrays. Elements go
 * through value_from_text and value_to_json by the array's element kind. Lower
 * bounds ([0:1]={..}) are read and dropped; depth beyond ARRAY_DEPTH_MAX is refused. */
#ifndef WIRE_ARRAY_TEXT_H
#define WIRE_ARRAY_TEXT_H

#include "wire/value.h"

enum { ARRAY_DEPTH_MAX = 6 }; /* Postgres' MAXDIM */

/* The JSON text goes to the arena. REJECT 22P02 malformed array literal, or what the
 * element's type says. */
enum fate array_from_text(struct pgtype type, struct slice text, struct arena *arena,
    struct slice *ret_json, struct err *err) NODISCARD;

/* Appends the literal of a checked JSON array; elements that are not of the element
 * kind's form are written as they stand. */
void array_to_text(struct buf *out, struct pgtype type, struct slice json);

#endif
