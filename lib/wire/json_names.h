/* SPDX-License-Identifier: Apache-2.0 */
/* json_names.h -- the names of a scan's open objects, and whether one stands twice.
 *
 * Only json_scan.c's business. A name is first looked up among 256 bits that the
 * object's names have set; only a hit is compared with the names themselves. */
#ifndef WIRE_JSON_NAMES_H
#define WIRE_JSON_NAMES_H

#include "wire/json_scan.h"

static inline uint64_t
json_load8(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* The first eight bytes, zeros behind a shorter name. */
static inline uint64_t
json_name_key(const char *p, size_t len)
{
	uint64_t key = 0;

	memcpy(&key, p, len < sizeof(key) ? len : sizeof(key));
	return key;
}

/* Which of the 256 bits is the name's. */
static inline unsigned
json_name_bit(struct json_name name)
{
	uint64_t mix = name.key + name.len * UINT64_C(0xa24baed4963ee407);

	if (name.len > 8)
		mix ^= json_load8(name.p + name.len - 8) * UINT64_C(0x9fb21c651e98df25);
	return (unsigned)(mix * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

void json_names_grow(struct json_scan *scan);
bool json_names_have(const struct json_scan *scan, size_t first, struct json_name name);

/* \u0000 in a name: nothing Postgres can be the owner of. */
bool json_name_has_nul(struct json_name name);

/* Sorts the names from first on; the later of two that are the same, or NULL. */
const char *json_names_twice(struct json_scan *scan, size_t first);

#endif
