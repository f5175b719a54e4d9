/* SPDX-License-Identifier: Apache-2.0 */
#include "work/snapshot.h"

/* The next number of the text and what follows it. */
static bool
number_take(struct slice *text, char stop, uint64_t *ret)
{
	const char *end = text->len ? memchr(text->p, stop, text->len) : NULL;
	size_t len = end ? (size_t)(end - text->p) : text->len;

	if (!slice_u64(slice_of(text->p, len), ret))
		return false;
	text->p += len + (end ? 1 : 0);
	text->len -= len + (end ? 1 : 0);
	return true;
}

/* a is older than b, modulo 2^32. */
static bool
older(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

bool
snapshot_sees(struct slice snapshot, uint32_t tx_id)
{
	uint64_t xmin, xmax, open;

	if (!number_take(&snapshot, ':', &xmin) || !number_take(&snapshot, ':', &xmax))
		return false;
	if (older(tx_id, (uint32_t)xmin))
		return true;
	if (!older(tx_id, (uint32_t)xmax))
		return false;
	while (snapshot.len > 0) {
		if (!number_take(&snapshot, ',', &open))
			return false;
		if ((uint32_t)open == tx_id)
			return false;
	}
	return true;
}
