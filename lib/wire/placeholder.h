/* SPDX-License-Identifier: Apache-2.0 */
/* placeholder.h -- the word that stands where Debezium was not told a value.
 *
 * A large value that an UPDATE did not touch is not in the WAL; Debezium puts a
 * placeholder in its place (unavailable.value.placeholder), in a form that fits
 * the column's type: UnchangedToastedPlaceholder.java. A genuine value equal to it
 * cannot be told apart. */
#ifndef WIRE_PLACEHOLDER_H
#define WIRE_PLACEHOLDER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct placeholder {
	struct slice text;   /* __debezium_unavailable_value, or the bytes after hex: */
	struct slice base64; /* of these bytes */
	struct slice hstore; /* {"text":"text"} */
	struct slice uuid;   /* the name-based UUID of these bytes */
	struct buf memory;
};

/* Debezium's own word. */
extern const struct placeholder placeholder_default;

/* From the connector's setting; false on a hex: that is not hexadecimal. */
bool placeholder_init(struct placeholder *placeholder, struct slice setting);
void placeholder_finish(struct placeholder *placeholder);

/* text is decoded. */
bool placeholder_is_text(const struct placeholder *placeholder, struct slice text);
/* raw is a checked JSON array or object. */
bool placeholder_is_nested(const struct placeholder *placeholder, struct slice raw);

#endif
