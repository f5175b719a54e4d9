/* SPDX-License-Identifier: Apache-2.0 */
/* scalar.h -- bool, integer, uuid, pg_lsn and bytea texts, as Postgres reads and prints them.
 *
 * The parts of value.h that are hot or long enough to stand alone. Parsers pass
 * over blanks where Postgres does and refuse with its SQLSTATEs and words. */
#ifndef WIRE_SCALAR_H
#define WIRE_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum { UUID_SIZE = 16, UUID_TEXT = 36 };

enum fate bool_parse(struct slice text, bool *ret, struct err *err) NODISCARD;

/* bytes is 2, 4 or 8: smallint, integer, bigint. */
enum fate int_parse(struct slice text, int bytes, int64_t *ret, struct err *err) NODISCARD;

enum fate uuid_parse(struct slice text, uint8_t ret[UUID_SIZE], struct err *err) NODISCARD;
void uuid_print(struct buf *out, const uint8_t uuid[UUID_SIZE]); /* lower case */

/* A pg_lsn: "16/B374D848". */
bool lsn_parse(struct slice text, uint64_t *ret_lsn);

/* \x6162 or the escape format a\\b\001; the bytes go to the arena. */
enum fate bytea_parse(
    struct slice text, struct arena *arena, struct slice *ret_bytes, struct err *err) NODISCARD;
void bytea_print(struct buf *out, struct slice bytes); /* \x and hex */

#endif
