/* SPDX-License-Identifier: Apache-2.0 */
#include "work/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
lines_init(struct lines *lines, FILE *in, bool keyed)
{
	*lines = (struct lines){ .in = in, .keyed = keyed, .number = -1 };
}

void
lines_finish(struct lines *lines)
{
	free(lines->line);
	lines->line = NULL;
}

bool
lines_next(struct lines *lines, struct slice *ret_key, struct slice *ret_value)
{
	ssize_t got = getline(&lines->line, &lines->room, lines->in);
	struct slice text = slice_of(lines->line, got < 0 ? 0 : (size_t)got);
	const char *tab;

	if (got < 0)
		return false;
	lines->number++;
	if (text.len && text.p[text.len - 1] == '\n')
		text.len--;
	*ret_key = (struct slice){ 0 };
	tab = lines->keyed && text.len ? memchr(text.p, '\t', text.len) : NULL;
	if (tab) {
		*ret_key = slice_of(text.p, (size_t)(tab - text.p));
		text = slice_of(tab + 1, text.len - ret_key->len - 1);
	}
	if (ret_key->len == 0)
		*ret_key = (struct slice){ 0 };
	*ret_value = text.len ? text : (struct slice){ 0 };
	return true;
}

enum fate
file_read(const char *path, struct buf *ret_text, struct err *err)
{
	FILE *file = fopen(path, "r");
	char block[8192];
	size_t len;
	bool bad;

	if (!file)
		return err_set(err, FATE_HALT, "%s: %s", path, strerror(errno));
	while ((len = fread(block, 1, sizeof block, file)) > 0)
		buf_put(ret_text, block, len);
	bad = ferror(file) != 0;
	(void)fclose(file);
	return bad ? err_set(err, FATE_HALT, "%s: cannot be read", path) : FATE_DONE;
}
