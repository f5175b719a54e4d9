/* SPDX-License-Identifier: Apache-2.0 */
/* json_scan.h -- the strict pass over JSON text, one member at a time.
 *
 * For readers that must check a whole message and pick members out of it on the
 * way (change.c); everybody else uses json.h. The scan borrows the text; its list
 * of names lives in it and moves to the heap only when objects are large, so
 * every init is paired with a finish. A refusal stays: after the first false,
 * every call says false and json_scan_refusal() tells why and where. */
#ifndef WIRE_JSON_SCAN_H
#define WIRE_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum { JSON_NAMES_INLINE = 128 };

struct json_name {
	const char *p;
	uint32_t len;
	bool escaped;
	uint64_t key; /* the first eight bytes, zeros behind a shorter name */
};

struct json_scan {
	const char *begin, *at, *end;
	const char *why; /* NULL: nothing refused yet */
	const char *where;
	unsigned depth;
	struct json_name *names; /* of all open objects, innermost last */
	size_t name_count, name_cap;
	struct json_name names_inline[JSON_NAMES_INLINE];
};

/* One open object. */
struct json_scan_object {
	size_t first;     /* its first name in the scan's list */
	uint64_t seen[4]; /* one bit a name: unset means not a duplicate */
};

void json_scan_init(struct json_scan *scan, struct slice text);
void json_scan_finish(struct json_scan *scan);

/* Checks the value at the cursor and steps over it. */
bool json_scan_value(struct json_scan *scan, struct slice *ret_raw);

/* Steps over blanks; the next byte, or 0 at the end. */
char json_scan_peek(struct json_scan *scan);

/* The cursor stands on '{' (json_scan_peek said so). */
bool json_scan_open(struct json_scan *scan, struct json_scan_object *ret_object);

/* Reads a name and the colon; the caller then takes the value. False at the end
 * of the object (the cursor is behind it) and on a refusal. */
bool json_scan_member(
    struct json_scan *scan, struct json_scan_object *object, struct json_name *ret_name);

/* A member that a reader wants: at tells where in the reader's struct its raw value
 * goes (a struct slice). With inner, an object is picked from in turn, into the
 * json_picked at inner_at. */
enum { JSON_FIELD_NAME_MAX = 16 };
struct json_fields;
struct json_field {
	char name[JSON_FIELD_NAME_MAX]; /* not terminated when full */
	uint8_t len;
	bool known; /* counted in json_picked.known */
	uint16_t at, inner_at;
	const struct json_fields *inner;
};
/* In the order in which they usually come. */
struct json_fields {
	const struct json_field *list;
	size_t count;
};
/* How a struct begins that members are picked into. */
struct json_picked {
	size_t count, known; /* members; of them, those that known fields name */
	struct slice raw;    /* the object */
};

/* Checks the object at the cursor and picks fields out of it; *ret_picked begins
 * the reader's struct, and slots of missing members are left alone. False on a
 * refusal and when there is no object. */
bool json_scan_pick(
    struct json_scan *scan, const struct json_fields *fields, struct json_picked *ret_picked);

/* Only blanks may follow. */
bool json_scan_end(struct json_scan *scan);

/* REJECT with byte offset and reason; DONE when nothing was refused. */
enum fate json_scan_refusal(const struct json_scan *scan, struct err *err) NODISCARD;

/* Whether a name, as it stands between its quotes, spells want. */
bool json_name_is(struct json_name name, struct slice want);

#endif
