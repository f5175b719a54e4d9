/* SPDX-License-Identifier: Apache-2.0 */
/* trino_text.h -- values of Trino's client protocol as Postgres prints them. Pure.
 *
 * A value is JSON as a page holds it, its type the text that the page's columns tell
 * ("decimal(12,2)"), asked for with PARAMETRIC_DATETIME. A moment in a named zone other
 * than UTC is refused, and so are arrays, maps and rows. */
#ifndef WIRE_TRINO_TEXT_H
#define WIRE_TRINO_TEXT_H

#include "wire/value.h"

enum trino_form {
	TRINO_BOOL,
	TRINO_INTEGER,
	TRINO_REAL,
	TRINO_DOUBLE,
	TRINO_PLAIN, /* a string that Postgres prints the same way */
	TRINO_BINARY,
	TRINO_DATE,
	TRINO_TIME,
	TRINO_TIMESTAMP,
	TRINO_ZONED,
	TRINO_OTHER,
};

/* The form and what Postgres calls it; TRINO_OTHER: no value of it can be printed. */
enum trino_form trino_type(struct slice type, struct pgtype *ret_type);

/* Appends a value that is not null; raw is a checked JSON value. REJECT: it has no text. */
enum fate trino_print(
    struct buf *out, enum trino_form form, struct slice raw, struct err *err) NODISCARD;

#endif
