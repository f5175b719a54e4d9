/* SPDX-License-Identifier: Apache-2.0 */
/* float_text.h -- float4 and float8 <-> text as Postgres reads and prints them.
 *
 * Printed is the shortest text that reads back as the same number and is not the
 * exact middle of two (extra_float_digits 1, src/common/d2s.c of PostgreSQL 15):
 * 100000, 1e+15 for a float8, 1e+06 for a float4. Read is what strtod reads. */
#ifndef WIRE_FLOAT_TEXT_H
#define WIRE_FLOAT_TEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

void float8_print(struct buf *out, double value);
void float4_print(struct buf *out, float value);

/* REJECT: 22P02 invalid input syntax, 22003 out of range. */
enum fate float8_parse(struct slice text, double *ret, struct err *err) NODISCARD;
enum fate float4_parse(struct slice text, float *ret, struct err *err) NODISCARD;

#endif
