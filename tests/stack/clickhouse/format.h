/* SPDX-License-Identifier: Apache-2.0 */
/* format.h -- what the server has to know of output formats.
 *
 * The engine hands out a streamed result as chunks, each a whole document of its
 * own. A joint says how two chunks become one document; formats without a joint
 * are made in one piece. Pure tables and scans, nothing is refused. */
#ifndef CLICKHOUSE_FORMAT_H
#define CLICKHOUSE_FORMAT_H

#include "base/slice.h"

enum joint {
	JOINT_NONE,               /* chunks cannot be joined */
	JOINT_PLAIN,              /* one after the other */
	JOINT_LINE,               /* without the later ones' first line */
	JOINT_TWO_LINES,          /* without the later ones' first two lines */
	JOINT_BINARY_NAMES,       /* without varint n and n strings */
	JOINT_BINARY_NAMES_TYPES, /* without varint n and 2n strings */
};

enum joint format_joint(const char *format);

/* Bytes to cut from the front of each chunk but the first. */
size_t format_head_len(enum joint joint, struct slice chunk);

const char *format_content_type(const char *format);

#endif
