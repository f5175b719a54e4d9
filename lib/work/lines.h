/* SPDX-License-Identifier: Apache-2.0 */
/* lines.h -- Kafka events as lines of a stream, and small files read whole.
 *
 * A line is an event's value, or KEY<tab>VALUE when keyed (kcat -K '\t' prints so);
 * an empty value is a tombstone. Slices live until the next line. */
#ifndef WORK_LINES_H
#define WORK_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct lines {
	FILE *in;
	bool keyed;
	int64_t number; /* of the line at hand, from 0 */
	char *line;
	size_t room;
};

void lines_init(struct lines *lines, FILE *in, bool keyed);
void lines_finish(struct lines *lines);
/* False at the end. A missing key or value has p NULL. */
bool lines_next(struct lines *lines, struct slice *ret_key, struct slice *ret_value);

/* The file's bytes, behind what is in ret_text; HALT names the file. */
enum fate file_read(const char *path, struct buf *ret_text, struct err *err) NODISCARD;

#endif
