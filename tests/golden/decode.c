/* SPDX-License-Identifier: Apache-2.0 */
/* decode.c -- Debezium events from standard input, one a line, as normalised
 * changes. An empty line is a tombstone. A bad line is an error object, never an
 * end. */
#include <stdio.h>
#include <stdlib.h>

#include "wire/describe.h"

enum { ARENA_SIZE = 64 << 20 };

int
main(void)
{
	struct describe_types types = { 0 };
	struct arena arena;
	struct buf out = { 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	arena_init(&arena, ARENA_SIZE);
	while ((len = getline(&line, &room, stdin)) >= 0) {
		struct slice value = slice_of(line, (size_t)len);
		if (value.len && value.p[value.len - 1] == '\n')
			value.len--;
		out.len = 0;
		describe_event(&out, (struct slice){ 0 },
		    value.len ? value : (struct slice){ 0 }, types, &arena);
		buf_byte(&out, '\n');
		if (fwrite(out.p, 1, out.len, stdout) != out.len)
			return EXIT_FAILURE;
	}
	free(line);
	buf_finish(&out);
	arena_finish(&arena);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
