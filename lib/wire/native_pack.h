/* SPDX-License-Identifier: Apache-2.0 */
/* native_pack.h -- bytes of a block on their way to the request's body: as they
 * are, as an LZ4 frame or as a Zstandard frame.
 *
 * Only the native_*.c files use it. Small pieces are gathered first; long columns
 * go to the compressor from where they lie. Out of memory aborts. */
#ifndef WIRE_NATIVE_PACK_H
#define WIRE_NATIVE_PACK_H

#include "wire/native.h"

struct native_pack;
struct native_pack *native_pack_new(void);
void native_pack_free(struct native_pack *pack); /* accepts NULL */

/* A frame from begin to end is appended to out. */
void native_pack_begin(struct native_pack *pack, enum native_pack_kind kind, struct buf *out);
void native_pack_put(struct native_pack *pack, const void *p, size_t len);
void native_pack_varint(struct native_pack *pack, uint64_t value);
void native_pack_end(struct native_pack *pack);

/* Room for up to len bytes that the caller fills, then says how many it took. */
char *native_pack_room(struct native_pack *pack, size_t len);
void native_pack_took(struct native_pack *pack, size_t len);

#endif
